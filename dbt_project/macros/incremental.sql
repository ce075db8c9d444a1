{#-
    The materialization `incremental` of this project. A model's SQL has no branch for increments: it always says the
    whole relation. An increment gives the same SQL less to read, or writes less of its result:

    - incremental_strategy='touched': of each relation in `touched_by` the SQL reads only the submissions that were
      touched since the last build; their old rows leave, the new ones come in. For relations in which each submission
      is computed by itself. `touched_with` names the column by which it is joined to a relation that is read whole: where
      a row of that one changed, all its submissions are touched. All else that the SQL reads must be seeds.
    - incremental_strategy='differences': the whole result is compared with what stands there by `unique_key`, and only
      rows that differ are written. For relations that also depend on other entities or on today's date.

    What was touched is not a matter of clocks. A build notes the snapshot that it saw; a row is new if the transaction
    that wrote it is not part of that snapshot. So a load that began before the last build and ended after it is new,
    and so is a row that says of itself that it was ingested long ago. The note is a comment on the table: it is written
    together with the rows and goes when the table goes.

    Everything is built anew with --full-refresh, with an as_of, and whenever the note does not fit: the compiled SQL,
    the contents of a seed, the indexes or the server are others, or rows went from a raw table, which only grows.
-#}
{% materialization incremental, adapter="postgres" -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type="table") -%}
    {%- set strategy = config.require("incremental_strategy") -%}
    {%- if strategy not in ("touched", "differences") -%}
        {{ exceptions.raise_compiler_error(
            "incremental_strategy is '" ~ strategy ~ "'; it must be touched or differences"
        ) }}
    {%- endif -%}
    {%- set sources = submissions_read() if strategy == "touched" else {} -%}
    {%- if strategy == "touched" -%}
        {%- do refuse_untouchable(sql, sources) -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement("settings") -%}
        {{ config.get("sql_header") or "select" }}
    {%- endcall %}
    {%- set note = note_on(existing_relation) -%}
    {#- the snapshot comes before anything is read: what commits while we build is looked at again by the next build -#}
    {%- set new_note = build_note(sql, sources) -%}
    {%- set is_whole = (
        not note or existing_relation.type != "table" or should_full_refresh() or var("as_of")
        or not note_fits(note, new_note, sources)
    ) -%}

    {%- set to_drop = [] -%}
    {%- if is_whole -%}
        {%- set intermediate_relation = make_intermediate_relation(target_relation) -%}
        {%- do drop_relation_if_exists(load_cached_relation(intermediate_relation)) -%}
        {% call statement("main") -%}
            {{ get_create_table_as_sql(False, intermediate_relation, sql) }}
        {%- endcall %}
        {%- do create_indexes(intermediate_relation) -%}
        {%- if existing_relation is not none -%}
            {%- set backup_relation = make_backup_relation(target_relation, existing_relation.type) -%}
            {%- do drop_relation_if_exists(load_cached_relation(backup_relation)) -%}
            {%- do adapter.rename_relation(existing_relation, backup_relation) -%}
            {%- do to_drop.append(backup_relation) -%}
        {%- endif -%}
        {%- do adapter.rename_relation(intermediate_relation, target_relation) -%}
    {%- else -%}
        {%- if config.get("contract").enforced -%}
            {%- do get_assert_columns_equivalent(sql) -%}
        {%- endif -%}
        {% call statement("main") -%}
            {%- if strategy == "touched" -%}
                {{ replace_touched(sql, target_relation, sources, note.snapshot) }}
            {%- else -%}
                {{ replace_differences(sql, target_relation) }}
            {%- endif -%}
        {%- endcall %}
    {%- endif -%}
    {% call statement("note") -%}
        {#- without statistics whoever reads a new table next would plan blindly -#}
        {%- if is_whole %}analyze {{ target_relation }};{% endif %}
        comment on table {{ target_relation }} is {{ dbt.string_literal(tojson(new_note)) }}
    {%- endcall %}

    {%- do apply_grants(
        target_relation, config.get("grants"), should_revoke=should_revoke(existing_relation, is_whole)
    ) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {%- for relation in to_drop -%}
        {%- do adapter.drop_relation(relation) -%}
    {%- endfor -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [target_relation]}) }}
{%- endmaterialization %}


{#- The relations of touched_by, as the SQL names them, each with its form if it is a raw table ("raw.f4_meeting"). -#}
{% macro submissions_read() -%}
    {%- set found = {} -%}
    {%- for name in config.require("touched_by") -%}
        {%- set relation = source(*name.split(".")) if "." in name else ref(name) -%}
        {%- do found.update({relation | string: relation.identifier if "." in name else none}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}


{#- The relations of touched_with, as the SQL names them, each with its column. -#}
{% macro entities_read() -%}
    {%- set found = {} -%}
    {%- for name, column in config.get("touched_with", {}).items() -%}
        {%- do found.update({ref(name) | string: column}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}


{#- Refuse a model whose rows may change although none of its submissions was touched. -#}
{% macro refuse_untouchable(sql, sources) -%}
    {#- which parameters are in force depends on the date too, but the note knows of them -#}
    {%- set fixed = sql | replace(parameters_in_force(), "") if reads_parameters() else sql -%}
    {%- if modules.re.search("\\b(now\\(\\)|current_(date|timestamp)|localtimestamp)", fixed | lower) -%}
        {{ exceptions.raise_compiler_error(
            "It depends on today's date and so changes by itself: use incremental_strategy differences"
        ) }}
    {%- endif -%}
    {%- for node_id in model.depends_on.nodes if not node_id.startswith("seed.") -%}
        {%- set node = graph.sources[node_id] if node_id.startswith("source.") else graph.nodes[node_id] -%}
        {%- set relation = api.Relation.create(
            database=node.database, schema=node.schema, identifier=node.identifier or node.alias
        ) -%}
        {%- if relation | string not in sources and relation | string not in entities_read() -%}
            {{ exceptions.raise_compiler_error(
                "It reads " ~ node.name ~ ", which is no seed and neither in touched_by nor in touched_with, so that an "
                ~ "increment would miss what changes there: name it, or use incremental_strategy differences"
            ) }}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}


{% macro reads_parameters() -%}
    {{ return("seed.vmeste.parameters" in model.depends_on.nodes) }}
{%- endmacro %}


{#- What a build notes: the rules it went by, the server, its snapshot, and how many raw rows that snapshot shows. -#}
{% macro build_note(sql, sources) -%}
    {%- set seeds = ["''"] -%}
    {%- for node_id in model.depends_on.nodes if node_id.startswith("seed.") and sources -%}
        {%- set seed = graph.nodes[node_id].name -%}
        {%- set rows = parameters_in_force() if seed == "parameters" else ref(seed) -%}
        {%- do seeds.append("(select string_agg(seed::text, '|' order by seed::text) from " ~ rows ~ " as seed)") -%}
    {%- endfor -%}
    {%- set found = run_query(
        "select pg_current_snapshot()::text, system_identifier::text, md5(concat_ws('|', " ~ seeds | join(", ")
        ~ ")) from pg_control_system()"
    ).rows[0] -%}
    {%- set types = model.columns.values() | map(attribute="data_type", default="") | list -%}
    {%- set rules = local_md5([sql, found[2], tojson(types), tojson(config.get("indexes", []))] | join("|")) -%}
    {%- set counts = {} -%}
    {%- for relation in sources if sources[relation] -%}
        {%- do counts.update({relation: rows_seen(relation, found[0])}) -%}
    {%- endfor -%}
    {{ return({"snapshot": found[0], "server": found[1], "rules": rules, "counts": counts}) }}
{%- endmacro %}


{#- Whether an increment may start from where the last build ended. -#}
{% macro note_fits(note, new_note, sources) -%}
    {%- set transactions = (new_note.snapshot.split(":")[1] | int) - (note.snapshot.split(":")[0] | int) -%}
    {%- if note.rules != new_note.rules or note.server != new_note.server or transactions > 2000000000 -%}
        {{ return(false) }}
    {%- endif -%}
    {%- for relation in sources if sources[relation] -%}
        {%- if rows_seen(relation, note.snapshot) != note.counts[relation] -%}
            {{ return(false) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(true) }}
{%- endmacro %}


{#-
    Whether a row was there in a snapshot that is at most two thousand million transactions old (note_fits). xmin is the
    lower half of the transaction's number; the upper half follows from the snapshot's.
-#}
{% macro is_seen(alias, snapshot) -%}
    {%- set oldest = snapshot.split(":")[0] | int -%}
    {%- set ahead = (snapshot.split(":")[1] | int) + 2147483648 -%}
    (
        age({{ alias }}.xmin) > age('{{ oldest % 4294967296 }}'::xid)
        or pg_visible_in_snapshot(
            ({{ ahead }} - mod({{ ahead }} - {{ alias }}.xmin::text::bigint, 4294967296))::text::xid8, '{{ snapshot }}'
        )
    )
{%- endmacro %}


{% macro rows_seen(relation, snapshot) -%}
    {{ return(run_query(
        "select count(*) from " ~ relation ~ " as versions where " ~ is_seen("versions", snapshot)
    ).rows[0][0] | int) }}
{%- endmacro %}


{#- The note that the last build of a relation left, or none. -#}
{% macro note_on(relation) -%}
    {%- if relation is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set said = run_query("select obj_description('" ~ relation ~ "'::regclass, 'pg_class')").rows[0][0] -%}
    {{ return(fromjson(said) if said and said.startswith("{") else none) }}
{%- endmacro %}


{#- The statements that take touched submissions out and put in what the SQL makes of them now. -#}
{% macro replace_touched(sql, target_relation, sources, snapshot) -%}
    {%- set key = config.require("unique_key") -%}
    {%- set key = key if key is string else key[0] -%}
    {%- set names = adapter.get_columns_in_relation(target_relation) | map(attribute="quoted") | join(", ") -%}
    {%- set read = namespace(sql=sql) -%}
    create temporary table touched_submissions (submission_key text) on commit drop;
    {%- for relation, form_id in sources.items() %}
    {%- if form_id %}
    create temporary table touched_versions on commit drop as
    select distinct versions._source, versions._submission_id
    from {{ relation }} as versions
    where not {{ is_seen("versions", snapshot) }};
    analyze touched_versions;
    insert into touched_submissions
    select {{ submission_key(form_id) }} from touched_versions;
    create temporary table touched_{{ loop.index }} on commit drop as
    select versions.*
    from {{ relation }} as versions
    inner join touched_versions using (_source, _submission_id);
    {%- else %}
    insert into touched_submissions
    select submissions.submission_key
    from {{ relation }} as submissions
    where not {{ is_seen("submissions", snapshot) }};
    {%- for entities, column in entities_read().items() %}
    create temporary table touched_entities on commit drop as
    select entities.{{ column }}
    from {{ entities }} as entities
    where not {{ is_seen("entities", snapshot) }};
    analyze touched_entities;
    insert into touched_submissions
    select submissions.submission_key
    from {{ relation }} as submissions
    inner join touched_entities using ({{ column }});
    {%- endfor %}
    {%- endif %}
    {%- endfor %}
    {%- if sources.values() | reject | list | length == sources | length %}
    -- what stands here and nowhere any more
    insert into touched_submissions
    select kept.{{ key }}
    from {{ target_relation }} as kept
    where
        {%- for relation in sources %}
        {{ "and " if not loop.first }}not exists (
            select from {{ relation }} as there where there.submission_key = kept.{{ key }}
        )
        {%- endfor %};
    {%- for entities, column in entities_read().items() %}
    insert into touched_submissions
    select kept.{{ key }}
    from {{ target_relation }} as kept
    where not exists (select from {{ entities }} as there where there.{{ column }} = kept.{{ column }});
    {%- endfor %}
    {%- endif %}
    create temporary table touched on commit drop as
    select distinct submission_key from touched_submissions;
    analyze touched;
    {%- for relation, form_id in sources.items() %}
    {%- if not form_id %}
    create temporary table touched_{{ loop.index }} on commit drop as
    select submissions.*
    from {{ relation }} as submissions
    inner join touched using (submission_key);
    {%- endif %}
    analyze touched_{{ loop.index }};
    {%- set read.sql = read.sql | replace(relation, "pg_temp.touched_" ~ loop.index) -%}
    {%- endfor %}
    delete from {{ target_relation }} as kept
    using touched
    where kept.{{ key }} = touched.submission_key;
    insert into {{ target_relation }} ({{ names }})
    select {{ names }} from ({{ read.sql }}) as made;
{%- endmacro %}


{#- The statements that write only those rows of the SQL's result that differ from what stands in the relation. -#}
{% macro replace_differences(sql, target_relation) -%}
    {%- set key = config.require("unique_key") -%}
    {%- set key = [key] if key is string else key -%}
    {%- set names = adapter.get_columns_in_relation(target_relation) | map(attribute="quoted") | list -%}
    create temporary table differing on commit drop as
    select
        made.*,
        made.{{ key[0] }} is not null as is_made,
        {%- for column in key %}
        kept.{{ column }} as kept_{{ loop.index }}{{ "," if not loop.last }}
        {%- endfor %}
    from ({{ sql }}) as made
    full join {{ target_relation }} as kept
        on {% for column in key %}made.{{ column }} = kept.{{ column }}{{ " and " if not loop.last }}{% endfor %}
    where (made.{{ names | join(", made.") }}) is distinct from (kept.{{ names | join(", kept.") }});
    analyze differing;
    delete from {{ target_relation }} as kept
    using differing
    where {% for column in key %}kept.{{ column }} = differing.kept_{{ loop.index }}{{ " and " if not loop.last }}{% endfor %};
    insert into {{ target_relation }} ({{ names | join(", ") }})
    select {{ names | join(", ") }} from differing where is_made;
{%- endmacro %}
