from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vmeste.sources.connections import credentials
from vmeste.sources.errors import SourceDenied

JSON = '{"conn_type": "http", "login": "robot", "password": "geheim-17", "extra": {"organisation": "7"}}'


@pytest.mark.parametrize("written", [JSON, "http://robot:geheim-17@host/?organisation=7"])
def test_the_variable_of_a_connection_is_read(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ODK_CENTRAL", written)
    found = credentials("odk_central", "odk")
    assert (found.login, found.password, found.extra["organisation"]) == ("robot", "geheim-17", "7")
    assert "robot" not in repr(found)
    assert "geheim" not in repr(found)


@pytest.mark.parametrize("written", [None, '{"login": "robot", "password": "geheim-17"', '["geheim-17"]'])
def test_a_connection_that_is_missing_or_broken_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch, written: str | None
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_ODK_CENTRAL", raising=False)
    if written is not None:
        monkeypatch.setenv("AIRFLOW_CONN_ODK_CENTRAL", written)
    with pytest.raises(SourceDenied, match=r"AIRFLOW_CONN_ODK_CENTRAL") as caught:
        assert credentials("odk_central", "odk").password == ""
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("extra", ['{"organisation": "7"}', '"{\\"organisation\\": \\"7\\"}"', "null"])
def test_without_airflow_it_is_read_the_same(extra: str) -> None:
    """Importing Airflow takes longer than an hourly look at ten forms."""
    script = (
        "import sys; from vmeste.sources.connections import credentials\n"
        "found = credentials('x', 'odk')\n"
        "print(found.login, found.password, dict(found.extra), 'airflow' in sys.modules)"
    )
    written = f'{{"conn_type": "http", "login": "robot", "password": "geheim-17", "extra": {extra}}}'
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"AIRFLOW_CONN_X": written}, capture_output=True, text=True
    )
    expected = {} if extra == "null" else {"organisation": "7"}
    assert done.stdout.strip() == f"robot geheim-17 {expected} False"
