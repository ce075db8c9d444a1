-- A review is a version even where it moves no time: without it in the key such a version was counted and not kept.
do $$
declare
    former record;
begin
    for former in
        select
            schemas.nspname as schema_name, tables.relname as table_name, indexes.relname as index_name
        from pg_index
        inner join pg_class as indexes on indexes.oid = pg_index.indexrelid
        inner join pg_class as tables on tables.oid = pg_index.indrelid
        inner join pg_namespace as schemas on schemas.oid = tables.relnamespace
        where schemas.nspname = 'raw' and pg_index.indisunique
    loop
        execute format('drop index %I.%I', former.schema_name, former.index_name);
        execute format(
            'create unique index on %I.%I (_source, _submission_id, (coalesce(_updated_at, _submitted_at)), '
            '_content_hash, _operation, _review_state) nulls not distinct',
            former.schema_name, former.table_name
        );
    end loop;
end
$$;

alter table quarantine.rows drop constraint rows_source_form_id_submission_id_arrived_at_content_hash_key;
alter table quarantine.rows add constraint one_row_a_version
unique nulls not distinct (source, form_id, submission_id, arrived_at, content_hash, review_state);
