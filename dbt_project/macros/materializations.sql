{#-
    dbt's materializations `table`, `view` and `seed` with fewer statements: for small relations the way to and from the
    server is what a build consists of. What stands in a schema is replaced in one transaction, as dbt does it.
-#}

{#- Made beside the old table, analysed (whoever reads it next would plan blindly without statistics), then put in its place. -#}
{% materialization table, adapter="postgres" -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type="table") -%}
    {%- set made_relation = make_intermediate_relation(target_relation) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {#- a build that was killed may have left one -#}
    {%- do drop_relation_if_exists(load_cached_relation(made_relation)) -%}
    {% call statement("main") -%}
        {{ get_create_table_as_sql(False, made_relation, sql) }}
    {%- endcall %}
    {%- do create_indexes(made_relation) -%}
    {% call statement("replacement") -%}
        analyze {{ made_relation }};
        {% if existing_relation is not none -%}
            drop {{ existing_relation.type }} if exists {{ existing_relation }} cascade;
        {% endif -%}
        alter table {{ made_relation }} rename to {{ adapter.quote(target_relation.identifier) }}
    {%- endcall %}
    {%- do apply_grants(
        target_relation, config.get("grants"), should_revoke=should_revoke(existing_relation, full_refresh_mode=True)
    ) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [target_relation]}) }}
{%- endmaterialization %}


{#- A view notes its SQL as a comment: if it is the same, the view stays as it is. -#}
{% materialization view, adapter="postgres" -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type="view") -%}
    {%- set note = local_md5(sql) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set is_kept = not should_full_refresh() and comment_on(existing_relation, "view") == note -%}
    {%- if is_kept -%}
        {%- call noop_statement("main", "KEPT", "KEPT", 0) %}{{ sql }}{% endcall -%}
    {%- else -%}
        {% call statement("main") -%}
            {% if existing_relation is not none -%}
                drop {{ existing_relation.type }} if exists {{ existing_relation }} cascade;
            {% endif -%}
            {{ get_create_view_as_sql(target_relation, sql) }};
            comment on view {{ target_relation }} is '{{ note }}'
        {%- endcall %}
        {%- do apply_grants(
            target_relation, config.get("grants"), should_revoke=should_revoke(existing_relation, full_refresh_mode=True)
        ) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- if not is_kept -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [target_relation]}) }}
{%- endmaterialization %}


{#-
    A seed notes its file, its types and what then stood in the table: if all three are the same it stays, and else it is
    made anew, whatever columns it had before. So a row that somebody changed by hand does not outlive a build.
-#}
{% materialization seed, adapter="postgres" -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type="table") -%}
    {%- set rules = local_md5(model.checksum.checksum ~ tojson(config.get("column_types", {}))) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set is_kept = (
        not should_full_refresh()
        and existing_relation is not none
        and existing_relation.type == "table"
        and run_query(
            "select obj_description('" ~ existing_relation ~ "'::regclass, 'pg_class') = '" ~ rules ~ " ' || "
            ~ seed_contents(existing_relation)
        ).rows[0][0]
    ) -%}
    {%- if is_kept -%}
        {%- do store_result("agate_table", response="OK") -%}
        {%- call noop_statement("main", "KEPT", "KEPT", 0) %}{% endcall -%}
    {%- else -%}
        {%- set agate_table = load_agate_table() -%}
        {%- do store_result("agate_table", response="OK", agate_table=agate_table) -%}
        {%- do drop_relation_if_exists(existing_relation) -%}
        {%- set create_table_sql = create_csv_table(model, agate_table) -%}
        {%- set rows_affected = agate_table.rows | length -%}
        {%- set insert_sql = load_csv_rows(model, agate_table) if rows_affected else "" -%}
        {%- call noop_statement("main", "CREATE " ~ rows_affected, "CREATE", rows_affected) -%}
            {{ get_csv_sql(create_table_sql, insert_sql) }}
        {%- endcall -%}
        {% call statement("note") -%}
            analyze {{ target_relation }};
            do $$
            begin
                execute format(
                    'comment on table {{ target_relation }} is %L',
                    '{{ rules }} ' || {{ seed_contents(target_relation) }}
                );
            end
            $$
        {%- endcall %}
        {%- do apply_grants(
            target_relation, config.get("grants"), should_revoke=should_revoke(existing_relation, full_refresh_mode=True)
        ) -%}
        {%- do create_indexes(target_relation) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- if not is_kept -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [target_relation]}) }}
{%- endmaterialization %}


{#- An expression: a hash of all rows of a seed, whatever their order. -#}
{% macro seed_contents(relation) -%}
    (select md5(coalesce(string_agg(seed::text, '|' order by seed::text), '')) from {{ relation }} as seed)
{%- endmacro %}


{#- The comment on a relation that there is, if it is of that type. -#}
{% macro comment_on(relation, type) -%}
    {%- if relation is not none and relation.type == type -%}
        {{ return(run_query("select obj_description('" ~ relation ~ "'::regclass, 'pg_class')").rows[0][0]) }}
    {%- endif -%}
{%- endmacro %}
