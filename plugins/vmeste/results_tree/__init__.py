"""The results tree as a picture: read from dbt's seeds, drawn as SVG and as Mermaid."""

from vmeste.results_tree.seeds import Edge, Indicator, Node, ResultsTree, ResultsTreeError, read_tree

__all__ = ["Edge", "Indicator", "Node", "ResultsTree", "ResultsTreeError", "read_tree"]
