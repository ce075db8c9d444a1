{#- The moment of the cut-off as timestamptz: the variable `as_of`, or now() if it is empty. -#}
{% macro as_of_at() -%}
    {%- set as_of = (var("as_of") or "") | string | trim -%}
    {%- if not as_of -%}
        now()
    {%- elif not modules.re.match("^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})$", as_of) -%}
        {{ exceptions.raise_compiler_error(
            "Variable as_of is '" ~ as_of ~ "'; it must be an ISO timestamp with its zone, such as "
            ~ "2022-01-15T00:00:00+03:00, or empty for everything that has arrived"
        ) }}
    {%- else -%}
        timestamptz '{{ as_of }}'
    {%- endif -%}
{%- endmacro %}


{#- The date on which the cut-off lies, in the programme's zone. A window has closed when its last day is before it. -#}
{% macro as_of_on() -%}
    {{ local_date(as_of_at()) }}
{%- endmacro %}


{#- The date of a moment in the programme's zone: 2021-12-31 21:00 UTC is 1 January in Moscow. -#}
{% macro local_date(moment) -%}
    cast({{ moment }} at time zone '{{ var("time_zone") }}' as date)
{%- endmacro %}
