{#- Share of the rows for which the condition is true, 0–1; NULL if there are no rows. -#}
{% macro share_where(condition) -%}
    cast(count(*) filter (where {{ condition }}) as double precision) / nullif(count(*), 0)
{%- endmacro %}
