"""What the two who approve see beside the page: the headlines in a table."""

from __future__ import annotations

from vmeste.releases import steps
from vmeste.releases.candidate import Candidate


def test_headlines_stand_in_the_table_and_companions_do_not(candidate: Candidate) -> None:
    _, _, *rows = steps._summary(candidate).splitlines()
    assert [row.split()[1] for row in rows] == ["1.1", "2.1", "2.2", "2.3", "3.1"]
    assert rows[1].endswith("| 14/20 | 70\u00a0% | 42\u00a0%, не выносить в заголовок |")
