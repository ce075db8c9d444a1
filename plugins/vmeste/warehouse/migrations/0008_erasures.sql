-- Raw is append-only for everybody but this role, which does nothing but erase people.
do $$
begin
    if not exists (select from pg_roles where rolname = 'vmeste_eraser') then
        create role vmeste_eraser nologin;
    end if;
    execute format('grant vmeste_eraser to %I', current_user);
    execute format('grant connect, temporary on database %I to vmeste_eraser', current_database());
end
$$;

grant usage on schema raw, quarantine, ops to vmeste_eraser;
set local role vmeste_loader;
alter default privileges in schema raw grant select, insert, update, delete on tables to vmeste_eraser;
grant select, insert, update, delete on all tables in schema raw to vmeste_eraser;
grant select, update, delete on quarantine.rows to vmeste_eraser;
reset role;
grant select, update on ops.sync_runs, ops.cursors to vmeste_eraser;

create table ops.erasures (
    erasure_id text primary key,
    kind text not null check (kind in ('mentee', 'mentor')),
    erased_at timestamptz not null,
    submissions jsonb not null,
    counts jsonb not null
);
comment on table ops.erasures is
'who was erased when: no code, no key, no reason. The explanation of a difference between releases reads it';
comment on column ops.erasures.submissions is 'form → how many submissions went';
comment on column ops.erasures.counts is 'place → how many rows, files or words went';
grant select, insert, update on ops.erasures to vmeste_eraser;
grant select on ops.erasures to vmeste_transformer, vmeste_loader;
