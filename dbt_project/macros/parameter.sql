{#-
    The value (numeric) that a rule's parameter had on the day of the cut-off: the newest version of the seed
    `parameters` that was valid by then. A quarter that is computed again as of its cut-off keeps its parameters.
-#}
{% macro parameter(parameter_code) -%}
    (
        select parameters.value from {{ parameters_in_force() }} as parameters
        where parameters.parameter_code = '{{ parameter_code }}'
    )
{%- endmacro %}


{#- The same as a whole number, for days and counts. -#}
{% macro parameter_int(parameter_code) -%}
    cast({{ parameter(parameter_code) }} as integer)
{%- endmacro %}


{#- One row for each parameter: the version in force on the day of the cut-off. To be named by whoever selects from it. -#}
{% macro parameters_in_force() -%}
    (
        select distinct on (versions.parameter_code)
            versions.parameter_code,
            versions.parameter_version,
            versions.value
        from {{ ref("parameters") }} as versions
        where versions.valid_from is null or versions.valid_from <= {{ as_of_on() }}
        order by versions.parameter_code asc, versions.parameter_version desc
    )
{%- endmacro %}
