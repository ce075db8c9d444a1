{#-
    The one place that decides what may be seen of a table of counts (DOMAIN 8).

    cells: a CTE with the columns `table_keys`, split_by ('all' = no split), split_value, measured (the denominator),
    achieved (the numerator), is_planned.
    table_keys: the columns that name one table, whose cells are the values of one split and whose margin is 'all'.
    Returns the CTE's columns and status, is_count_shown, is_share_shown, is_public_shown.

    For leadership:
    1. planned: the indicator is not collected yet. no_data: nobody was measured. Neither is a 0.
    2. suppressed_small_n, counts hidden: in a split the count or its complement is below `split_min_count`.
    3. suppressed_secondary, counts hidden. The cells of a split stand in the order of `measured`; what is hidden is
       always a beginning of that order: from the smallest cell up to the last small one, and on until at least two
       cells are hidden whose count and complement together, which is what the margin less the shown cells gives away,
       are at or above `split_min_count`. The order looks at `measured` alone: each hidden cell can then be at the
       lowest and at the highest count that the margin allows and the same cells would be hidden, so that not even
       somebody who knows this rule and how many were measured in each cell finds a hidden count.
    4. suppressed_small_n, counts shown: fewer than `percent_min_measured` measured; "7 of 9" is said, 78% is not.

    For the public (is_public_shown): a margin from `public_headline_min_measured` measured on, and under such a margin
    a split, whole or not at all: count and complement of each of its cells are at least `public_split_min_count`.
    DOMAIN lets the public see a count of 0; leadership may not, and the public never sees more.

    The numbers stay in the marts. Whoever shows or publishes them takes them out where the flags say so; what follows
    from several tables together (windows that overlap, revisions, companions) is decided there, see
    `vmeste.releases.disclosure`.
-#}
{% macro suppressed_cells(cells, table_keys) -%}
    {%- set split_keys = table_keys + ["split_by"] -%}
    {%- set split_columns = "hidden_marked." ~ split_keys | join(", hidden_marked.") -%}
    {%- set table_columns = "hidden_marked." ~ table_keys | join(", hidden_marked.") -%}
    select
        secondary_marked.*,
        not secondary_marked.is_planned
        and not secondary_marked.is_small
        and not secondary_marked.is_secondary as is_count_shown,
        secondary_marked.is_open
        and not secondary_marked.is_secondary
        and secondary_marked.measured >= {{ parameter("percent_min_measured") }} as is_share_shown,
        not secondary_marked.is_planned
        and secondary_marked.measured > 0
        and not secondary_marked.has_public_small
        and coalesce(
            secondary_marked.margin_measured >= {{ parameter("public_headline_min_measured") }},
            false
        ) as is_public_shown,
        case
            when secondary_marked.is_planned then 'planned'
            when secondary_marked.is_small then 'suppressed_small_n'
            when not secondary_marked.is_open then 'no_data'
            when secondary_marked.is_secondary then 'suppressed_secondary'
            when secondary_marked.measured < {{ parameter("percent_min_measured") }} then 'suppressed_small_n'
            else 'shown'
        end as status
    from (
        select
            hidden_marked.*,
            hidden_marked.is_open
            and hidden_marked.split_by <> 'all'
            and (
                coalesce(bool_or(hidden_marked.is_small) over larger_cells, false)
                or (
                    coalesce(bool_or(hidden_marked.is_small) over smaller_cells, false)
                    and not (
                        sum(hidden_marked.is_filled) over smaller_cells >= 2
                        and sum(hidden_marked.achieved) over smaller_cells >= {{ parameter("split_min_count") }}
                        and sum(hidden_marked.measured - hidden_marked.achieved) over smaller_cells
                        >= {{ parameter("split_min_count") }}
                    )
                )
            ) as is_secondary,
            bool_or(hidden_marked.is_public_small) over (partition by {{ split_columns }}) as has_public_small,
            max(case hidden_marked.split_by when 'all' then hidden_marked.measured end) over (
                partition by {{ table_columns }}
            ) as margin_measured
        from (
            select
                small_marked.*,
                small_marked.measured > 0
                and not small_marked.is_planned
                and not small_marked.is_small as is_open,
                cast(small_marked.measured > 0 as integer) as is_filled
            from (
                select
                    {{ cells }}.*,
                    {{ cells }}.split_by <> 'all'
                    and not {{ cells }}.is_planned
                    and {{ cells }}.measured > 0
                    and least({{ cells }}.achieved, {{ cells }}.measured - {{ cells }}.achieved)
                    < {{ parameter("split_min_count") }} as is_small,
                    {{ cells }}.split_by <> 'all'
                    and {{ cells }}.measured > 0
                    and least({{ cells }}.achieved, {{ cells }}.measured - {{ cells }}.achieved)
                    < {{ parameter("public_split_min_count") }} as is_public_small
                from {{ cells }}
            ) as small_marked
        ) as hidden_marked
        window
            smaller_cells as (
                partition by {{ split_columns }}
                order by hidden_marked.measured, hidden_marked.split_value
                rows between unbounded preceding and 1 preceding
            ),
            larger_cells as (
                partition by {{ split_columns }}
                order by hidden_marked.measured, hidden_marked.split_value
                rows between 1 following and unbounded following
            )
    ) as secondary_marked
{%- endmacro %}
