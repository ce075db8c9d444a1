-- What a release is made of is kept by a role that nobody acts as, so that no role of ours can switch its guards off;
-- what moved between two releases is kept beside them, by cause.
do $$
begin
    if not exists (select from pg_roles where rolname = 'vmeste_keeper') then
        create role vmeste_keeper nologin;
    end if;
    execute format('grant vmeste_keeper to %I', current_user);
end
$$;

alter schema published owner to vmeste_keeper;
grant usage on schema published to vmeste_transformer;
alter view published.current_indicator_values owner to vmeste_keeper;
alter view published.release_ledger owner to vmeste_keeper;
alter table published.releases owner to vmeste_keeper;
alter table published.indicator_values owner to vmeste_keeper;
alter table published.indicator_definitions owner to vmeste_keeper;
alter table published.restatements owner to vmeste_keeper;
alter function published.refuse_change() owner to vmeste_keeper;

-- Figures and mentees. Only the transformer and the erasure look here: these rows are about people.
create schema ledger authorization vmeste_keeper;
grant usage on schema ledger to vmeste_transformer;

set local role vmeste_keeper;

alter table published.releases
add column checksum_version integer not null default 1,
add column rules_checksum text check (rules_checksum ~ '^[0-9a-f]{64}$'),
add column built_at timestamptz,
add column reasons text[] not null default '{}',
add column time_zone text not null default 'Europe/Moscow';
alter table published.releases alter column checksum_version set default 2;
comment on column published.releases.checksum_version is
'1: SHA-256 over the quarter, the cut-off, the suppression version, the definitions and every cell; '
'2: over the parameters too, and ledger.seals holds everything that was released';
comment on column published.releases.checksum is 'names the figures that were approved; see checksum_version';
comment on column published.releases.rules_checksum is 'SHA-256 over the models, macros and seeds that computed it';
comment on column published.releases.built_at is 'when the marts of the candidate began to be built: what raw held then';
comment on column published.releases.time_zone is 'the zone in which the dates of this release are meant';
comment on column published.releases.reasons is
'why there is a revision: moved, threshold, disclosure (a difference between releases told of too few people), error; '
'empty for the first';

create table published.parameters (
    release_id text not null references published.releases,
    parameter_code text not null,
    parameter_version text not null,
    value numeric,
    parameter jsonb not null,
    primary key (release_id, parameter_code)
);
comment on table published.parameters is 'the thresholds, windows and constants that a release was computed with';

alter table published.restatements
drop constraint restatements_pkey,
add primary key (release_id, quarter, period_view, indicator_code),
add column is_break boolean not null default false,
add column moved_by_rows_points double precision,
add column reasons text[] not null default '{}';
comment on column published.restatements.is_break is
'the definition is another: the two values are not one series, and moved_points is no change of the programme';
comment on column published.restatements.moved_by_rows_points is
'the part of the movement that rows made (added, edited, voided): what the rule of restatement judges; NULL where '
'somebody erased is in the rest, who would follow from it';
comment on column published.restatements.reasons is
'why this headline called for the revision: moved, threshold, disclosure; empty: it only moved with the others';

create table ledger.restatement_causes (
    release_id text not null references published.releases,
    previous_release_id text not null references published.releases,
    quarter text not null,
    period_view text not null,
    indicator_code text not null,
    cause text not null
    check (cause in (
        'added', 'edited', 'voided', 'several', 'erased', 'definition', 'due', 'unexplained', 'not_kept'
    )),
    step text not null
    check (step in ('eligible', 'due', 'reached', 'measured', 'achieved', 'deterioration_known', 'deteriorated')),
    entered bigint not null check (entered >= 0),
    left_out bigint not null check (left_out >= 0),
    primary key (release_id, quarter, period_view, indicator_code, cause, step)
);
comment on table ledger.restatement_causes is
'not for BI, since one person may be behind a cause: how many mentees entered and left each step of a headline''s funnel, by cause: the former count plus all that entered '
'less all that left is the present count, exactly';
comment on column ledger.restatement_causes.cause is
'what came to the mentee''s own submissions (several: of more than one kind), or erased (gone with the person), '
'definition (the rules changed), due (a window closed, or it happened after the cut-off), not_kept (released before '
'causes were kept)';

create table ledger.late_effects (
    release_id text not null references published.releases,
    of_release_id text not null references published.releases,
    quarter text not null,
    period_view text not null,
    indicator_code text not null,
    old jsonb not null,
    new jsonb not null,
    moved_points double precision,
    moved_by_rows_points double precision,
    is_break boolean not null,
    reasons text[] not null,
    causes jsonb not null,
    primary key (release_id, of_release_id, quarter, period_view, indicator_code)
);
comment on table ledger.late_effects is
'what a closed quarter''s headlines would be as of a later release''s cut-off; the released revision stays unless '
'reasons says that a new one is due';

create table ledger.seals (
    release_id text primary key references published.releases,
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    content text not null
);
comment on table ledger.seals is
'all that was released, as it stood then, causes included, and its SHA-256: `vmeste release verify` compares row by row';

create table ledger.late_rows (
    release_id text not null references published.releases,
    quarter text not null,
    form_id text not null,
    kind text not null check (kind in ('added', 'edited', 'voided', 'erased')),
    submissions bigint not null check (submissions > 0),
    primary key (release_id, quarter, form_id, kind)
);
comment on table ledger.late_rows is
'submissions with an event in a quarter that was released already, by what came to them until this release''s cut-off';

create table ledger.outcomes (
    release_id text not null references published.releases,
    indicator_code text not null,
    period_view text not null,
    quarter text not null,
    mentee_key text not null,
    is_due boolean not null,
    is_reached boolean not null,
    is_measured boolean not null,
    is_achieved boolean not null,
    is_deteriorated boolean,
    primary key (release_id, indicator_code, period_view, quarter, mentee_key)
);
comment on table ledger.outcomes is
'who was eligible in a released headline and with what outcome, so that the next difference can be explained by causes, '
'and what a released count has beyond it is who was erased since. About people: never in BI, erased with the person';

create table ledger.declared_errors (
    error_id bigint generated always as identity primary key,
    quarter text not null check (quarter ~ '^\d{4}-Q[1-4]$'),
    reason text not null check (reason ~ '\S'),
    declared_by text not null check (declared_by ~ '\S'),
    declared_at timestamptz not null default now()
);
comment on table ledger.declared_errors is 'errors found in a released quarter: its next revision needs no movement';

create table ledger.mended_errors (
    error_id bigint primary key references ledger.declared_errors,
    release_id text not null references published.releases
);
comment on table ledger.mended_errors is 'the revision that answers a declared error';

create table ledger.refusals (
    refusal_id bigint generated always as identity primary key,
    release_id text not null,
    checksum text check (checksum ~ '^[0-9a-f]{64}$'),
    role text not null check (role in ('method', 'director')),
    user_name text not null,
    kind text not null check (kind in ('rejected', 'withdrawn')),
    refused_at timestamptz not null,
    reason text not null check (reason ~ '\S'),
    unique nulls not distinct (release_id, checksum, role, user_name, kind, refused_at)
);
comment on table ledger.refusals is 'who rejected a draft or withdrew an approval of it, when and why';
comment on column ledger.refusals.checksum is 'the figures that were rejected; a withdrawal takes back whatever was approved';

-- What the schemas candidate_* hold now: one row, replaced by each build, deleted when a build begins.
create table ledger.candidate (
    only_one boolean primary key default true check (only_one),
    quarter text not null,
    as_of timestamptz not null,
    built_at timestamptz not null,
    rules_checksum text not null
);
comment on table ledger.candidate is 'which quarter, as of when, the candidate''s marts were built for; none during a build';

create function ledger.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, tg_op
        using errcode = 'restrict_violation';
end
$$;

do $$
declare
    name text;
begin
    foreach name in array array[
        'published.parameters', 'ledger.restatement_causes', 'ledger.late_effects', 'ledger.late_rows'
    ] loop
        execute format(
            'create trigger refuse_change before update or delete on %s '
            'for each row execute function published.refuse_change()', name
        );
        execute format(
            'create trigger refuse_addition before insert on %s '
            'for each row execute function published.refuse_change()', name
        );
        execute format('alter table %s enable always trigger refuse_change', name);
        execute format('alter table %s enable always trigger refuse_addition', name);
    end loop;
    -- a person's rows may go, whatever was released: erasure comes before the explanation of a difference
    create trigger refuse_addition before insert or update on ledger.outcomes
    for each row execute function published.refuse_change();
    alter table ledger.outcomes enable always trigger refuse_addition;
    foreach name in array array[
        'ledger.seals', 'ledger.declared_errors', 'ledger.mended_errors', 'ledger.refusals'
    ] loop
        execute format(
            'create trigger refuse_change before update or delete on %s '
            'for each row execute function ledger.refuse_change()', name
        );
        execute format('alter table %s enable always trigger refuse_change', name);
    end loop;
    foreach name in array array[
        'published.parameters', 'ledger.restatement_causes', 'ledger.late_effects', 'ledger.seals',
        'ledger.late_rows', 'ledger.declared_errors', 'ledger.mended_errors', 'ledger.refusals'
    ] loop
        execute format(
            'create trigger refuse_truncate before truncate on %s '
            'for each statement execute function ledger.refuse_change()', name
        );
        execute format('alter table %s enable always trigger refuse_truncate', name);
    end loop;
end
$$;

drop view published.current_indicator_values;
create view published.current_indicator_values as
with ranked as (
    select
        release_ledger.revision,
        release_ledger.cutoff_at,
        release_ledger.released_at,
        release_ledger.quarter as released_with,
        indicator_values.*,
        -- a cohort goes on maturing: later releases carry it, and the latest cut-off speaks
        row_number() over (
            partition by
                indicator_values.indicator_code, indicator_values.period_view, indicator_values.quarter,
                indicator_values.split_by, indicator_values.split_value
            order by release_ledger.cutoff_at desc, release_ledger.quarter = indicator_values.quarter desc
        ) as place
    from published.indicator_values
    inner join published.release_ledger on indicator_values.release_id = release_ledger.release_id
    where release_ledger.state = 'released'
)

select
    ranked.revision,
    ranked.cutoff_at,
    ranked.released_at,
    ranked.release_id,
    ranked.indicator_code,
    ranked.period_view,
    ranked.quarter,
    ranked.split_by,
    ranked.split_value,
    ranked.status,
    ranked.eligible,
    ranked.due,
    ranked.reached,
    ranked.measured,
    ranked.achieved,
    ranked.share,
    ranked.ci_low,
    ranked.ci_high,
    ranked.coverage,
    ranked.coverage_band,
    ranked.worst_case,
    ranked.best_case,
    ranked.deteriorated,
    ranked.deterioration_known,
    ranked.is_count_shown,
    ranked.is_share_shown,
    ranked.definition_version,
    ranked.released_with,
    coalesce(ranked.definition_version <> lag(ranked.definition_version) over (
        partition by ranked.indicator_code, ranked.period_view, ranked.split_by, ranked.split_value
        order by ranked.quarter
    ), false) as is_break
from ranked
where ranked.place = 1;
comment on view published.current_indicator_values is
'the cells that stand: of each quarter its latest released revision, of an earlier year''s cohort the latest release that '
'carries it (released_with). is_break: defined otherwise than the quarter before, so the two are not one series';

create view published.current_release as
select
    release_ledger.release_id,
    release_ledger.quarter,
    release_ledger.revision,
    release_ledger.state,
    release_ledger.cutoff_at,
    release_ledger.released_at,
    release_ledger.quarter = max(release_ledger.quarter) over () as is_newest,
    substring(release_ledger.quarter from 7) || ' кв. ' || left(release_ledger.quarter, 4)
    || ', ревизия ' || release_ledger.revision
    || ', выпущено ' || to_char(release_ledger.released_at at time zone releases.time_zone, 'DD.MM.YYYY') as label_ru
from published.release_ledger
inner join published.releases on release_ledger.release_id = releases.release_id
where release_ledger.state = 'released';
comment on view published.current_release is
'the release that stands for each quarter, with a label that says its date; is_newest marks the one to show first';

grant select, insert on all tables in schema published to vmeste_transformer;
grant update (state, approvals, released_at) on published.releases to vmeste_transformer;
grant select on all tables in schema published to vmeste_bi;
alter default privileges in schema published grant select on tables to vmeste_bi;

grant select, insert on all tables in schema ledger to vmeste_transformer;
grant delete on ledger.outcomes to vmeste_transformer;
grant update, delete on ledger.candidate to vmeste_transformer;

reset role;

-- which refused rows were open as of a cut-off follows from what came later of the same submission
grant select (submission_id, arrived_at) on quarantine.rows to vmeste_transformer;

-- a form without news leaves no sync: that its source was asked is kept all the same, or nobody could say that a
-- quarter is complete
alter table ops.cursors add column asked_at timestamptz;
comment on column ops.cursors.asked_at is 'when the source was last asked and had nothing new after the cursor';
grant select (source, form_id, asked_at) on ops.cursors to vmeste_transformer;
