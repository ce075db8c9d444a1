{#- The value (numeric) that a rule's parameter has now; the seed `parameters` keeps the earlier versions. -#}
{% macro parameter(parameter_code) -%}
    (
        select parameters.value from {{ ref("parameters") }} as parameters
        where parameters.parameter_code = '{{ parameter_code }}' and parameters.is_current
    )
{%- endmacro %}


{#- The same as a whole number, for days and counts. -#}
{% macro parameter_int(parameter_code) -%}
    cast({{ parameter(parameter_code) }} as integer)
{%- endmacro %}
