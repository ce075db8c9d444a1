"""A form server in memory: tests say exactly which submission versions it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vmeste.forms import Form
from vmeste.sources.base import Cursor, Extraction, Known, Refusal, Submission


@dataclass
class MemorySource:
    """Gives what ``submissions`` hold for a form; has news whenever ``is_news``."""

    name: str = "memory"
    organisation_code: str | None = None
    submissions: dict[str, list[Submission]] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    lost: int = 0
    is_news: bool = True
    claimed: int | None = None
    is_swept: bool = False  # each read is proven whole: what is missing from it was deleted

    def has_news(self, form: Form, cursor: Cursor | None, known: Known) -> bool:
        return self.is_news

    def extract(self, form: Form, cursor: Cursor | None, known: Known) -> Extraction:
        given = self.submissions.get(form.form_id, [])
        present = frozenset(submission.submission_id for submission in given if not submission.is_deleted)
        return Extraction(
            len(given) + self.lost,
            given,
            {"read": len(given)},
            refusals=self.refusals,
            present_ids=present if self.is_swept else None,
            server_total=(self.claimed or len(present)) if self.is_swept else None,
        )

    def overlooked(self) -> list[Refusal]:
        return []

    def check(self) -> str:
        return "in memory"

    def add(self, form_id: str, submission_id: str, *, at: str = "2021-03-01T10:00", **answers: Any) -> None:
        """Add a submission version; what is no answer (``is_deleted``, ``extra`` …) is passed on."""
        names = ("is_deleted", "is_counted", "review_state", "extra")
        passed = {name: answers.pop(name) for name in names if name in answers}
        updated_at = answers.pop("updated_at", None)
        self.submissions.setdefault(form_id, []).append(
            Submission(
                self.name,
                form_id,
                submission_id,
                "1",
                _instant(at),
                answers,
                updated_at=_instant(updated_at) if updated_at else None,
                **passed,
            )
        )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


REGISTRY = {
    "r1_mentee": {
        "mentee_code": "В-1", "record": "new",
        "full_name": "Участник (вымышлен)", "organisation_code": "radi_budushchego",
        "sex": "f", "birth_year": "2006", "status": "ward", "status_from": "2015-09-01",
    },
    "r2_mentor": {
        "mentor_code": "Н-1", "full_name": "Наставник (вымышлен)", "organisation_code": "radi_budushchego", "sex": "m",
        "birth_year": "1985",
    },
    "r3_pair": {
        "pair_code": "П-1", "mentee_code": "В-1", "mentor_code": "Н-1", "organisation_code": "radi_budushchego",
        "programme_code": "deystvuem_vmeste", "intake_code": "2021-1", "form": "short", "start_on": "2021-01-11",
        "planned_end_on": "2021-09-11",
    },
    "r5_consent": {
        "subject": "mentee", "mentee_code": "В-1", "purposes": "service monitoring", "given_by": "legal_representative",
        "child_assent": "1", "valid_from": "2021-01-01",
    },
}  # fmt: skip
"""One pair and all that a survey of it needs."""
