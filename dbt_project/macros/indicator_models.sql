{#-
    The models that are united into int_indicators_united: every file int_indicator_<code>.sql, found, not listed.

    dbt takes a model's dependencies from the refs it meets while parsing, before `graph` is whole. What there is by then
    is the list of files, which ref() itself resolves against. When dbt runs, the graph is whole: a file that was added
    after a parse which is still kept would be missing without a word, so that is refused here.
-#}
{% macro indicator_models() -%}
    {%- set found = [] -%}
    {%- for file_id in ref.manifest.files -%}
        {%- set named = modules.re.search("/(int_indicator_[0-9a-z_]+)[.]sql$", file_id) -%}
        {%- if named -%} {%- do found.append(named.group(1)) -%} {%- endif -%}
    {%- endfor -%}
    {%- if execute and model.resource_type == "model" -%}
        {%- set missing = [] -%}
        {%- for node in graph.nodes.values() if node.resource_type == "model" and node.name.startswith("int_indicator_") -%}
            {%- if node.unique_id not in model.depends_on.nodes -%} {%- do missing.append(node.name) -%} {%- endif -%}
        {%- endfor -%}
        {%- if missing or not found -%}
            {{ exceptions.raise_compiler_error(
                (missing | sort | join(", ") or "Indicators") ~ ": added after dbt had parsed the project, so the "
                ~ "union does not know it. Run once with --no-partial-parse"
            ) }}
        {%- endif -%}
    {%- endif -%}
    {{ return(found | sort) }}
{%- endmacro %}


{#- The code that an indicator's model stands for: int_indicator_2_1r is 2.1r. -#}
{% macro indicator_code_of(model_name) -%}
    {{ return(model_name | replace("int_indicator_", "") | replace("_", ".")) }}
{%- endmacro %}
