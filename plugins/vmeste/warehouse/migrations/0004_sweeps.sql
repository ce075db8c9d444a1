-- A server that only shows what there is says of a deletion nothing: it is concluded from a read proven whole.
alter table ops.sync_runs add column vanished bigint not null default 0;
comment on column ops.sync_runs.vanished is
'submissions that a complete read no longer found: deleted at the source, and no part of server_count';
alter table ops.sync_runs add column server_total bigint;
comment on column ops.sync_runs.server_total is
'how many submissions the server says it has in all; what we hold agreed with it';
