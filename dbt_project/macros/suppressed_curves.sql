{#-
    What may be seen of survival curves, as suppressed_cells decides it for counts (DOMAIN 8).

    curves: a CTE with the columns `table_keys`, form ('all' = no split), day, at_risk, events; day 0 is there and has
    everybody at risk.
    table_keys: the columns that name the curves of one programme, of which that of 'all' is the margin.
    Returns the CTE's columns and status, is_count_shown, is_share_shown:
    1. suppressed_small_n, counts hidden: a form of whose pairs fewer than `split_min_count` had the event, or all but
       fewer than that. suppressed_secondary: the other form then, which the curve of all pairs would give away.
    2. suppressed_small_n, counts shown: fewer than `percent_min_measured` pairs at risk on that day. The curve is not
       drawn from there on.
-#}
{% macro suppressed_curves(curves, table_keys) -%}
    {%- set table_columns = table_keys | join(", ") -%}
    select
        judged.*,
        not judged.is_hidden as is_count_shown,
        not judged.is_hidden and judged.at_risk >= {{ parameter("percent_min_measured") }} as is_share_shown,
        case
            when judged.is_hidden and not judged.is_small then 'suppressed_secondary'
            when judged.is_hidden or judged.at_risk < {{ parameter("percent_min_measured") }} then 'suppressed_small_n'
            else 'shown'
        end as status
    from (
        select
            added_up.*,
            added_up.form <> 'all' and bool_or(added_up.is_small) over (partition by {{ table_columns }}) as is_hidden
        from (
            select
                {{ curves }}.*,
                {{ curves }}.form <> 'all'
                and least(
                    sum({{ curves }}.events) over form_days,
                    max({{ curves }}.at_risk) over form_days - sum({{ curves }}.events) over form_days
                ) < {{ parameter("split_min_count") }} as is_small
            from {{ curves }}
            window form_days as (partition by {{ table_columns }}, {{ curves }}.form)
        ) as added_up
    ) as judged
{%- endmacro %}
