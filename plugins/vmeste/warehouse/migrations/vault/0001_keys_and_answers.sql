-- Who is who, and what identifies a person. Its own database with its own user: nothing else may connect.
do $$
begin
    execute format('revoke all on database %I from public', current_database());
end
$$;
revoke all on schema public from public;
create schema vault;

create table vault.keys (
    kind text not null check (kind in ('mentee', 'mentor', 'pair', 'submission')),
    code text not null,
    key text not null unique default gen_random_uuid()::text,
    created_at timestamptz not null default now(),
    primary key (kind, code)
);
comment on table vault.keys is 'what people write (code) and what the warehouse knows (random key)';

create table vault.answers (
    answer_id bigint generated always as identity primary key,
    source text not null,
    form_id text not null,
    submission_id text not null,
    question text not null,
    answer text not null,
    arrived_at timestamptz not null,
    keys text[] not null,
    recorded_at timestamptz not null default now()
);
-- append-only, like raw: a corrected name stands beside the first one, the last recorded is the present one
create index on vault.answers (source, form_id, submission_id, question);
comment on column vault.answers.keys is 'the people and pairs whom the submission is about';
