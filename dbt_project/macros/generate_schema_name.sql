{#- The schema as configured, with no prefix of the target's own; the target `candidate` writes into twins. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set schema_name = (custom_schema_name or target.schema) | trim -%}
    {{- "candidate_" ~ schema_name if target.name == "candidate" else schema_name -}}
{%- endmacro %}
