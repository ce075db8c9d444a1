-- What each sync did, and proof that nothing was lost: server_count = accepted + quarantined + voided + unchanged.
create table ops.sync_runs (
    batch_id text primary key,
    run_id text not null,
    source text not null,
    form_id text not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    server_count bigint not null,
    received bigint not null,
    accepted bigint not null,
    quarantined bigint not null,
    voided bigint not null,
    unchanged bigint not null,
    released bigint not null default 0,
    suspended bigint not null default 0,
    cursor_from jsonb,
    cursor_to jsonb,
    state text not null check (state in ('complete', 'incomplete', 'blocked', 'failed')),
    error text,
    notes text[] not null default '{}',
    constraint nothing_is_lost check (
        state in ('blocked', 'failed') or server_count = accepted + quarantined + voided + unchanged
    )
);
comment on column ops.sync_runs.released is 'rows that an earlier sync had quarantined and this one accepted';
comment on column ops.sync_runs.suspended is 'submissions that counted until their newest version was refused';

create table ops.cursors (
    source text not null,
    form_id text not null,
    cursor jsonb not null,
    batch_id text not null,
    moved_at timestamptz not null,
    primary key (source, form_id)
);

create table ops.check_results (
    batch_id text not null,
    form_id text not null,
    rule text not null,
    severity text not null,
    element_count bigint not null,
    unexpected_count bigint not null,
    primary key (batch_id, rule)
);
comment on table ops.check_results is 'counts only: a validation result never keeps a value';

create table quarantine.rows (
    quarantine_id bigint generated always as identity primary key,
    source text not null,
    form_id text not null,
    submission_id text not null,
    content_hash text not null,
    form_version text not null,
    submitted_at timestamptz not null,
    updated_at timestamptz,
    arrived_at timestamptz not null generated always as (coalesce(updated_at, submitted_at)) stored,
    review_state text,
    origin text,
    rules text[] not null,
    remedy_ru text not null,
    payload jsonb not null,
    state text not null default 'open' check (state in ('open', 'fixed_upstream', 'released', 'waived')),
    first_seen_at timestamptz not null default now(),
    last_tried_at timestamptz not null default now(),
    batch_id text not null,
    resolved_at timestamptz,
    resolved_by text,
    unique (source, form_id, submission_id, arrived_at, content_hash)
);
alter table quarantine.rows owner to vmeste_loader;
create index on quarantine.rows (form_id, source) where state = 'open';

grant select, insert, update on ops.sync_runs, ops.cursors to vmeste_loader;
grant select, insert on ops.check_results to vmeste_loader;
grant select on ops.sync_runs, ops.check_results to vmeste_transformer;
-- counts by rule go onto the quarterly page; the payload does not concern the transformer
grant select (source, form_id, rules, state, first_seen_at, resolved_at, submitted_at, updated_at)
on quarantine.rows to vmeste_transformer;
