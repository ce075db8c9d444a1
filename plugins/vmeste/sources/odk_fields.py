"""What a form of ODK Central looks like on the server, and how its rows become fields by path."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vmeste.sources.errors import AnswerNotUnderstood, FormUnusable, ReadIncomplete

_RESERVED = ("__id", "__system")


@dataclass(slots=True)
class _Node:
    """A field: ``path`` as the form writes it, ``children`` by their names in OData."""

    path: str
    kind: str = "leaf"  # leaf | group | repeat | nested (a repeat within one) | ignored
    children: dict[str, _Node] = field(default_factory=dict)


class FormLayout:
    """The fields of a form's published version.

    Args:
        listing: what ``/fields?odata=false`` says.
        place: the source and the form, for messages.
        is_newest: whether OData shows this version, and by its names. Of an earlier one the paths count alone.

    Raises:
        FormUnusable: OData cannot tell fields apart; names them.
        AnswerNotUnderstood: the listing is none.
    """

    def __init__(self, listing: Any, place: str, *, is_newest: bool = True) -> None:
        self._place, self._is_newest = place, is_newest
        self._root = _Node("", "group")
        self.paths: tuple[str, ...] = ()  # of questions and repeats, those within repeats left out
        self.repeats: frozenset[str] = frozenset()  # those among them
        self.members: frozenset[tuple[str, str]] = frozenset()  # path of a repeat, path of a question within it
        self.numbers: frozenset[tuple[str, str]] = frozenset()  # those among them, and "" and path of others
        self._read(listing)

    def _read(self, listing: Any) -> None:
        if not isinstance(listing, list) or not all(_is_field(entry) for entry in listing):
            raise AnswerNotUnderstood(f"{self._place}: the server does not list the form's fields. Is it ODK Central?")
        names: defaultdict[str, set[str]] = defaultdict(set)
        name_of = odata_name if self._is_newest else str
        paths: list[str] = []
        repeats: set[str] = set()
        members: set[tuple[str, str]] = set()
        numbers: set[tuple[str, str]] = set()
        for entry in listing:
            *above, name = parts = entry["path"].strip("/").split("/")
            if parts[0] == "meta":
                continue
            names["/".join([*(odata_name(part) for part in above), odata_name(name)])].add("/".join(parts))
            parent, repeat, is_nested = self._root, "", False
            for part in above:
                parent = parent.children.setdefault(name_of(part), _Node(_below(parent, part), "group"))
                repeat = parent.path if parent.kind == "repeat" else repeat
                is_nested = is_nested or parent.kind == "nested"
            is_member = bool(repeat)
            kind = {"structure": "group", "repeat": "nested" if is_member else "repeat"}.get(entry["type"], "leaf")
            node = parent.children.setdefault(name_of(name), _Node(_below(parent, name)))
            node.kind = kind
            if kind != "group" and not is_member:
                paths.append(node.path)
                if kind == "repeat":
                    repeats.add(node.path)
            elif kind == "leaf" and not is_nested:
                members.add((repeat, node.path))
            if kind == "leaf" and not is_nested and entry["type"] in ("int", "decimal"):
                numbers.add((repeat, node.path))
        if self._is_newest:
            self._refuse_lost(names)
        self.paths, self.repeats = tuple(paths), frozenset(repeats)
        self.members, self.numbers = frozenset(members), frozenset(numbers)
        self._root.children["meta"] = _Node("meta", "ignored")

    def _refuse_lost(self, names: Mapping[str, Iterable[str]]) -> None:
        lost = sorted(
            path
            for odata_path, paths in names.items()
            for path in paths
            if len(set(paths)) > 1 or not path.isascii() or odata_path.rsplit("/", 1)[-1] in _RESERVED
        )
        if lost:
            raise FormUnusable(
                f"{self._place}: OData keeps only Latin letters, digits and _ of a field's name, so these fields "
                f"cannot be told apart: {', '.join(lost)}. Give them names of Latin letters in the form and publish "
                "it anew; labels may stay as they are"
            )

    def is_encrypted(self, row: Mapping[str, Any]) -> bool:
        """Say whether a row holds nothing but its id and what the server knows of it."""
        return bool(self.paths) and not any(key not in _RESERVED and "@odata." not in key for key in row)

    def fields_of(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a row's fields by path, and its repeats within repeats by path.

        A repeat is one field: the list of its members, each with its fields by their paths within it. A repeat within
        it is a list beside that one, with what the server gave for each member. The server's own keys (ids by
        position, links) are left out: they do not survive an edit.

        Raises:
            ReadIncomplete: the row has a group that the listing has not: a version was published in between.
            AnswerNotUnderstood: a group or a repeat is neither.
        """
        fields: dict[str, Any] = {}
        nested: dict[str, Any] = {}
        self._collect(row, self._root, fields, nested)
        return fields, nested

    def _collect(
        self, values: Mapping[str, Any], parent: _Node, fields: dict[str, Any], nested: dict[str, Any]
    ) -> None:
        for key, value in values.items():
            node = parent.children.get(key)
            if node is None:
                if key.startswith("__") or "@odata." in key:
                    continue
                if isinstance(value, dict | list):
                    raise ReadIncomplete(
                        f"{self._place}: a new version of the form was published while it was read. Nothing was "
                        "loaded; the next run reads it again"
                    )
                fields[_below(parent, key)] = value
            elif node.kind == "leaf":
                fields[node.path] = value
            elif node.kind == "group":
                if isinstance(value, dict):
                    self._collect(value, node, fields, nested)
                elif value is not None:
                    raise self._misshapen(node)
            elif node.kind == "repeat":
                fields[node.path] = self._members(value, node, nested)
            elif node.kind == "nested":
                nested[node.path] = _without_keys_of_the_server(value)

    def _members(self, value: Any, repeat: _Node, nested: dict[str, Any]) -> list[dict[str, Any]]:
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(member, dict) for member in value):
            raise self._misshapen(repeat)
        members = []
        for position, member in enumerate(value):
            fields: dict[str, Any] = {}
            inner: dict[str, Any] = {}
            self._collect(member, repeat, fields, inner)
            for path, repeated in inner.items():
                nested.setdefault(f"{repeat.path}/{path}", [None] * len(value))[position] = repeated
            members.append(fields)
        return members

    def _misshapen(self, node: _Node) -> AnswerNotUnderstood:
        return AnswerNotUnderstood(
            f"{self._place}: the server lists {node.path} as a {node.kind} and gives something else. Its version may "
            "be newer or older than those that the connector knows"
        )


def odata_name(name: str) -> str:
    """Return how Central writes a field's name in OData: all but Latin letters, digits and ``_`` is lost."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", re.sub(r"^([^A-Za-z_])", r"_\1", name))


def _below(parent: _Node, name: str) -> str:
    """Return the path of a field, within the innermost repeat that it belongs to."""
    return name if parent.kind == "repeat" or not parent.path else f"{parent.path}/{name}"


def _without_keys_of_the_server(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_keys_of_the_server(inner)
            for key, inner in value.items()
            if not key.startswith("__") and "@odata." not in key
        }
    return [_without_keys_of_the_server(inner) for inner in value] if isinstance(value, list) else value


def _is_field(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("path"), str)
        and isinstance(entry.get("type"), str)
        and bool(entry["path"].strip("/"))
    )
