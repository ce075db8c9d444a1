"""A form as LimeSurvey imports it: a "tab-separated values survey structure", Russian with English beside.

Columns as in https://www.limesurvey.org/manual/Tab_Separated_Value_survey_structure; codes of questions and answers as
in ``limesurvey_codes``, so that the connector finds them again. Tried on LimeSurvey 6.4.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterator, Mapping, Sequence

from vmeste.forms.limesurvey_codes import answer_codes, question_codes
from vmeste.forms.model import WORDING, Condition, Form, Question
from vmeste.forms.tables import Tables

SUFFIX = ".limesurvey.txt"

BOM = "\ufeff"  # without it LimeSurvey takes the file for the server's own encoding

COLUMNS = (
    *("id", "related_id", "class", "type/scale", "name", "relevance", "text", "help", "language", "validation"),
    *("mandatory", "encrypted", "other", "default", "same_default", "date_format", "date_max"),
    *("min_num_value_n", "max_num_value_n", "num_value_int_only"),
)

LANGUAGES = {"ru": "Русский (ru)", "en": "English (en)"}
"""LimeSurvey's code of a language → ours; the first is the survey's own."""

TYPES = {
    "text": "S",
    "integer": "N",
    "decimal": "N",
    "date": "D",
    "time": "D",
    "dateTime": "D",
    "select_one": "L",
    "select_multiple": "M",
}
LONG_TEXT = "T"
DATE_FORMATS = {"time": "HH:MM", "dateTime": "dd.mm.yyyy HH:MM"}
"""A date alone is left to the language: each has its own way to write and to explain it (surveyls_dateformat)."""

TODAY = 'date("Y-m-d")'  # `today` imports without a word and makes every date invalid

SURVEY_SETTINGS = {
    "language": "ru",
    "additional_languages": "en",
    "anonymized": "N",  # a pair's code is asked: promising anonymity would be untrue
    "datestamp": "Y",  # the connector reads by it
    "ipaddr": "N",
    "refurl": "N",
    "savetimings": "N",
    "format": "G",
    "allowprev": "Y",
    "allowsave": "N",  # resuming asks for a name and a password
    "showwelcome": "N",
    "showxquestions": "N",
    "questionindex": "0",
    "shownoanswer": "Y",
}
DATE_FORMAT_OF_LANGUAGE = {"ru": "1", "en": "6"}  # dd.mm.yyyy, yyyy-mm-dd

RECORD_QUESTIONS = frozenset({"wave", "horizon", "filled_on", "assisted_by", WORDING, "informant", "observer", "basis"})
"""Asked on the first page together with the codes: about the record, often by a specialist."""

PAGE = 10
"""Questions on a page, at most: a telephone's screen shows three."""

Row = dict[str, str]


def can_be_survey(form: Form) -> bool:
    """Say whether LimeSurvey can hold a form: it has no repeats, and names and contacts do not belong there."""
    return not form.repeats and all(question.key for question in form.vault_questions)


def to_survey(form: Form, tables: Tables) -> str:
    """Return the survey's file.

    Args:
        form: an edition of a form in one wording (``vmeste.forms.wordings``) for which ``can_be_survey`` holds.
        tables: the sheets of the same edition, for its texts in both languages.

    Raises:
        FormError: two questions or two choices would have one code in LimeSurvey.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, delimiter="\t", lineterminator="\r\n", restval="")
    writer.writeheader()
    writer.writerows(_rows(form, tables))
    return BOM + out.getvalue()


def _rows(form: Form, tables: Tables) -> Iterator[Row]:
    for name, value in SURVEY_SETTINGS.items():
        yield {"class": "S", "name": name, "text": value}
    for language, name in (("ru", form.title_ru), ("en", form.title_en)):
        yield {"class": "SL", "name": "surveyls_title", "text": _text(name), "language": language}
        date_format = DATE_FORMAT_OF_LANGUAGE[language]
        yield {"class": "SL", "name": "surveyls_dateformat", "text": date_format, "language": language}
    codes = question_codes(question.name for question in form.questions)
    texts: dict[str, Mapping[str, str]] = {row.get("name") or "": row.cells for row in tables.survey.rows}
    labels = {(row.get("list_name"), row.get("name")): row.cells for row in tables.choices.rows}
    pages = list(_pages(form.questions))
    for language in LANGUAGES:
        for number, (title, page) in enumerate(pages, start=1):
            yield {
                "class": "G",
                "type/scale": f"G{number}",
                "name": title[language],
                "relevance": "1",
                "language": language,
            }
            for question in page:
                yield _question(question, codes, texts[question.name], language, form)
                yield from _choices(question, labels, language)


def _pages(questions: Sequence[Question]) -> Iterator[tuple[dict[str, str], Sequence[Question]]]:
    about = [question for question in questions if question.key or question.name in RECORD_QUESTIONS]
    asked = [question for question in questions if question not in about]
    # a page is asked only where it is, so a condition must stand on an earlier page or the same one: order stays
    if any(q.relevant_when and q.relevant_when.question not in {a.name for a in about} for q in about):
        about, asked = [], list(questions)
    if about:
        yield {"ru": "Об анкете", "en": "About this form"}, about
    count = -(-len(asked) // PAGE)
    for number in range(count):
        part = {"ru": f"Часть {number + 1} из {count}", "en": f"Part {number + 1} of {count}"}
        yield part, asked[number * PAGE : (number + 1) * PAGE]


def _question(question: Question, codes: Mapping[str, str], texts: Mapping[str, str], language: str, form: Form) -> Row:
    column = LANGUAGES[language]
    advice = [texts.get(f"hint::{column}"), texts.get(f"constraint_message::{column}") if question.pattern else None]
    row = {
        "class": "Q",
        "type/scale": TYPES[question.kind],
        "name": codes[question.name],
        "relevance": _relevance(question.relevant_when, codes, form),
        "text": _text(texts[f"label::{column}"]),
        "help": _text(" ".join(text for text in advice if text)),
        "language": language,
        "mandatory": "Y" if question.is_required else "N",
        "encrypted": "N",
        "other": "N",
    }
    if question.kind == "text" and question.pattern is None and question.privacy == "restricted":
        row["type/scale"] = LONG_TEXT
    if question.pattern is not None:
        row["validation"] = f"/{question.pattern.replace('/', chr(92) + '/')}/u"
    if question.kind in DATE_FORMATS:
        row["date_format"] = DATE_FORMATS[question.kind]
    if question.not_in_future:
        row["date_max"] = TODAY
    if question.kind in ("integer", "decimal"):
        row["num_value_int_only"] = "1" if question.kind == "integer" else "0"
        for name, bound in (("min_num_value_n", question.minimum), ("max_num_value_n", question.maximum)):
            row[name] = "" if bound is None else f"{bound:g}"
    if question.name == WORDING and len(question.choices) == 1:
        row["default"], row["same_default"] = answer_codes([question.choices[0].name])[question.choices[0].name], "1"
    return row


def _choices(
    question: Question, labels: Mapping[tuple[str | None, str | None], Mapping[str, str]], language: str
) -> Iterator[Row]:
    is_multiple = question.kind == "select_multiple"
    for choice, code in answer_codes([choice.name for choice in question.choices]).items():
        yield {
            "class": "SQ" if is_multiple else "A",
            "type/scale": "0",
            "name": code,
            "relevance": "1" if is_multiple else "",
            "text": _text(labels[question.list_name, choice][f"label::{LANGUAGES[language]}"]),
            "language": language,
        }


def _relevance(condition: Condition | None, codes: Mapping[str, str], form: Form) -> str:
    """Return a condition in LimeSurvey's own language."""
    if condition is None:
        return "1"
    asked = form.question(condition.question)
    answers = answer_codes([choice.name for choice in asked.choices])
    if asked.kind == "select_multiple":
        clauses = [f'{codes[asked.name]}_{answers[value]}.NAOK == "Y"' for value in condition.values]
    else:
        clauses = [f'{codes[asked.name]}.NAOK == "{answers[value]}"' for value in condition.values]
    return " or ".join(clauses)


def _text(text: str) -> str:
    """Return a text as LimeSurvey shows it unchanged: it takes texts for HTML, and what stands in braces for code."""
    return html.escape(text, quote=False).replace("{", "&#123;").replace("}", "&#125;")
