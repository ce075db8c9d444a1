"""The part of XPath that our forms may use in ``constraint`` and ``relevant``.

Collect evaluates the expression on the telephone and the expectations evaluate it again in the pipeline, so it must
mean the same in both places. What cannot be carried over is refused here, with the way out, instead of being
enforced in one of the two places alone. Tokens come from pyxform's own lexer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vmeste.forms.model import Condition

Token = tuple[str, str]  # the lexer's type and the text

CONSTRAINT_WAY_OUT = (
    "use `. >= n`, `. <= n`, `. > n`, `. < n`, `. <= today()` or `regex(., '^…$')`, joined by ` and `; "
    "a rule over several answers is an expectation (expectations/), not a constraint"
)
RELEVANT_WAY_OUT = (
    "use `${question} = 'code'` or `selected(${question}, 'code')` about one question, several joined by ` or `"
)


class ExpressionError(Exception):
    """An expression is outside the part of XPath that we use."""

    def __init__(self, message: str, way_out: str) -> None:
        super().__init__(message)
        self.message = message
        self.way_out = way_out


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a constraint asks of a single answer; both bounds are inclusive."""

    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    not_in_future: bool = False


def parse_constraint(text: str, kind: str) -> Constraint:
    """Read a ``constraint`` cell for a question of that kind.

    Raises ``ExpressionError`` when it is outside the subset, or asks of the kind what it cannot have.
    """
    constraint = Constraint()
    for clause in _split(_tokens(text), "and"):
        match clause:
            case [("SELF_REF", _), ("OPS_COMP", ">=" | ">" | "<=" | "<" as operator), ("NUMBER", number)]:
                if kind not in ("integer", "decimal"):
                    raise ExpressionError(
                        f"a bound in numbers on a {kind} question", "make the question integer or decimal"
                    )
                constraint = _with_bound(constraint, operator, float(number), kind)
            case [
                ("SELF_REF", _), ("OPS_COMP", "<="), ("FUNC_CALL", "today("), ("CLOSE_PAREN", _)
            ]:  # fmt: skip
                if kind != "date":
                    # a moment of today is later than today(), its midnight: Collect would refuse it
                    raise ExpressionError(f"today() on a {kind} question", "make the question date")
                constraint = replace(constraint, not_in_future=True)
            case [
                ("FUNC_CALL", "regex("), ("SELF_REF", _), ("COMMA", _), ("SYSTEM_LITERAL", literal), ("CLOSE_PAREN", _)
            ]:  # fmt: skip
                if kind != "text":
                    raise ExpressionError(f"a regex on a {kind} question", "make the question text")
                if constraint.pattern is not None:
                    raise ExpressionError("two regexes in one constraint", "join them into one expression")
                constraint = replace(constraint, pattern=_pattern(literal[1:-1]))
            case _:
                raise ExpressionError(f"{_written(clause) or text!r} is not understood", CONSTRAINT_WAY_OUT)
    if constraint.minimum is not None and constraint.maximum is not None and constraint.minimum > constraint.maximum:
        raise ExpressionError(f"{text!r} lets no value through", "swap the bounds")
    return constraint


def parse_relevant(text: str) -> Condition:
    """Read a ``relevant`` cell. Raises ``ExpressionError`` when it is outside the subset."""
    answers: list[tuple[str, str]] = []
    for clause in _split(_tokens(text), "or"):
        match clause:
            case [("PYXFORM_REF", reference), ("OPS_COMP", "="), ("SYSTEM_LITERAL", literal)]:
                pass
            case [
                ("FUNC_CALL", "selected("), ("PYXFORM_REF", reference), ("COMMA", _), ("SYSTEM_LITERAL", literal),
                ("CLOSE_PAREN", _),
            ]:  # fmt: skip
                pass
            case _:
                raise ExpressionError(f"{_written(clause) or text!r} is not understood", RELEVANT_WAY_OUT)
        answers.append((reference[2:-1], literal[1:-1]))
    questions = dict.fromkeys(question for question, _ in answers)
    if len(questions) > 1:
        raise ExpressionError(f"it asks about {' and about '.join(questions)}", RELEVANT_WAY_OUT)
    return Condition(answers[0][0], tuple(dict.fromkeys(value for _, value in answers)))


def _tokens(text: str) -> list[Token]:
    """Tokens without white space. pyxform's lexer gives ``>=`` as two tokens: they are joined again."""
    from pyxform.parsing.expression import parse_expression  # 1.2 s to import: only where a form is read

    tokens: list[Token] = []
    end = -1
    for token in parse_expression(text):
        written = str(token)
        if token.type == "OPS_COMP" and tokens and tokens[-1][0] == "OPS_COMP" and token.start_pos == end:
            tokens[-1] = ("OPS_COMP", tokens[-1][1] + written)
        elif token.type != "WHITESPACE":
            tokens.append((token.type, written.strip()))
        end = token.end_pos
    return tokens


def _split(tokens: Sequence[Token], operator: str) -> list[list[Token]]:
    clauses: list[list[Token]] = [[]]
    for token in tokens:
        if token == ("OPS_BOOL", operator):
            clauses.append([])
        else:
            clauses[-1].append(token)
    return clauses


def _written(clause: Sequence[Token]) -> str:
    return " ".join(text for _, text in clause)


def _with_bound(constraint: Constraint, operator: str, number: float, kind: str) -> Constraint:
    if operator == ">":
        number = math.floor(number) + 1 if kind == "integer" else math.nextafter(number, math.inf)
    elif operator == "<":
        number = math.ceil(number) - 1 if kind == "integer" else math.nextafter(number, -math.inf)
    if operator.startswith(">"):
        return replace(constraint, minimum=number if constraint.minimum is None else max(number, constraint.minimum))
    return replace(constraint, maximum=number if constraint.maximum is None else min(number, constraint.maximum))


def _pattern(pattern: str) -> str:
    if not (pattern.startswith("^") and pattern.endswith("$")):
        # Collect asks for a match of the whole answer, web forms for a match anywhere: anchors make them agree.
        raise ExpressionError(f"the regex {pattern!r} is not anchored", "write it as ^…$")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ExpressionError(f"the regex {pattern!r} is broken ({error})", "mend the expression") from error
    return pattern
