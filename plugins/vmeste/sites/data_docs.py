"""Great Expectations' Data Docs: what each form and mart is held to, and how many rows kept to it the last time.

They are drawn from rules and counts. The page's maker is given no row, so that no answer can stand in it: of forms the
counts are those that the last load has noted (``ops.check_results``), of marts they are counted anew.
"""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from vmeste.forms import load_forms
from vmeste.quality import marts
from vmeste.quality.suites import Suite, suite_for, suite_for_members
from vmeste.quality.validate import validate
from vmeste.settings import Settings
from vmeste.sites.folders import rebuilt
from vmeste.sites.harmless import harmless
from vmeste.sites.navigation import DATA_DOCS
from vmeste.warehouse.connect import connect, warehouse_url

STYLE = (Path(__file__).parent / "data_docs.css").read_text(encoding="utf-8")

LAST_CHECKS = """
select checks.form_id, runs.batch_id, runs.finished_at, checks.rule, checks.element_count, checks.unexpected_count
from ops.check_results as checks
inner join (
    select distinct on (sync_runs.form_id) sync_runs.form_id, sync_runs.batch_id, sync_runs.finished_at
    from ops.sync_runs
    where exists (select 1 from ops.check_results where check_results.batch_id = sync_runs.batch_id)
    order by sync_runs.form_id, sync_runs.finished_at desc
) as runs on checks.batch_id = runs.batch_id
"""

Counts = Mapping[str, tuple[int, int]]
"""Rule → elements looked at, of them unexpected."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A suite and what it has found: when, under which name, and how many."""

    suite: Suite
    at: datetime
    name: str
    counts: Counts


def build(settings: Settings) -> Path:
    """Build the site anew and return its folder; the old one stays until the new one stands.

    Raises:
        FormError, SuiteError: a form or a suite is wrong; the message names it.
    """
    found = [*_forms(settings), *_marts(settings)]
    with rebuilt(settings, DATA_DOCS) as folder:
        # Great Expectations notes its own addresses in what it draws: it draws elsewhere
        with tempfile.TemporaryDirectory(prefix="vmeste-docs-") as drawn:
            _draw(found, Path(drawn))
            _copy(Path(drawn), folder)
        _index(found, folder, ZoneInfo(settings.timezone))
    return folder


def _forms(settings: Settings) -> Iterator[Checked]:
    """Return each form's suite, its repeats' with it, with the counts of the last load that checked something."""
    expectations = settings.root / "expectations"
    last: dict[str, tuple[str, datetime, dict[str, tuple[int, int]]]] = {}
    with connect(settings, "vmeste_loader") as connection:
        for form_id, batch_id, at, rule, elements, unexpected in connection.execute(LAST_CHECKS):
            last.setdefault(form_id, (batch_id, at, {}))[2][rule] = (elements, unexpected)
    for form_id, form in load_forms(settings.forms).items():
        batch_id, at, counts = last.get(form_id, ("", datetime.now(UTC), {}))
        suite = suite_for(form, expectations)
        inner = [suite_for_members(form, question, expectations) for question in form.questions if question.members]
        rules = tuple(rule for one in (suite, *inner) for rule in one.expectations)
        yield Checked(Suite(form_id, rules, {}), at, batch_id, counts)


def _marts(settings: Settings) -> Iterator[Checked]:
    """Return each mart's suite with counts of what stands now; of a mart that is not built, without."""
    import adbc_driver_postgresql.dbapi as adbc

    at = datetime.now(UTC)
    with (
        adbc.connect(warehouse_url(settings, "vmeste_transformer")) as connection,
        connection.cursor() as cursor,
    ):
        for relation, suite in marts.suites(settings.root / "expectations").items():
            counts: Counts = {}
            cursor.execute("select to_regclass($1) is not null", (f"marts.{relation}",))
            if cursor.fetchone()[0]:
                cursor.execute(f"select * from marts.{relation}")  # noqa: S608
                verdict = validate(cursor.fetch_arrow_table().to_pandas(), suite)
                counts = {rule: (elements, unexpected) for rule, _, elements, unexpected in verdict.counts}
            yield Checked(suite, at, relation, counts)


def _draw(found: list[Checked], folder: Path) -> None:
    """Let Great Expectations draw its site from rules and counts."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.add_data_docs_site(
        DATA_DOCS,
        {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
        },
    )
    for checked in found:
        # what to do about a row stands beside its rule
        rules = [{**rule, "notes": rule["meta"]["remedy_ru"]} for rule in checked.suite.expectations]
        suite = context.suites.add(ExpectationSuite(name=checked.suite.name, expectations=rules))
        if checked.counts:
            context.validation_results_store.add(*_result(suite, checked))
    context.build_data_docs(site_names=[DATA_DOCS])


def _result(suite: Any, checked: Checked) -> tuple[Any, Any]:
    """Return the key and the result that Great Expectations keeps: outcomes and counts."""
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    results = []
    for expectation in suite.expectations:
        rule = expectation.meta["rule"]
        if rule not in checked.counts:
            continue
        elements, unexpected = checked.counts[rule]
        results.append(
            ExpectationValidationResult(
                success=not unexpected,
                expectation_config=expectation.configuration,
                result={
                    "element_count": elements,
                    "unexpected_count": unexpected,
                    "unexpected_percent": 100 * unexpected / elements if elements else 0.0,
                },
            )
        )
    kept = sum(bool(result.success) for result in results)
    run = RunIdentifier(run_name=checked.name, run_time=checked.at)
    key = ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(name=suite.name),
        run_id=run,
        batch_identifier=checked.suite.name,
    )
    result = ExpectationSuiteValidationResult(
        results=results,
        success=kept == len(results),
        suite_name=suite.name,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": kept,
            "unsuccessful_expectations": len(results) - kept,
            "success_percent": 100 * kept / len(results) if results else 100.0,
        },
        meta={"run_id": run, "active_batch_definition": {"data_asset_name": checked.suite.name}},
    )
    return key, result


def _copy(drawn: Path, folder: Path) -> None:
    """Copy the pages, each made harmless: the maker's own scripts, fonts and styles come from other machines."""
    for page in drawn.rglob("*.html"):
        copied = folder / page.relative_to(drawn)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_text(harmless(page.read_text(encoding="utf-8"), STYLE), encoding="utf-8")


def _index(found: list[Checked], folder: Path, zone: ZoneInfo) -> None:
    """Write the first page; the one that Great Expectations makes is empty without scripts of other machines."""
    rows = []
    for checked in found:
        parts = checked.suite.name.split(".")
        rules = folder.joinpath("expectations", *parts).with_suffix(".html").relative_to(folder)
        results = [page.relative_to(folder) for page in folder.joinpath("validations", *parts).rglob("*.html")]
        broken = sum(1 for _, unexpected in checked.counts.values() if unexpected)
        at = f'<a href="{results[0]}">{checked.at.astimezone(zone):%d.%m.%Y %H:%M}</a>' if results else "ещё не было"
        outcome = f"нарушены: {broken} из {len(checked.counts)}" if broken else "все соблюдены" if results else ""
        rows.append(
            f'<tr><td><a href="{rules}">{html.escape(checked.suite.name)}</a></td>'
            f"<td>{len(checked.suite.expectations)}</td><td>{at}</td><td>{outcome}</td></tr>"
        )
    page = (
        "<html><head><title>Проверки данных</title></head><body><h4>Проверки данных</h4>"
        "<p>Правила анкет и витрин и сколько строк нарушили каждое при последней загрузке. Самих строк здесь нет.</p>"
        "<table><thead><tr><th>Что</th><th>Правил</th><th>Последняя проверка</th><th>Правила</th></tr></thead><tbody>"
        f"{''.join(rows)}</tbody></table></body></html>"
    )
    (folder / "index.html").write_text(harmless(page, STYLE), encoding="utf-8")
