"""Programme measures of one form must not tell of a few pairs, nor of the quarter that came."""

from __future__ import annotations

from tests.unit.releases.synthetic import QUARTER
from vmeste.releases.candidate import ProgrammeValue, hide_programme
from vmeste.releases.quarters import Quarter


def dose(form: str, status: str = "shown") -> ProgrammeValue:
    return ProgrammeValue("M2_hours", str(QUARTER), "quarter", form, 30.0, 12, 2.5, None, None, 2.0, 3.0, status)


def early(
    form: str, numerator: float | None, *, view: str = "rolling_4q", quarter: Quarter = QUARTER, status: str = "shown"
) -> ProgrammeValue:
    share = None if numerator is None else numerator / 20
    size = None if numerator is None else 20
    return ProgrammeValue("M4", str(quarter), view, form, numerator, size, share, share, share, None, None, status)


def numerators(values: list[ProgrammeValue], released: list[str] | None = None) -> list[float | None]:
    return [value.numerator for value in hide_programme(values, QUARTER, released or [])]


def test_hours_of_a_form_do_not_add_up_to_the_margin() -> None:
    """With one long pair, all hours less those of the short ones are that pair's."""
    shown = hide_programme([dose("all"), dose("short")], QUARTER, [])
    assert [(value.numerator, value.denominator, value.value) for value in shown] == [
        (30.0, 12, 2.5),
        (None, None, 2.5),
    ]


def test_early_closures_by_form_are_told_for_the_rolling_year_alone() -> None:
    values = [
        early("all", 8),
        early("long", 5),
        early("long", 5, view="quarter"),
        early("all", 8, view="quarter"),
        early("long", 5, quarter=QUARTER.previous),
    ]
    assert numerators(values) == [8, 5, None, 8, None]
    assert {value.status for value in hide_programme(values, QUARTER, []) if value.numerator is None} == {
        "suppressed_secondary"
    }


def test_early_closures_by_form_are_told_for_windows_that_do_not_overlap() -> None:
    values = [early("all", 8), early("long", 5)]
    year_ago = Quarter(QUARTER.year - 1, QUARTER.number)
    assert numerators(values, [str(year_ago), str(QUARTER.previous)]) == [8, 5]
    assert numerators(values, [str(QUARTER.previous)]) == [8, None]
    assert numerators(values, [str(QUARTER)]) == [8, None], "a revision: the difference is a few late pairs"


def test_hidden_forms_have_one_status() -> None:
    values = [
        early("all", 3),
        early("long", None, status="suppressed_small_n"),
        early("short", None, status="suppressed_secondary"),
    ]
    assert [value.status for value in hide_programme(values, QUARTER, [])][1:] == ["suppressed_small_n"] * 2
    values[2] = early("short", None, status="no_data")
    assert [value.status for value in hide_programme(values, QUARTER, [])][1:] == ["suppressed_small_n"] * 2
