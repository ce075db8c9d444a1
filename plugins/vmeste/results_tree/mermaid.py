"""The tree as a Markdown page with a Mermaid diagram: what a code host shows without opening a file."""

from __future__ import annotations

from vmeste.results_tree.seeds import LEVELS, Node, ResultsTree
from vmeste.results_tree.words import CONFIRMED, LEVELS_RU, NO_INDICATOR, TITLE, UNCONFIRMED, measured_by


def diagram(tree: ResultsTree) -> str:
    """Return a Mermaid flowchart: a column a level, a gap as a hexagon, an unconfirmed edge dotted."""
    lines = ["flowchart LR"]
    for level in LEVELS:
        nodes = tree.on(level)
        if nodes:
            lines.append(f'    subgraph {level}["{LEVELS_RU[level]}"]')
            lines += [f"        {_node(node)}" for node in nodes]
            lines.append("    end")
    lines += [f"    {edge.cause} {'-->' if edge.is_confirmed else '-.->'} {edge.effect}" for edge in tree.edges]
    gaps = [node.code for node in tree.nodes if node.is_gap]
    if gaps:
        lines.append("    classDef gap stroke-width:3px,stroke-dasharray:6 4")
        lines.append(f"    class {','.join(gaps)} gap")
    return "\n".join(lines) + "\n"


def page(tree: ResultsTree, picture: str) -> str:
    """Return the Markdown page: the picture, the same as Mermaid, and each result with what measures it.

    Args:
        tree: nodes and edges.
        picture: the path of the SVG, as seen from the page.
    """
    rows = [
        f"| {node.code} | {_cell(node.text_ru)} | {node.group_ru} | {_bold(measured_by(node), node.is_gap)} |"
        for node in tree.results
    ]
    confirmed = sum(edge.is_confirmed for edge in tree.edges)
    return "\n".join(
        [
            "<!-- `vmeste tree` writes this page from dbt_project/seeds: change the seeds, not the page. -->",
            f"# {TITLE}",
            "",
            f"{tree.coverage_ru} Связей подтверждено центром: {confirmed} из {len(tree.edges)}.",
            "",
            f"![{TITLE}]({picture})",
            "",
            "| Узел | Результат | Для кого | Чем измеряется |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            f"То же схемой. Шестиугольник с пунктирной рамкой: {NO_INDICATOR}. Сплошная стрелка: {CONFIRMED}; "
            f"пунктирная: {UNCONFIRMED}.",
            "",
            "```mermaid",
            diagram(tree).rstrip("\n"),
            "```",
            "",
        ]
    )


def _node(node: Node) -> str:
    text = " · ".join(filter(None, (f"<b>{node.code}</b> {_quoted(node.text_ru)}", measured_by(node))))
    if node.is_gap:
        return f'{node.code}{{{{"{text}"}}}}'
    return f'{node.code}("{text}")' if node.is_result else f'{node.code}["{text}"]'


def _quoted(text: str) -> str:
    """Return the text as Mermaid takes it between quotes."""
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _bold(text: str, is_bold: bool) -> str:
    return f"**{text}**" if is_bold else text
