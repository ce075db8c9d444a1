from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmeste.forms.expressions import Constraint, ExpressionError, parse_constraint, parse_relevant
from vmeste.forms.model import Condition

OPERATORS = {
    ">=": lambda answer, bound: answer >= bound,
    ">": lambda answer, bound: answer > bound,
    "<=": lambda answer, bound: answer <= bound,
    "<": lambda answer, bound: answer < bound,
}


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (". >= 10 and . <= 720", "integer", Constraint(minimum=10, maximum=720)),
        (".>=0 and .<=20", "integer", Constraint(minimum=0, maximum=20)),
        (". > 0 and . < 5", "integer", Constraint(minimum=1, maximum=4)),
        (". >= -1.5", "decimal", Constraint(minimum=-1.5)),
        (". >= 1 and . >= 3", "integer", Constraint(minimum=3)),
        (". <= today()", "date", Constraint(not_in_future=True)),
        ("regex(., '^this and that or (it)$')", "text", Constraint(pattern="^this and that or (it)$")),
        ('regex(.,"^[А-Я]{1,4}$")', "text", Constraint(pattern="^[А-Я]{1,4}$")),
    ],
)
def test_constraint_is_read(text: str, kind: str, expected: Constraint) -> None:
    assert parse_constraint(text, kind) == expected


@given(
    operator=st.sampled_from(sorted(OPERATORS)),
    bound=st.decimals(-1000, 1000, places=1),
    answer=st.integers(-1001, 1001),
)
def test_bounds_of_integers_mean_what_the_operator_means(operator: str, bound: object, answer: int) -> None:
    constraint = parse_constraint(f". {operator} {bound}", "integer")
    passes = (constraint.minimum is None or answer >= constraint.minimum) and (
        constraint.maximum is None or answer <= constraint.maximum
    )
    assert passes == OPERATORS[operator](answer, float(str(bound)))


@pytest.mark.parametrize("operator", [">", "<"])
def test_exclusive_bound_of_decimals_excludes_the_bound_alone(operator: str) -> None:
    constraint = parse_constraint(f". {operator} 0.5", "decimal")
    bound = constraint.minimum if operator == ">" else constraint.maximum
    assert bound is not None
    assert bound != 0.5
    assert bound == pytest.approx(0.5, abs=1e-15)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (". >= 1 or . <= 0", "integer"),
        ("(. >= 1)", "integer"),
        (". != 3", "integer"),
        (". = 3", "integer"),
        ("${other} > 3", "integer"),
        ("string-length(.) < 5", "text"),
        (". <= today() + 1", "date"),
        (". >= today()", "date"),
        (". >= 1 and", "integer"),
        (". >= 1", "text"),
        (". <= today()", "text"),
        (". <= today()", "dateTime"),
        ("regex(., '^1$')", "integer"),
        ("regex(., '^a$') and regex(., '^b$')", "text"),
        ("regex(., '[0-9]+')", "text"),
        ("regex(., '^[0-9$')", "text"),
        (". >= 5 and . <= 4", "integer"),
    ],
)
def test_constraint_outside_the_subset_is_refused_with_a_way_out(text: str, kind: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        parse_constraint(text, kind)
    assert refusal.value.way_out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${status} = 'held'", Condition("status", ("held",))),
        ("${wave}='endline' or ${wave} = \"annual_12\"", Condition("wave", ("endline", "annual_12"))),
        ("selected(${purposes}, 'research')", Condition("purposes", ("research",))),
        ("${a} = 'x' or selected(${a}, 'x')", Condition("a", ("x",))),
    ],
)
def test_relevant_is_read(text: str, expected: Condition) -> None:
    assert parse_relevant(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "${a} = 'x' and ${a} = 'y'",
        "${a} = 'x' or ${b} = 'y'",
        "${a} != 'x'",
        "${a} = 1",
        "not(${a} = 'x')",
        "${a} = 'x' or",
        "yes",
    ],
)
def test_relevant_outside_the_subset_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        parse_relevant(text)
    assert refusal.value.way_out
