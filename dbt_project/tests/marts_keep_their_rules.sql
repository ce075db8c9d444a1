-- The rules of the marts that dashboards, releases and the page read.
{{ config(meta={'tells_rules': true}) }}

{{ broken_rules(
    [
        "contact_survival",
        "evidence_readiness",
        "expert_levels",
        "followup_calendar",
        "indicator_quarterly",
        "match_survival",
        "pair_flow_quarterly",
        "programme_indicator_quarterly",
        "programme_quarterly",
        "readiness_rollup",
        "results_tree_coverage",
        "results_tree_edges",
        "results_tree_nodes",
        "sustainability",
    ],
    looked_up=["dim_pair", "programme_measures"]
) }}
