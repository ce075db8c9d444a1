{#-
    The materialization `test` of this project: as dbt's own, with the settings of the models, and a test of broken_rules
    tells which rules are broken, how often and by which rows. dbt itself would only say how many rows a test has found.
-#}
{% materialization test, adapter="postgres" -%}
    {%- if should_store_failures() -%}
        {{ exceptions.raise_compiler_error("Failures are told and not stored: a table of them would outlive the rows") }}
    {%- endif -%}
    {%- set has_rules = model.config.meta.get("tells_rules", false) -%}

    {% call statement("main", fetch_result=True) -%}
        set work_mem = '64MB'; set jit = off;
        {% if has_rules -%}
            select
                count(*) as failures,
                coalesce(bool_or(severity = 'warn'), false) as should_warn,
                coalesce(bool_or(severity = 'error'), false) as should_error
            from ({{ sql }}) as broken
        {%- else -%}
            {{ get_test_sql(
                sql, config.get("fail_calc"), config.get("warn_if"), config.get("error_if"), config.get("limit")
            ) }}
        {%- endif %}
    {%- endcall %}
    {%- if has_rules and load_result("main").table.rows[0][0] > 0 -%}
        {%- set told = {"error": [], "warn": []} -%}
        {%- for rule_name, severity, row_count, first_key, last_key in run_query(sql).rows -%}
            {%- do told[severity].append(
                rule_name ~ ": " ~ row_count ~ " (" ~ first_key ~ (" … " ~ last_key if last_key != first_key else "") ~ ")"
            ) -%}
        {%- endfor -%}
        {%- if told.error -%}
            {{ exceptions.raise_compiler_error((told.error + told.warn) | join("; ")) }}
        {%- endif -%}
        {%- do log(told.warn | join("; "), info=true) -%}
    {%- endif -%}
    {{ return({"relations": []}) }}
{%- endmaterialization %}
