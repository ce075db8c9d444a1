"""ODK Central's export of a form: what OData does not show of submissions, taken out of CSV tables row by row.

The export of the submissions alone is one table. The zipped one has a table more for each repeat, called after the
repeat's name alone, but each of its rows says in its key where it stands: the second member of ``people/member`` is
``<id>/people/member[2]``. Only the columns that were asked for are kept.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TypeAlias

from vmeste.sources.errors import AnswerNotUnderstood, AnswerTooLarge, FormUnusable

_KEYS = ["PARENT_KEY", "KEY"]  # the last columns of a repeat's table

LARGEST_UNZIPPED = 2 * 1024**3
"""Bytes of all tables of a zipped export; the body itself is bounded before, and may hold a thousand times as much."""

_Member = re.compile(r"(?P<path>.+)\[(?P<position>[1-9]\d*)\]", re.DOTALL)

_Rows: TypeAlias = Iterator[list[str]]


@dataclass(frozen=True, slots=True)
class Exported:
    """A submission as the export has it: the columns that were asked for, and how often it was edited.

    ``members`` holds by path of a repeat the columns of its members, in their order.
    """

    edits: str
    values: Mapping[str, str]
    members: dict[str, list[Mapping[str, str]]] = field(default_factory=dict)

    def members_of(self, path: str) -> Sequence[Mapping[str, str]]:
        """Return what the members of a repeat answered; nothing if there are none."""
        return self.members.get(path, [])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is taken of an export.

    Args:
        place: the source and the form, for messages.
        columns: of submissions.
        repeats: path of a repeat → columns of its members.
    """

    place: str
    columns: Collection[str] = ()
    repeats: Mapping[str, Collection[str]] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """Which of the two exports has it."""
        return "submissions.csv.zip" if self.repeats else "submissions.csv"

    def header(self, body: bytes) -> list[str]:
        """Return the columns of submissions.

        Raises:
            ValueError: the body is cut.
        """
        for table in self._tables(body):
            return next(table)
        raise ValueError

    def read(self, body: bytes) -> dict[str, Exported]:
        """Return by id what was asked for.

        Raises:
            ValueError: the body is cut.
            FormUnusable: two columns have one name, or a member is not where it belongs.
            AnswerNotUnderstood: a column or a member is not there, or it is no export of Central's.
            AnswerTooLarge: its tables are larger than any form's.
        """
        found: dict[str, Exported] | None = None
        for table in self._tables(body):
            header = next(table)
            is_repeat = header[-2:] == _KEYS
            if found is None and not is_repeat:
                found = self._submissions(header, table)
            elif found is not None and is_repeat:
                self._take_members(header, table, found)
            else:
                raise self._not_an_export("does not begin with its one table of submissions")
        if found is None:
            raise ValueError
        return found

    def _tables(self, body: bytes) -> Iterator[_Rows]:
        """Yield the tables of a body, each with its header first; a table must be read to its end."""
        # one answer may be longer than a reader takes by default; the limit is the process's own, not the reader's
        csv.field_size_limit(max(csv.field_size_limit(), len(body)))
        if not self.repeats:
            yield _rows(io.BytesIO(body))
            return
        try:
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                # no member gives more than it says here
                if sum(entry.file_size for entry in archive.infolist()) > LARGEST_UNZIPPED:
                    raise AnswerTooLarge(
                        f"{self.place}: the server's zipped export has tables of more than "
                        f"{LARGEST_UNZIPPED / 1024**3:.0f} GB and was not read. Look what stands at the server's "
                        "address"
                    )
                for name in archive.namelist():
                    with archive.open(name) as table:
                        yield _rows(table)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
            raise ValueError from None

    def _submissions(self, header: list[str], rows: _Rows) -> dict[str, Exported]:
        # a question may be called so as well; the server's own stand at the end
        key, edits = (len(header) - 1 - self._last(header, name) for name in ("KEY", "Edits"))
        places = self._places(header, self.columns, "")
        found: dict[str, Exported] = {}
        for row in rows:
            if len(row) != len(header):
                raise ValueError
            if row[key] in found:
                raise self._not_an_export("has a submission twice")
            found[row[key]] = Exported(row[edits], {name: row[place] for name, place in places.items()})
        return found

    def _take_members(self, header: list[str], rows: _Rows, submissions: Mapping[str, Exported]) -> None:
        places: dict[str, dict[str, int]] = {}  # by path: a table belongs to one, but its rows alone say to which
        for row in rows:
            *_, above, own = row
            member = _Member.fullmatch(own.removeprefix(f"{above}/"))
            if len(row) != len(header) or member is None or not own.startswith(f"{above}/"):
                raise FormUnusable(
                    f"{self.place}: the server's export has members of a repeat without their place. Central mixes "
                    "columns up where a question of a repeat was dropped and another field's name begins with the "
                    "repeat's: publish a version that has all questions of the repeat again; the relevance false() "
                    "keeps one from being asked"
                )
            submission, path = submissions.get(above), member["path"]
            if submission is None or path not in self.repeats:
                continue  # a repeat within a repeat, or one that we have not lost
            if path not in places:
                places[path] = self._places(header, self.repeats[path], f"{path}/")
            taken = submission.members.setdefault(path, [])
            taken.append({name: row[place] for name, place in places[path].items()})
            if int(member["position"]) != len(taken):
                raise self._not_an_export("lacks members of a repeat")

    def _places(self, header: list[str], columns: Collection[str], within: str) -> dict[str, int]:
        if missing := sorted(set(columns) - set(header)):
            raise AnswerNotUnderstood(
                f"{self.place}: the server's export lacks {', '.join(within + name for name in missing)}, which "
                "earlier versions of the form have. Publish a version that has these questions in their old places "
                "again; the relevance false() keeps a question from being asked"
            )
        if doubled := sorted(name for name in columns if header.count(name) > 1):
            raise FormUnusable(
                f"{self.place}: the server's export has two columns {', '.join(within + name for name in doubled)}: "
                "groups are parted by - in it, and a field has a - in its name. Rename that field and publish the form"
            )
        return {name: header.index(name) for name in columns}

    def _last(self, header: list[str], name: str) -> int:
        if name not in header:
            raise self._not_an_export(f"has no column {name}")
        return header[::-1].index(name)

    def _not_an_export(self, what: str) -> AnswerNotUnderstood:
        return AnswerNotUnderstood(
            f"{self.place}: the server's export {what}. Its version may be newer or older than those that the "
            "connector knows"
        )


def _rows(table: IO[bytes]) -> _Rows:
    """Yield a table's rows, its header first.

    Raises:
        ValueError: it is empty, or ends within a row.
    """
    is_empty = True
    try:
        for row in csv.reader(io.TextIOWrapper(table, encoding="utf-8-sig", newline=""), strict=True):
            is_empty = False
            yield row
    except csv.Error:
        raise ValueError from None
    if is_empty:
        raise ValueError
