"""Each curator's refused rows as a workbook: what is wrong with which record of whose pair, and what to do.

The curator of a row is the one of its pair, or of the newest pair of its mentee or mentor. What leads to no curator
goes into a list of its own, for whoever keeps the pipeline. The lists name pairs by code, so they lie in a folder that
only the pipeline's user may read; how they reach a curator is for the centre to decide.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import psycopg

from vmeste import ingest
from vmeste.privacy.code_spaces import SEPARATOR, written
from vmeste.settings import Settings
from vmeste.warehouse.connect import connect, vault_url
from vmeste.warehouse.references import current_versions

NOBODY = "без куратора"
"""The list of rows that lead to no curator; no code is written so."""

HEADER = ("Форма", "Код пары", "Где", "Запись", "Что сделать", "Правила", "Впервые", "Последняя проверка")
_WIDTHS = (32, 14, 34, 38, 80, 30, 12, 18)

_WRITTEN = ".lists"
"""Names of the lists of the last time: of other files in the folder we know nothing."""

_CODE = re.compile(r"[\w-]{1,80}")


def write(settings: Settings, folder: Path | None = None) -> dict[str, int]:
    """Write the lists of all open rows and remove those of the last time.

    Args:
        settings: of the pipeline.
        folder: where they go, ``<home>/quarantine`` by default.

    Returns:
        curator's code → number of rows.
    """
    if folder is None:
        folder = settings.home / "quarantine"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lists = _by_curator(settings)
    for curator, rows in lists.items():
        _write_workbook(folder / f"{curator}.xlsx", rows)
    written = folder / _WRITTEN
    former = written.read_text(encoding="utf-8").splitlines() if written.exists() else []
    for name in former:
        if name not in lists:
            (folder / f"{name}.xlsx").unlink(missing_ok=True)
    written.write_text("".join(f"{name}\n" for name in lists), encoding="utf-8")
    return {curator: len(rows) for curator, rows in sorted(lists.items())}


def _by_curator(settings: Settings) -> dict[str, list[tuple[str, ...]]]:
    titles = {form.form_id: form.title_ru for form in ingest.forms(settings).values()}
    pairs = current_versions("r3_pair", "pair_key, mentee_key, mentor_key, curator_key, start_on")
    with connect(settings, "vmeste_loader") as connection:
        found = connection.execute(
            f"""
            with pairs as ({pairs})

            select
                refused.form_id, refused.payload ->> 'pair_key', refused.origin, refused.source, refused.submission_id,
                refused.remedy_ru, array_to_string(refused.rules, ', '),
                refused.first_seen_at, refused.last_tried_at,
                coalesce(
                    refused.payload ->> 'curator_key',
                    (
                        select pairs.curator_key from pairs
                        where
                            pairs.pair_key = refused.payload ->> 'pair_key'
                            or (
                                refused.payload ->> 'pair_key' is null
                                and (
                                    pairs.mentee_key = refused.payload ->> 'mentee_key'
                                    or pairs.mentor_key = refused.payload ->> 'mentor_key'
                                )
                            )
                        order by pairs.start_on desc nulls last, pairs.pair_key
                        limit 1
                    )
                )
            from quarantine.rows as refused
            where refused.state = 'open'
            order by refused.form_id, refused.first_seen_at, refused.quarantine_id
            """.encode()
        ).fetchall()
    codes = _codes(settings, {key for row in found for key in (row[1], row[-1]) if key})
    lists: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for form_id, pair, origin, source, submission_id, remedy, rules, first, last, curator in found:
        code = codes.get(curator, "")
        # the code becomes the name of a file: what a form's pattern would refuse must not lead out of the folder
        lists[code if _CODE.fullmatch(code) else NOBODY].append(
            (
                titles.get(form_id, form_id),
                codes.get(pair, ""),
                origin or source,
                submission_id,
                remedy,
                rules,
                f"{first.astimezone(settings.zone):%d.%m.%Y}",
                f"{last.astimezone(settings.zone):%d.%m.%Y %H:%M}",
            )
        )
    return lists


def _codes(settings: Settings, keys: set[str]) -> dict[str, str]:
    with psycopg.connect(vault_url(settings)) as vault:
        rows = vault.execute(
            "select key, code, kind from vault.keys where kind in ('pair', 'curator') and key = any(%s)",
            (sorted(keys),),
        )
        # two organisations may have a curator of the same code, and neither may read the other's list
        return {key: name.replace(SEPARATOR, "_") if kind == "curator" else written(name) for key, name, kind in rows}


def _write_workbook(path: Path, rows: list[tuple[str, ...]]) -> None:
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    workbook = Workbook()
    sheet: Any = workbook.active
    sheet.title = "Карантин"
    for number, row in enumerate((HEADER, *rows), start=1):
        for column, text in enumerate(row, start=1):
            cell = sheet.cell(number, column, ILLEGAL_CHARACTERS_RE.sub("\ufffd", text or ""))
            cell.data_type = "s"  # text, also when it begins with =
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if number == 1:
                cell.font = Font(bold=True)
    for column, width in enumerate(_WIDTHS, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.freeze_panes = "A2"
    # written beside and put in place: whoever opens the list in the night sees a whole one
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    workbook.save(part)
    part.replace(path)
