-- The rules of all seeds, each beside the columns of its own.
{{ config(meta={'tells_rules': true}) }}

{{ broken_rules(
    [
        "artefact_kinds",
        "artefacts",
        "indicator_definitions",
        "instrument_versions",
        "legacy_indicators",
        "parameters",
        "poisson_limits",
        "programme_measures",
        "readiness_checks",
        "recommendations",
        "results_edges",
        "results_nodes",
        "scale_items",
        "standard_levels",
        "standard_sections",
    ]
) }}
