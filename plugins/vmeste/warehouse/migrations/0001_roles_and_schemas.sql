-- One role for each kind of work (DESIGN: least privilege). They cannot log in by themselves: a deployment grants a
-- login, the embedded server's owner acts as them.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['vmeste_loader', 'vmeste_transformer', 'vmeste_bi'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I nologin', role_name);
        end if;
        execute format('grant %I to current_user', role_name);
        execute format('grant connect, temporary on database %I to %I', current_database(), role_name);
    end loop;
    -- dbt makes staging, intermediate, marts, seeds and their candidate twins
    execute format('grant create on database %I to vmeste_transformer', current_database());
    execute format('revoke all on database %I from public', current_database());
end
$$;

create schema if not exists ops;
create schema raw authorization vmeste_loader;
create schema quarantine authorization vmeste_loader;
revoke all on schema public from public;

grant usage on schema ops to vmeste_loader, vmeste_transformer;
grant usage on schema raw, quarantine to vmeste_transformer;
alter default privileges for role vmeste_loader in schema raw grant select on tables to vmeste_transformer;
