"""The five form servers, each with the registration form of mentees, as people use them.

Behind each platform stands the fake server of its connector's own tests. Here are only the things that people do there
(send, edit, delete, review …) and what the server then holds, in words that are the same for all five, so that one
scenario can be told of each and compared with the warehouse.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from tests.integration.memory_source import REGISTRY
from tests.unit.sources import google_server, kobo_fake, limesurvey_fake, odk_fake, yandex_server
from vmeste.forms import Form, load_forms
from vmeste.forms.limesurvey_codes import answer_code, question_code
from vmeste.settings import ROOT

FORM = "r1_mentee"
STAGES = {"people": [FORM]}
PAGE = 4
"""So many submissions a page, where the server decides; see ``small_pages`` for the others."""

START_OF_FILES = datetime(2026, 1, 1, tzinfo=UTC)

INVALID = "1900"
"""A year of birth that no rule lets pass."""

Answers = dict[str, str]


@cache
def form() -> Form:
    """The registration form."""
    return load_forms(ROOT / "forms")[FORM]


@dataclass(frozen=True)
class Held:
    """A submission as its server has it now."""

    answers: Answers
    is_counted: bool = True

    @property
    def is_valid(self) -> bool:
        return self.answers["birth_year"] != INVALID


@dataclass
class Platform(ABC):
    """One server with one form; submissions are numbered by whoever sends them.

    ``counts_all`` says whether the server tells how many submissions it has, ``tells_deletions`` whether anything can
    be said of what was deleted. Time on the server begins three days ago and moves by twenty minutes with each thing
    that happens.
    """

    kind: str = ""
    secrets: tuple[str, ...] = ()
    counts_all: bool = True
    tells_deletions: bool = True
    series: int = field(default_factory=count().__next__)  # mentees of two servers are different people
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(days=3))
    held: dict[int, Held] = field(default_factory=dict)

    @abstractmethod
    def serve(self) -> AbstractContextManager[Any]:
        """Run the server."""

    @abstractmethod
    def source(self) -> dict[str, Any]:
        """Return what sources.yml says of it, but for its name and connection."""

    @abstractmethod
    def connection(self) -> dict[str, Any]:
        """Return the connection with the right credentials."""

    @abstractmethod
    def requests(self) -> list[str]:
        """Return the requests that the server got, oldest first."""

    @abstractmethod
    def is_page(self, request: str) -> bool:
        """Say whether a request asks for submissions."""

    @abstractmethod
    def key(self, number: int) -> str:
        """Return the id by which the warehouse knows a submission."""

    @abstractmethod
    def refuse_credentials(self) -> None:
        """Take our credentials back: each request that needs them is refused from now on."""

    def mentee(self, number: int, year: str = "2006") -> Answers:
        """Return what is answered for one mentee."""
        return REGISTRY[FORM] | {"mentee_code": f"К-{self.series}-{number}", "birth_year": year}

    def add(self, *numbers: int, year: str = "2006") -> None:
        """Send submissions."""
        for number in numbers:
            self.tick()
            answers = self.mentee(number, year)
            self._send(number, answers)
            self.held[number] = Held(answers)

    def edit(self, number: int, year: str) -> None:
        """Change the year of birth in a submission."""
        self.tick()
        answers = self.mentee(number, year)
        self._edit(number, answers)
        self.held[number] = Held(answers, self.held[number].is_counted)

    def delete(self, *numbers: int) -> None:
        """Delete submissions."""
        for number in numbers:
            self.tick()
            self._delete(number)
            if self.tells_deletions:
                del self.held[number]

    def tick(self) -> None:
        """Let time pass, but never beyond the present."""
        self.now = min(self.now + timedelta(minutes=20), datetime.now(UTC))

    def catch_up(self) -> None:
        """Let it be the present: what happens next happens after all that we have read."""
        self.now = datetime.now(UTC)

    @abstractmethod
    def _send(self, number: int, answers: Answers) -> None: ...

    @abstractmethod
    def _edit(self, number: int, answers: Answers) -> None: ...

    @abstractmethod
    def _delete(self, number: int) -> None: ...


@dataclass
class Odk(Platform):
    kind: str = "odk_central"
    secrets: tuple[str, ...] = ("let me in", "token1")
    fake: odk_fake.FakeCentral = field(default_factory=odk_fake.FakeCentral)
    device: str | None = "collect:kv9u7q"

    def __post_init__(self) -> None:
        self.fake.fields = [("/start", "dateTime"), ("/who", "structure")]
        self.fake.fields += [(f"/who/{question.name}", "string") for question in form().questions]
        self.fake.first_fields = list(self.fake.fields)
        self.fake.now = self.now

    def serve(self) -> AbstractContextManager[Any]:
        return odk_fake.running(self.fake)

    def source(self) -> dict[str, Any]:
        return {"server": self.fake.address, "forms": {FORM: {"project": 1, "form": "visit_ru"}}}

    def connection(self) -> dict[str, Any]:
        return {"conn_type": "http", "login": self.fake.login, "password": "let me in"}

    def requests(self) -> list[str]:
        return self.fake.requests

    def is_page(self, request: str) -> bool:
        return "$top=" in request and "$top=0" not in request

    def key(self, number: int) -> str:
        return f"uuid:{number:08d}-1111-4000-8000-000000000000"

    def refuse_credentials(self) -> None:
        self.fake.password, self.fake.tokens = "another one", set()

    def ask_for_numbers(self) -> None:
        """Let something else than Collect send submissions from now on, with a whole number among their answers."""
        self.device = None
        self.fake.fields = [(path, "int" if path.endswith("/birth_year") else kind) for path, kind in self.fake.fields]

    def review(self, number: int, state: str) -> None:
        """Set the review state of a submission."""
        self.tick()
        self.fake.review(self.fake.rows[self.key(number)], state)
        self.held[number] = Held(self.held[number].answers, is_counted=state != "rejected")

    def restore(self, number: int) -> None:
        """Take a submission out of the bin."""
        self.tick()
        row = self.fake.rows[self.key(number)]
        self.fake.restore(row)
        self.held[number] = Held(self.mentee(number, row.answers["birth_year"]))

    def purge(self, number: int) -> None:
        """Delete a submission without a trace."""
        self.tick()
        self.fake.purge(self.fake.rows[self.key(number)])
        self.held.pop(number, None)

    def tick(self) -> None:
        super().tick()
        self.fake.now = self.now

    def _send(self, number: int, answers: Answers) -> None:
        self.fake.send(self.key(number), device=self.device, **answers)

    def _edit(self, number: int, answers: Answers) -> None:
        self.fake.edit(self.fake.rows[self.key(number)], **answers)

    def _delete(self, number: int) -> None:
        self.fake.delete(self.fake.rows[self.key(number)])


@dataclass
class Kobo(Platform):
    kind: str = "kobotoolbox"
    secrets: tuple[str, ...] = (kobo_fake.TOKEN,)
    fake: kobo_fake.FakeKobo = field(default_factory=lambda: kobo_fake.FakeKobo(max_limit=PAGE))

    def serve(self) -> AbstractContextManager[Any]:
        return kobo_fake.serve(self.fake)

    def source(self) -> dict[str, Any]:
        return {"server": self.fake.url, "forms": {FORM: {"asset": kobo_fake.ASSET}}}

    def connection(self) -> dict[str, Any]:
        return {"conn_type": "http", "password": kobo_fake.TOKEN}

    def requests(self) -> list[str]:
        return self.fake.requests

    def is_page(self, request: str) -> bool:
        return "/data/" in request

    def key(self, number: int) -> str:
        return kobo_fake.uuid(number)

    def refuse_credentials(self) -> None:
        self.fake.statuses = [401] * 100

    def validate(self, number: int, status: str) -> None:
        """Set the validation status of a submission; Kobo notes no moment."""
        found = next(entry for entry in self.fake.rows if entry["_id"] == number)
        found["_validation_status"] = {"uid": f"validation_status_{status}"}
        self.held[number] = Held(self.held[number].answers, is_counted=status != "not_approved")

    def _send(self, number: int, answers: Answers) -> None:
        given = {f"who/{name}": answer for name, answer in answers.items()}
        self.fake.rows.append(kobo_fake.row(number, **given) | {"_submission_time": f"{self.now:%Y-%m-%dT%H:%M:%S}"})

    def _edit(self, number: int, answers: Answers) -> None:
        self.fake.edit(number, who__birth_year=answers["birth_year"])

    def _delete(self, number: int) -> None:
        self.fake.delete(number)


@dataclass
class Lime(Platform):
    kind: str = "limesurvey"
    secrets: tuple[str, ...] = (limesurvey_fake.PASSWORD, "key-1")
    fake: limesurvey_fake.LimeSurvey = field(default_factory=limesurvey_fake.LimeSurvey)

    def serve(self) -> AbstractContextManager[Any]:
        return limesurvey_fake.serving(self.fake)

    def source(self) -> dict[str, Any]:
        return {"server": self.fake.url, "forms": {FORM: {"survey": limesurvey_fake.SURVEY}}}

    def connection(self) -> dict[str, Any]:
        return {"conn_type": "http", "login": limesurvey_fake.LOGIN, "password": limesurvey_fake.PASSWORD}

    def requests(self) -> list[str]:
        return self.fake.calls

    def is_page(self, request: str) -> bool:
        return request == "export_responses"

    def key(self, number: int) -> str:
        return f"{limesurvey_fake.SURVEY}-{number}"

    def refuse_credentials(self) -> None:
        self.fake.password = "another one"
        self.fake.expire_keys()

    def begin(self, number: int) -> None:
        """Begin to answer and go away."""
        self.tick()
        self._send(number, self.mentee(number))
        self.fake.row(number)["submitdate"] = None

    def complete(self, number: int) -> None:
        """Send what was begun."""
        self.tick()
        row = self.fake.row(number)
        row["submitdate"] = f"{self.now:%Y-%m-%d %H:%M:%S}"
        self.held[number] = Held(self.mentee(number, row["birthyear"]))

    def reopen(self, number: int, year: str) -> None:
        """Go back into a response that was sent, change it and do not send it again: what was sent stays with us."""
        self.tick()
        self.fake.row(number).update(submitdate=None, birthyear=year)

    def _send(self, number: int, answers: Answers) -> None:
        at = f"{self.now:%Y-%m-%d %H:%M:%S}"
        own = {"id": number, "submitdate": at, "lastpage": 1, "startlanguage": "ru", "seed": "1"}
        own |= {"startdate": at, "datestamp": at}
        codes = {question.name: question for question in form().questions}
        given = {
            question_code(name): (answer_code(answers[name]) if question.choices else answers[name])
            if name in answers
            else None
            for name, question in codes.items()
        }
        self.fake.rows.append(own | given)

    def _edit(self, number: int, answers: Answers) -> None:
        self.fake.row(number)["birthyear"] = answers["birth_year"]

    def _delete(self, number: int) -> None:
        self.fake.rows.remove(self.fake.row(number))


@dataclass
class Google(Platform):
    kind: str = "google_forms"
    secrets: tuple[str, ...] = ("secret-token", "secret-answer", "PRIVATE KEY")
    counts_all: bool = False
    fake: google_server.FakeGoogle = field(default_factory=lambda: google_server.FakeGoogle({}, [], page=PAGE))

    def __post_init__(self) -> None:
        self.fake.form = {
            "formId": google_server.FORM_ID,
            "items": [
                {"title": question.label_ru, "questionItem": {"question": {"questionId": question.name}}}
                for question in form().questions
            ],
        }

    def serve(self) -> AbstractContextManager[Any]:
        return google_server.serving(self.fake)

    def source(self) -> dict[str, Any]:
        return {"server": self.fake.url, "forms": {FORM: {"form": google_server.FORM_ID}}}

    def connection(self) -> dict[str, Any]:
        return {"conn_type": "google", "extra": {"keyfile_dict": google_server.keyfile(self.fake.url)}}

    def requests(self) -> list[str]:
        return self.fake.asked

    def is_page(self, request: str) -> bool:
        return "/responses?" in request

    def key(self, number: int) -> str:
        return f"r{number}"

    def refuse_credentials(self) -> None:
        self.fake.token_refusal = google_server.as_json(
            {"error": "invalid_grant", "error_description": "secret-answer"}, 400
        )

    def hide(self, number: int) -> None:
        """Let the list leave out what the server has."""
        self.fake.hidden.add(self.key(number))

    def show(self, number: int) -> None:
        """Let the list name it again."""
        self.fake.hidden.remove(self.key(number))

    def _send(self, number: int, answers: Answers) -> None:
        at = _zulu(self.now)
        self.fake.responses.append(
            {"responseId": self.key(number), "createTime": at, "lastSubmittedTime": at, "answers": _spoken(answers)}
        )

    def _edit(self, number: int, answers: Answers) -> None:
        self._response(number).update(lastSubmittedTime=_zulu(self.now), answers=_spoken(answers))

    def _delete(self, number: int) -> None:
        self.fake.responses.remove(self._response(number))

    def _response(self, number: int) -> dict[str, Any]:
        return next(entry for entry in self.fake.responses if entry["responseId"] == self.key(number))


@dataclass
class Yandex(Platform):
    kind: str = "yandex_forms"
    secrets: tuple[str, ...] = ("y0_secret-token", "secret-answer")
    counts_all: bool = False
    tells_deletions: bool = False
    fake: yandex_server.FakeYandex = field(default_factory=lambda: yandex_server.FakeYandex([], [], page=PAGE))

    def __post_init__(self) -> None:
        self.fake.columns = [
            {"id": number, "slug": f"answer_{number}", "text": question.label_ru, "type": _yandex_kind(question)}
            for number, question in enumerate(form().questions, start=1)
        ]

    def serve(self) -> AbstractContextManager[Any]:
        return yandex_server.serving(self.fake)

    def source(self) -> dict[str, Any]:
        forms = {FORM: {"survey": yandex_server.SURVEY}}
        return {"server": self.fake.url, "organisation": "2188", "forms": forms}

    def connection(self) -> dict[str, Any]:
        return {"conn_type": "http", "password": "y0_secret-token"}

    def requests(self) -> list[str]:
        return self.fake.asked

    def is_page(self, request: str) -> bool:
        return "format=raw" in request

    def key(self, number: int) -> str:
        return str(number)

    def refuse_credentials(self) -> None:
        self.fake.traps = [yandex_server.as_json({"detail": "secret-answer"}, 401)] * 100

    def _send(self, number: int, answers: Answers) -> None:
        self.fake.answers.append({"id": number, "created": _zulu(self.now), "data": self._data(answers)})

    def _edit(self, number: int, answers: Answers) -> None:
        self._answer(number)["data"] = self._data(answers)

    def _delete(self, number: int) -> None:
        self.fake.answers.remove(self._answer(number))

    def _answer(self, number: int) -> dict[str, Any]:
        return next(entry for entry in self.fake.answers if entry["id"] == number)

    def _data(self, answers: Answers) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for column, question in zip(self.fake.columns, form().questions, strict=True):
            if question.name in answers:
                said = _said(question.name, answers[question.name])
                option = {"key": "72886", "slug": "72886", "text": said}
                data[column["slug"]] = {"value": [option] if question.choices else said}
        return data


@dataclass
class Watched(Platform):
    """A watched folder; each submission, and each edit of one, comes as a file of its own."""

    kind: str = "files"
    counts_all: bool = False
    tells_deletions: bool = False
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="vmeste-watched-")))

    @contextmanager
    def serve(self) -> Iterator[None]:
        try:
            yield
        finally:
            shutil.rmtree(self.folder)

    def source(self) -> dict[str, Any]:
        forms = {FORM: {"files": f"{FORM}_*"}}
        return {"location": str(self.folder), "connection": None, "move_read_to": "read", "forms": forms}

    def connection(self) -> dict[str, Any]:
        return {}

    def requests(self) -> list[str]:
        return []

    def is_page(self, request: str) -> bool:
        return False

    def key(self, number: int) -> str:
        return f"row-{number}"

    def refuse_credentials(self) -> None:
        self.folder.chmod(0)

    def lying(self) -> list[str]:
        """Return the files that nobody moved."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_file())

    def moved(self) -> list[str]:
        """Return the files that were moved."""
        return sorted(path.name for path in (self.folder / "read").glob("*"))

    def _send(self, number: int, answers: Answers) -> None:
        self._write(number, answers, {})

    def _edit(self, number: int, answers: Answers) -> None:
        self._write(number, answers, {"updated_at": self.now.isoformat()})

    def _delete(self, number: int) -> None:
        """Nobody takes back a file that was sent."""

    def _write(self, number: int, answers: Answers, more: dict[str, str]) -> None:
        row = {"submission_id": self.key(number), "submitted_at": START_OF_FILES.isoformat(), **more, **answers}
        path = self.folder / f"{FORM}_{number:02d}{'_edited' * bool(more)}.jsonl"
        path.write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")


PLATFORMS: dict[str, type[Platform]] = {
    "odk_central": Odk,
    "kobotoolbox": Kobo,
    "limesurvey": Lime,
    "google_forms": Google,
    "yandex_forms": Yandex,
}


@contextmanager
def running(kind: str) -> Iterator[Any]:
    """Run a platform, or a watched folder; it is empty."""
    platform = (PLATFORMS | {"files": Watched})[kind]()
    with platform.serve():
        yield platform


def write_sources(path: Path, sources: Mapping[str, Platform | dict[str, Any]]) -> Path:
    """Write a sources.yml that names each source and its platform (or what it says of it)."""
    entries = []
    for name, platform in sources.items():
        said = {"kind": platform.kind, **platform.source()} if isinstance(platform, Platform) else platform
        entries.append({"name": name, "time_zone": "UTC", "connection": f"{name}_reader", **said})
    # YAML reads JSON
    path.write_text(json.dumps({"stages": STAGES, "sources": entries}, ensure_ascii=False), encoding="utf-8")
    return path


def credentials_of(sources: Mapping[str, Platform]) -> dict[str, str]:
    """Return the environment variables that stand for the sources' connections."""
    return {
        f"AIRFLOW_CONN_{name.upper()}_READER": json.dumps(platform.connection()) for name, platform in sources.items()
    }


def _said(name: str, answer: str) -> str:
    """Return an answer as people see it: of a choice its label."""
    return next((choice.label_ru for choice in form().question(name).choices if choice.name == answer), answer)


def _spoken(answers: Answers) -> dict[str, Any]:
    return {
        name: {"questionId": name, "textAnswers": {"answers": [{"value": _said(name, answer)}]}}
        for name, answer in answers.items()
    }


def _zulu(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.123456789Z"


def _yandex_kind(question: Any) -> str:
    return "enum" if question.choices else "string"
