{#- The published age bands (DOMAIN 4). Age is the year of the date minus the year of birth: no birth date is kept here. -#}
{% macro age_band(age) -%}
    case
        when {{ age }} <= 13 then '≤13'
        when {{ age }} <= 15 then '14-15'
        when {{ age }} <= 17 then '16-17'
        when {{ age }} <= 23 then '18-23'
        when {{ age }} >= 24 then '24+'
        else 'unknown'
    end
{%- endmacro %}
