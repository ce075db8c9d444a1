from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sources.conftest import REPOSITORY
from vmeste.forms import load_forms
from vmeste.sources import FilesConfig, SourceError, load_sources, open_source

GOOD = """\
stages:
  pairs: [r3_pair]
  surveys: [f4_meeting]
sources:
  - name: centre
    kind: files
    location: exports
    time_zone: Europe/Moscow
    forms:
      r3_pair: {files: "r3_*"}
      f4_meeting: {files: "f4_*", columns: {"Номер пары": pair_code}}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "sources.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_locations_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_sources(write(tmp_path, GOOD))
    (source,) = config.sources
    assert isinstance(source, FilesConfig)
    assert source.location == str(tmp_path / "exports")
    assert list(config.stages) == ["pairs", "surveys"]
    assert source.forms["f4_meeting"].columns == {"Номер пары": "pair_code"}
    assert open_source(source).name == "centre"


def test_a_field_may_be_no_question(tmp_path: Path) -> None:
    config = load_sources(write(tmp_path, GOOD.replace('{"Номер пары": pair_code}', "{старый номер: null, note: }")))
    assert config.sources[0].forms["f4_meeting"].columns == {"старый номер": None, "note": None}


def test_an_address_stays_and_holds_no_password(tmp_path: Path) -> None:
    config = load_sources(write(tmp_path, GOOD.replace("location: exports", "location: s3://bucket/exports")))
    assert config.sources[0].location == "s3://bucket/exports"
    with pytest.raises(SourceError, match=r"centre\.location: an address with credentials") as caught:
        load_sources(write(tmp_path, GOOD.replace("location: exports", "location: ftp://me:secret@host/exports")))
    assert "secret" not in str(caught.value)


def test_an_absolute_location_stays(tmp_path: Path) -> None:
    config = load_sources(write(tmp_path, GOOD.replace("location: exports", "location: /srv/exports")))
    assert config.sources[0].location == "/srv/exports"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: files", "kind: fax", ["sources.centre.kind", "Expected: one of files"]),
        ("    time_zone: Europe/Moscow\n", "", ["sources.centre.time_zone: it is missing", "Europe/Moscow"]),
        ("Europe/Moscow", "Tambov", ["sources.centre.time_zone", "'Tambov'", "IANA"]),
        ("    location: exports\n", "", ["sources.centre.location: it is missing", "a folder"]),
        ('{files: "r3_*"}', "{}", ["sources.centre.forms.r3_pair.files: it is missing", "pattern"]),
        ('"r3_*"', '"a/r3_*"', ["sources.centre.forms.r3_pair.files", "'a/r3_*'", "pattern"]),
        ('"r3_*"', "3", ["sources.centre.forms.r3_pair.files", "pattern"]),
        ("name: centre", "name: our centre", ["sources.our centre.name", "short word"]),
        ("name: centre", "name: centre\n    colour: red", ["sources.centre.colour: there is no such key"]),
        ('columns: {"Номер пары": pair_code}', "columns: [pair_code]", ["forms.f4_meeting.columns", "question name"]),
        ("[f4_meeting]", "[f2_self_report]", ["sources.centre.forms.f4_meeting", "no stage reads this form"]),
        ("[r3_pair]", "[r3_pair, f4_meeting]", ["f4_meeting stands in 2 places", "each form in one stage"]),
        ("[r3_pair]", "r3_pair", ["stages.pairs", "list of form ids"]),
        ("f4_meeting: {files", "r3_pair: {files", ["the key r3_pair stands twice"]),
    ],
)
def test_a_fault_is_named_by_file_key_and_expectation(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    assert old in GOOD
    with pytest.raises(SourceError) as caught:
        load_sources(write(tmp_path, GOOD.replace(old, new)))
    for words in ["sources.yml", *said]:
        assert words in str(caught.value)


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    source = GOOD[GOOD.index("  - name") :]
    with pytest.raises(SourceError, match="2 sources are called centre"):
        load_sources(write(tmp_path, GOOD + source))


@pytest.mark.parametrize(("content", "said"), [(b"", "missing"), (b"a: [", "not YAML"), (b"\xef\xf0", "not YAML")])
def test_what_is_no_yaml_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "sources.yml"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=said):
        load_sources(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"sources\.yml cannot be read .*VMESTE_SOURCES"):
        load_sources(tmp_path / "sources.yml")


def test_the_committed_file_names_the_forms_that_there_are() -> None:
    config = load_sources(REPOSITORY / "forms" / "sources.yml")
    staged = [form_id for form_ids in config.stages.values() for form_id in form_ids]
    assert sorted(staged) == sorted(load_forms(REPOSITORY / "forms"))
    assert all(Path(source.location).is_dir() for source in config.sources if isinstance(source, FilesConfig))


def of_two_organisations(folder: Path) -> Path:
    """A folder with a file for each organisation."""
    sources = folder / "sources"
    sources.mkdir()
    for code in ("one", "two"):
        text = f"organisation_code: {code}\n{GOOD.replace('name: centre', f'name: centre_{code}')}"
        (sources / f"{code}.yml").write_text(text, encoding="utf-8")
    return sources


def test_a_folder_holds_a_file_for_each_organisation(tmp_path: Path) -> None:
    sources = of_two_organisations(tmp_path)
    config = load_sources(sources)
    assert config.organisations == {"centre_one": "one", "centre_two": "two"}
    assert config.stages == {"pairs": ["r3_pair"], "surveys": ["f4_meeting"]}
    assert {source.location for source in config.sources if isinstance(source, FilesConfig)} == {
        str(sources / "exports")
    }


def test_a_source_may_name_its_organisation_itself(tmp_path: Path) -> None:
    text = GOOD.replace("kind: files", "kind: files\n    organisation_code: three")
    assert load_sources(write(tmp_path, text)).organisations == {"centre": "three"}
    assert load_sources(write(tmp_path, f"organisation_code: one\n{text}")).organisations == {"centre": "three"}
    assert load_sources(write(tmp_path, GOOD)).organisations == {}


def test_files_of_a_folder_must_agree(tmp_path: Path) -> None:
    sources = of_two_organisations(tmp_path)
    other = (sources / "two.yml").read_text(encoding="utf-8")
    (sources / "two.yml").write_text(other.replace("centre_two", "centre_one"), encoding="utf-8")
    with pytest.raises(SourceError, match="its files together: sources: 2 sources are called centre_one"):
        load_sources(sources)
    moved = other.replace("pairs: [r3_pair]", "pairs: [f4_meeting]").replace(
        "[f4_meeting]\nsources", "[r3_pair]\nsources"
    )
    (sources / "two.yml").write_text(moved, encoding="utf-8")
    with pytest.raises(SourceError, match=r"its files together: stages: .* stands in 2 places"):
        load_sources(sources)
    (sources / "two.yml").write_text("stages: 1", encoding="utf-8")
    with pytest.raises(SourceError, match=r"two\.yml, stages"):
        load_sources(sources)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"holds no \*\.yml file"):
        load_sources(tmp_path / "empty")
