"""What the picture and the page beside it call things, in Russian; both say the same."""

from __future__ import annotations

from vmeste.results_tree.seeds import Node

TITLE = "Дерево результатов практики"
LEVELS_RU = {
    "activity": "Деятельность",
    "short_term": "Краткосрочные результаты",
    "medium_term": "Среднесрочные результаты",
    "impact": "Влияние",
}
NO_INDICATOR = "нет показателя"
CONFIRMED = "связь подтверждена центром"
UNCONFIRMED = "связь выведена из текстов, центр её ещё не подтвердил"


def labels(node: Node) -> tuple[str, ...]:
    """Return one label for each indicator of a result, or that it has none; nothing for an activity."""
    if not node.is_result:
        return ()
    if node.is_gap:
        return (NO_INDICATOR,)
    return tuple(
        f"показатель {indicator.code}" + (" (планируется)" if indicator.is_planned else "")
        for indicator in node.indicators
    )


def measured_by(node: Node) -> str:
    """Return the same in one line."""
    return ", ".join(labels(node))
