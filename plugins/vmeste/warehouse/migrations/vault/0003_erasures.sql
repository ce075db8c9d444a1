-- Who was erased must not come back: what is kept of a code is a keyed hash, and the key lies here and nowhere else.
create table vault.secrets (
    name text primary key,
    secret bytea not null
);
comment on table vault.secrets is 'the key of the tombstones; drawn once, never copied anywhere';

create table vault.erasures (
    erasure_id text primary key default gen_random_uuid()::text,
    kind text not null check (kind in ('mentee', 'mentor')),
    reason text not null check (reason ~ '\S'),
    requested_by text not null check (requested_by ~ '\S'),
    requested_at timestamptz not null default now(),
    state text not null default 'requested' check (state in ('requested', 'running', 'emptied', 'done')),
    subject jsonb,
    counts jsonb not null default '{}',
    finished_at timestamptz,
    constraint nothing_is_left_when_emptied check ((state in ('emptied', 'done')) = (subject is null))
);
comment on column vault.erasures.subject is
'keys, submissions and words to look for; kept while the erasure runs, so that one that was killed can go on, then gone';

create table vault.tombstones (
    kind text not null check (kind in ('mentee', 'mentor', 'pair')),
    digest bytea not null,
    erasure_id text not null references vault.erasures,
    marker text not null,
    form_ids text[],
    primary key (kind, digest)
);
comment on column vault.tombstones.digest is 'HMAC-SHA256 of the code';
comment on column vault.tombstones.marker is 'what stands for a mentor in records of others that stay';
comment on column vault.tombstones.form_ids is 'the forms in which a pair is blocked; NULL: all';

create table vault.erased_submissions (
    source text not null,
    form_id text not null,
    digest bytea not null,
    stub_id text not null,
    erasure_id text not null references vault.erasures,
    primary key (source, form_id, digest)
);
comment on table vault.erased_submissions is
'HMAC-SHA256 of a submission''s id, and the id under which an empty row stands in raw, so that counts still agree';
