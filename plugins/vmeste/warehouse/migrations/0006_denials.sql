-- A server may lock us out after a few refused log-ins: tasks, which are processes of their own, tell each other here.
create table ops.denials (
    source text primary key,
    salt bytea not null,
    fingerprint bytea not null,
    denied_at timestamptz not null default now()
);
comment on table ops.denials is 'log-ins that a server refused; a slow salted hash, so that new credentials are seen';
grant select, insert, update, delete on ops.denials to vmeste_loader;
