"""The same assets for whoever has set Superset to English: dashboards, charts and datasets of their own.

Names of dashboards and charts are data to Superset, not words of its interface: no translation of its own changes them.
So provisioning makes each asset a second time, in English, from the Russian files and from ``words_en.json``:
``dashboards`` are words of the files, ``published`` texts of the data that have an English one. A text of the data
without one stays Russian; a word of the files without one is an error. ``russian_pages.py`` leads to either set.
"""

from __future__ import annotations

import copy
import json
import re
import uuid
from pathlib import Path
from typing import Any

WORDS: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "words_en.json").read_text(encoding="utf-8"))
ENDING = "-en"
NAMESPACE = uuid.UUID("5f0c4a52-7f0e-4d43-9d4c-0d8f1d6fe000")
TRANSLATED = ("datasets", "charts", "dashboards")

CYRILLIC = re.compile("[А-Яа-яЁё]")
LITERAL = re.compile(r"'((?:[^']|'')*)'")
MARKUP = re.compile(r"(<[^>]*>|\{\{.*?\}\})")
UUID = re.compile(r"5f0c4a52-7f0e-4d43-9d4c-0d8f1d6f[123]\d{3}")
"""Of datasets, charts and dashboards; the database is the same."""
DASHBOARD_LINK = re.compile(r"(/superset/dashboard/[a-z]+)/")
FORMATS = {"DD.MM.YYYY": "YYYY-MM-DD", "DD.MM.YYYY HH24:MI": "YYYY-MM-DD HH24:MI"}


class WordMissing(KeyError):
    """``words_en.json`` lacks a word that an asset has."""


def english(kind: str, asset: dict[str, Any]) -> dict[str, Any]:
    """Return an asset in English, with uuids, a slug or a table's name of its own; ``kind`` is its folder.

    Raises:
        WordMissing: names the word.
    """
    made: dict[str, Any] = _walk(copy.deepcopy(asset), "")
    if kind == "dashboards":
        made["slug"] += ENDING
    if kind == "datasets":
        made["table_name"] += "_en"
        made["sql"] = _with_texts(made["sql"], [column["column_name"] for column in made["columns"]])
    return made


def english_uuid(russian: str) -> str:
    """Return the uuid of the English asset made from one."""
    return str(uuid.uuid5(NAMESPACE, russian))


def word(russian: str) -> str:
    """Return a word of the files in English.

    Raises:
        WordMissing: there is none.
    """
    stripped = russian.strip()
    found = WORDS["dashboards"].get(russian) or WORDS["dashboards"].get(stripped)
    if found is None and russian not in WORDS["dashboards"]:
        raise WordMissing(f"superset/words_en.json has no English for «{russian}»: add it under `dashboards`")
    return found if found is not None and russian in WORDS["dashboards"] else russian.replace(stripped, found or "")


def _walk(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _walk(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_walk(one, name) for one in value]
    if not isinstance(value, str):
        return value
    if name in {"sql", "sqlExpression"}:
        return _sql(value)
    if name == "handlebarsTemplate":
        return "".join(map(_part, MARKUP.split(value)))
    if UUID.fullmatch(value):
        return english_uuid(value)
    return word(value) if CYRILLIC.search(value) else value


def _sql(query: str) -> str:
    """Translate the literals of a query; a decimal comma becomes a point, «81 %» becomes 81%."""
    query = query.replace("'.', ','", "'.', '.'")

    def literal(found: re.Match[str]) -> str:
        text = found[1]
        if CYRILLIC.search(text):
            text = word(text).replace("'", "''")
        return f"'{FORMATS.get(text, text.replace(' %', '%'))}'"

    return LITERAL.sub(literal, query)


def _part(part: str) -> str:
    """Translate a piece of a template: a text, or what an element says of itself."""
    if part.startswith("{{"):
        return part
    if part.startswith("<"):
        part = re.sub(r'"([^"]*)"', lambda one: f'"{word(one[1])}"' if CYRILLIC.search(one[1]) else one[0], part)
        return DASHBOARD_LINK.sub(rf"\1{ENDING}/", part)
    return (word(part) if CYRILLIC.search(part) else part).replace(" %", "%")


def _with_texts(query: str, columns: list[str]) -> str:
    """Put the English texts of data around a query; what has none stays as it is."""
    # not the operator: Superset would rewrite it into a function that takes no jsonb
    words = json.dumps(WORDS["published"], ensure_ascii=False).replace("'", "''")
    told = ", ".join(
        f"coalesce(jsonb_extract_path_text(texts.words, {name}), {name}) as {name}" if name.endswith("_ru") else name
        for name in columns
    )
    return f"select {told} from ({query}) as russian cross join (select '{words}'::jsonb as words) as texts"  # noqa: S608
