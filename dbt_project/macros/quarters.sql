{#- A date's calendar quarter as people write it: 2021-Q4. -#}
{% macro quarter_code(day) -%}
    to_char({{ day }}, 'YYYY-"Q"Q')
{%- endmacro %}


{% macro quarter_starts_on(day) -%}
    cast(date_trunc('quarter', {{ day }}) as date)
{%- endmacro %}


{% macro quarter_ends_on(day) -%}
    cast(date_trunc('quarter', {{ day }}) + interval '3 months' - interval '1 day' as date)
{%- endmacro %}


{#- A date that many months later; a month without that day gives its last one (31 August + 6 = 28 February). -#}
{% macro months_after(day, months) -%}
    cast({{ day }} + make_interval(months => {{ months }}) as date)
{%- endmacro %}
