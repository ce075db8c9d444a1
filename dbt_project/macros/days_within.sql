{#- Number of days in a datemultirange. -#}
{% macro days_within(days) -%}
    (
        select coalesce(sum(upper(stretch) - lower(stretch)), 0)
        from unnest({{ days }}) as stretch
    )
{%- endmacro %}
