{#- Whether a mentor's form `registration` shows all four clearances (допуски) in force on a day. -#}
{% macro is_cleared(registration, day) -%}
    {%- for clearance in ["criminal_record", "medical", "interview", "training"] %}
    {{ "and " if not loop.first }}coalesce({{ registration }}.{{ clearance }}_on <= {{ day }}, false)
    and coalesce({{ registration }}.{{ clearance }}_valid_to >= {{ day }}, true)
    {%- endfor %}
{%- endmacro %}
