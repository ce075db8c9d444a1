{#-
    Kaplan–Meier curves (Kaplan and Meier 1958), one for each combination of `keys`, with the 95% interval of
    Greenwood on the log-minus-log scale, which stays within 0–1.

    cases: a CTE with the columns `keys`, duration_days (whole, from 0) and is_event (false: censored on that day).
    Returns keys, day (0 and each day on which something happened), at_risk just before it, events and censored on it,
    survival after it, ci_low, ci_high. Who is censored on the day of an event was still at risk. Where survival is 1
    or 0 Greenwood's variance says nothing: both bounds are the survival itself, as lifelines has it.
-#}
{% macro kaplan_meier(cases, keys) -%}
    {%- set key_list = keys | join(", ") -%}
    {%- set z = "cast(1.959963984540054 as double precision)" -%}
    select
        {{ key_list }},
        day,
        at_risk,
        events,
        censored,
        case
            when is_nobody_left then 0
            else {{ _rounded("exp(log_survival)") }}
        end as survival,
        {%- for bound, sign in [("ci_low", ""), ("ci_high", "-")] %}
        case
            when is_nobody_left then 0
            when log_survival = 0 then 1
            else
                {{ _rounded(
                    "exp(greatest(-700, log_survival * exp("
                    ~ sign ~ z ~ " * sqrt(greenwood) / abs(log_survival))))"
                ) }}
        end as {{ bound }}{{ "," if not loop.last }}
        {%- endfor %}
    from (
        select
            {{ key_list }},
            day,
            at_risk,
            events,
            censored,
            bool_or(events = at_risk) over up_to_the_day as is_nobody_left,
            coalesce(sum(
                case
                    when events < at_risk
                        then ln(cast(at_risk - events as double precision) / at_risk)
                end
            ) over up_to_the_day, 0) as log_survival,
            coalesce(sum(
                case
                    when events < at_risk
                        then cast(events as double precision) / (cast(at_risk as double precision) * (at_risk - events))
                end
            ) over up_to_the_day, 0) as greenwood
        from (
            select
                {{ key_list }},
                day,
                events,
                censored,
                cast(sum(events + censored) over (
                    partition by {{ key_list }} order by day
                    rows between current row and unbounded following
                ) as bigint) as at_risk
            from (
                select
                    {{ key_list }},
                    days.day,
                    count(*) filter (
                        where {{ cases }}.is_event and {{ cases }}.duration_days = days.day
                    ) as events,
                    count(*) filter (
                        where not {{ cases }}.is_event and {{ cases }}.duration_days = days.day
                    ) as censored
                from {{ cases }}
                cross join lateral (
                    select 0 as day
                    union
                    select {{ cases }}.duration_days
                ) as days
                group by {{ key_list }}, days.day
            ) as counted
        ) as exposed
        window up_to_the_day as (partition by {{ key_list }} order by day)
    ) as accumulated
{%- endmacro %}


{#- The last digits of logarithms are the machine's; twelve decimals are the same on each. -#}
{% macro _rounded(value) -%}
    cast(round(cast({{ value }} as numeric), 12) as double precision)
{%- endmacro %}
