"""A small form with a question of every kind, and a folder of files that a source reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from vmeste.forms import Choice, Condition, Form, Question
from vmeste.sources.base import Cursor, Extraction, Submission
from vmeste.sources.config import FormFiles
from vmeste.sources.files import FilesSource

REPOSITORY = Path(__file__).parents[3]


def question(name: str, kind: str, label_ru: str, label_en: str, **given: Any) -> Question:
    defaults: dict[str, Any] = {
        "hint_ru": None,
        "hint_en": None,
        "privacy": "open",
        "key": None,
        "is_required": False,
        "choices": (),
        "list_name": None,
        "minimum": None,
        "maximum": None,
        "pattern": None,
        "not_in_future": False,
        "constraint_message_ru": None,
        "relevant": None,
        "relevant_when": None,
    }
    return Question(name=name, kind=kind, label_ru=label_ru, label_en=label_en, **(defaults | given))


STATUSES = (Choice("held", "Состоялась", "Held"), Choice("no_show", "Не состоялась", "Did not take place"))
MOODS = (Choice("1", "Плохое", "Bad"), Choice("2", "Ровное", "Even"), Choice("99", "Не хочу отвечать", "No answer"))
GOALS = (
    Choice("g1", "Цель 1", "Goal 1"),
    Choice("g2", "Поездка: магазин, банк", "A trip: shop, bank"),
    Choice("g3", "Учёба", "Learning"),
)

VISIT = Form(
    form_id="visit",
    version="2020010101",
    title_ru="Визит",
    title_en="Visit",
    questions=(
        question("pair_code", "text", "Код пары", "Code of the pair", privacy="vault", key="pair", is_required=True),
        question("held_on", "date", "Дата визита", "Date of the visit", is_required=True),
        question(
            "status", "select_one", "Состоялся ли визит?", "Did it take place?", is_required=True, choices=STATUSES
        ),
        question(
            "minutes",
            "integer",
            "Сколько минут?",
            "How many minutes?",
            is_required=True,
            relevant="${status} = 'held'",
            relevant_when=Condition("status", ("held",)),
        ),
        question("start_time", "time", "Начало", "Start"),
        question("fare", "decimal", "Стоимость проезда", "Fare"),
        question("mood", "select_one", "Настроение", "Mood", choices=MOODS),
        question("goals", "select_multiple", "Цели", "Goals", choices=GOALS),
        question("seen_at", "dateTime", "Проверено", "Checked at"),
        question("note", "text", "Заметка", "Note", privacy="restricted"),
    ),
    # the forms beside it are those that a wrong file may look like
    path=REPOSITORY / "forms" / "visit.md",
)

GOOD = """\
submission_id,submitted_at,pair_code,held_on,status,minutes
id-1,2021-03-02T10:00:00+03:00,П-1,2021-03-01,held,60
"""
"""A file of the form with one row."""


@dataclass
class Folder:
    """A folder with files, and the source that reads them."""

    path: Path
    source: FilesSource

    def write(self, name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
        path = self.path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    def workbook(self, name: str, sheets: Mapping[str, Sequence[Sequence[Any]]]) -> Path:
        book = openpyxl.Workbook()
        book.remove(book.worksheets[0])
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(list(row))
        path = self.path / name
        book.save(path)
        return path

    def extract(self, cursor: Cursor | None = None, form: Form = VISIT) -> tuple[Extraction, list[Submission]]:
        extraction = self.source.extract(form, cursor)
        submissions = list(extraction.submissions)
        assert extraction.server_count == len(submissions), "the proof of completeness"
        return extraction, submissions

    def answers(self) -> list[dict[str, str | None]]:
        """Read everything; nothing may be refused."""
        extraction, submissions = self.extract()
        assert extraction.refusals == ()
        return [dict(submission.answers) for submission in submissions]

    def refusal(self) -> str:
        """Read the folder, in which one file is to be refused and ``good.csv``, written here, is not."""
        self.write("good.csv", GOOD)
        extraction, submissions = self.extract()
        assert [submission.submission_id for submission in submissions] == ["id-1"], "the other file goes on"
        (refusal,) = extraction.refusals
        assert refusal.name not in extraction.cursor["files"], "a refused file is tried again"
        assert self.source.has_news(VISIT, extraction.cursor)
        return refusal.reason


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return make_folder(tmp_path)


@pytest.fixture
def translated(tmp_path: Path) -> Callable[..., Folder]:
    """A folder whose columns are translated in sources.yml."""
    return lambda **columns: make_folder(tmp_path, columns)


def make_folder(path: Path, columns: Mapping[str, str] | None = None, files: str = "*") -> Folder:
    forms = {VISIT.form_id: FormFiles(files=files, columns=columns or {})}
    return Folder(path, FilesSource("centre", path, "Europe/Moscow", forms))
