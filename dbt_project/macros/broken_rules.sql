{#-
    What is claimed of relations, rule by rule, in one node for a whole layer: dbt pays for each node more than the
    database for all rules of a small table. Gives a row for each broken rule: its name, severity, how many rows (of
    `identifies` and `unique`: how many repeated values) break it, and the first and last key among them; the
    materialization `test` tells them.

    relations: the models or seeds whose rules are asked. Each says them beside its columns, in `config: meta:`
    key: the columns that name a row in the message, keys and codes alone, never an answer.
    rules: each has a `name` that claims something, `severity: warn` or none, and one of
    - holds: a condition that is true for every row; unknown (NULL) is not true;
    - not_null: a column that no row leaves empty;
    - accepted: the values of `column`, NULL aside;
    - unique: columns of which no combination occurs twice, those with a NULL aside;
    - identifies: the same, and none of them is NULL;
    - known_in: a relation that has the value of `column`, NULL aside, in its column `field` (if not given: the same name).

    looked_up: what `known_in` names and `relations` does not: dbt takes dependencies from the refs it meets while parsing,
    before anybody can look at a node's rules. A name that is missing is refused when dbt runs.
-#}
{% macro broken_rules(relations, looked_up=[]) -%}
    {%- if not execute -%}
        {%- for name in relations + looked_up -%} {%- do ref(name) -%} {%- endfor -%}
        {{ return("select 1") }}
    {%- endif -%}
    {%- set described = {} -%}
    {%- for node in graph.nodes.values() if node.name in relations and node.resource_type in ("model", "seed") -%}
        {%- do described.update({node.name: node.config.meta}) -%}
    {%- endfor -%}
    {%- for name in relations -%}
        {%- if "rules" not in described.get(name, {}) -%}
            {{ exceptions.raise_compiler_error(name ~ " has no rules in its config: meta:, so that there is nothing to test") }}
        {%- endif %}
        -- rules of {{ name }}
        select * from (
            {{ broken_rules_of(name, described[name].key, described[name].rules) }}
        ) as {{ name }}_rules
        {{ "union all" if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{% macro broken_rules_of(relation, key, rules) -%}
    {%- set by_row = [] -%}
    {%- set by_relation = [] -%}
    {%- for rule in rules -%}
        {%- if "holds" in rule -%}
            {%- do by_row.append((rule, "(" ~ rule.holds ~ ") is not true")) -%}
        {%- elif "not_null" in rule -%}
            {%- do by_row.append((rule, rule.not_null ~ " is null")) -%}
        {%- elif "accepted" in rule -%}
            {%- do by_row.append((rule, rule.column ~ " not in ('" ~ rule.accepted | join("', '") ~ "')")) -%}
        {%- elif "unique" in rule or "known_in" in rule -%}
            {%- do by_relation.append(rule) -%}
        {%- elif "identifies" in rule -%}
            {%- do by_row.append((rule, "num_nulls(" ~ rule.identifies | join(", ") ~ ") > 0")) -%}
            {%- do by_relation.append(rule) -%}
        {%- else -%}
            {{ exceptions.raise_compiler_error("Rule " ~ rule.name ~ " says nothing that broken_rules knows") }}
        {%- endif -%}
    {%- endfor -%}
    {%- set row_key = "concat_ws(' ', " ~ key | join(", ") ~ ")" -%}

    with

    tested as not materialized (

        select * from {{ ref(relation) }}

    ),

    {% if by_row -%}
        scanned as (

            select
                {% for rule, condition in by_row -%}
                    count(*) filter (where {{ condition }}) as row_count_{{ loop.index }},
                    min({{ row_key }}) filter (where {{ condition }}) as first_{{ loop.index }},
                    max({{ row_key }}) filter (where {{ condition }}) as last_{{ loop.index }}
                    {{- "," if not loop.last }}
                {% endfor -%}
            from tested

        ),

    {% endif -%}
    verdicts as (

        {% if by_row -%}
            select judged.*
            from scanned
            cross join
                lateral (
                    values
                    {% for rule, _ in by_row -%}
                        (
                            '{{ rule.name }}',
                            '{{ rule.severity or "error" }}',
                            scanned.row_count_{{ loop.index }},
                            scanned.first_{{ loop.index }},
                            scanned.last_{{ loop.index }}
                        )
                        {{- "," if not loop.last }}
                    {% endfor -%}
                ) as judged (rule_name, severity, row_count, first_key, last_key)
            {{ "union all" if by_relation }}
        {% endif %}
        {% for rule in by_relation -%}
            select
                '{{ rule.name }}' as rule_name,
                '{{ rule.severity or "error" }}' as severity,
                count(*) as row_count,
                min(broken.row_key) as first_key,
                max(broken.row_key) as last_key
            from (
                {% if "known_in" in rule -%}
                    select {{ row_key }} as row_key
                    from tested
                    where
                        tested.{{ rule.column }} is not null
                        and not exists (
                            select from {{ ref(rule.known_in) }} as known
                            where known.{{ rule.field or rule.column }} = tested.{{ rule.column }}
                        )
                {%- else -%}
                    {%- set columns = rule.unique or rule.identifies -%}
                    {#- numbers are quicker to compare than keys; what has the same number is then compared in full -#}
                    {%- set number = "hash_record_extended(row(" ~ columns | join(", ") ~ "), 0)" -%}
                    select concat_ws(' ', {{ columns | join(", ") }}) as row_key
                    from tested
                    where
                        num_nulls({{ columns | join(", ") }}) = 0
                        and {{ number }} in (
                            select {{ number }} from tested
                            group by {{ number }}
                            having count(*) > 1
                        )
                    group by {{ columns | join(", ") }}
                    having count(*) > 1
                {%- endif %}
            ) as broken
            {{ "union all" if not loop.last }}
        {% endfor %}
    )

    select *
    from verdicts
    where row_count > 0

{%- endmacro %}
