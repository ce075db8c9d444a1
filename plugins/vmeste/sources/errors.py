"""What can go wrong between us and a form server: one exception a cause, each with its way out in the message.

``ingest_forms`` decides by these types what is tried again (waiting may mend it) and what fails at once (a person must
mend it). No message quotes an answer, a header or an address with credentials: messages go to logs.
"""

from __future__ import annotations


class SourceError(Exception):
    """A source cannot be read: the message names the source, the form and the way out."""


class SourceUnreachable(SourceError):
    """The server did not answer, or not whole: no connection, a time-out, 5xx, a body that was cut. Waiting helps."""


class SourceThrottled(SourceUnreachable):
    """The server asks for patience (429, a lock after bad logins). ``retry_after`` is in seconds where it said so."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ReadIncomplete(SourceUnreachable):
    """The server counts otherwise than what it gave: both numbers are in the message, nothing was loaded."""


class SourceDenied(SourceError):
    """Credentials are missing, wrong or not enough (401, 403). Trying again may lock the account."""


class LoginRefused(SourceDenied):
    """The server refuses login or password, and locks us out if it must do so too often."""


class SourceNotFound(SourceError):
    """The server knows no such project, form or route (404): mend sources.yml, or the form was moved to the bin."""


class AnswerNotUnderstood(SourceError):
    """The server answered otherwise than its documentation and our recordings say: the connector must be looked at."""


class AnswerTooLarge(SourceError):
    """The server's answer is longer than any that a form gives, or does not end: it was not read on."""


class FormUnusable(SourceError):
    """The form as it lies on the server cannot be read without loss: names that collapse, encryption."""


class DeletionsDoubted(SourceError):
    """A complete read lacks so many of our submissions that a person must say whether they were deleted."""
