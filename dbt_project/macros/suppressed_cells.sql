{#-
    The one place that decides what may be seen of a table of counts (DOMAIN 8, leadership rules).

    cells: a CTE with the columns `table_keys`, split_by ('all' = no split), split_value, measured (the denominator),
    achieved (the numerator), is_planned.
    table_keys: the columns that name one table, whose cells are the values of one split and whose margin is 'all'.
    Returns the CTE's columns and status, is_count_shown, is_share_shown.

    1. planned: the indicator is not collected yet. no_data: nobody was measured. Neither is a 0.
    2. suppressed_small_n, counts hidden: in a split the count or its complement is below `split_min_count`.
    3. suppressed_secondary, counts hidden: the smallest open cells of a split with a hidden one, until at least two
       cells are hidden and together, which is what the margin less the shown cells gives away, their count and its
       complement are at or above `split_min_count`.
    4. suppressed_small_n, counts shown: fewer than `percent_min_measured` measured; "7 of 9" is said, 78% is not.

    The numbers stay in the marts. Whoever shows or publishes them takes them out where the flags say so.
-#}
{% macro suppressed_cells(cells, table_keys) -%}
    {%- set split_keys = table_keys + ["split_by"] -%}
    {%- set split_columns = "hidden_marked." ~ split_keys | join(", hidden_marked.") -%}
    select
        secondary_marked.*,
        not secondary_marked.is_planned
        and not secondary_marked.is_small
        and not secondary_marked.is_secondary as is_count_shown,
        secondary_marked.is_open
        and not secondary_marked.is_secondary
        and secondary_marked.measured >= {{ parameter("percent_min_measured") }} as is_share_shown,
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
            and bool_or(hidden_marked.is_small) over (partition by {{ split_columns }})
            and not coalesce(
                sum(hidden_marked.is_filled) over smaller_cells >= 2
                and sum(hidden_marked.achieved) over smaller_cells >= {{ parameter("split_min_count") }}
                and sum(hidden_marked.measured - hidden_marked.achieved) over smaller_cells
                >= {{ parameter("split_min_count") }},
                false
            ) as is_secondary
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
                    < {{ parameter("split_min_count") }} as is_small
                from {{ cells }}
            ) as small_marked
        ) as hidden_marked
        window smaller_cells as (
            partition by {{ split_columns }}
            order by
                hidden_marked.is_small desc, hidden_marked.measured, hidden_marked.achieved, hidden_marked.split_value
            rows between unbounded preceding and 1 preceding
        )
    ) as secondary_marked
{%- endmacro %}
