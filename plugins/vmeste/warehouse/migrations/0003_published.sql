-- The frozen side of the warehouse: what was released, as it was released. BI reads this schema and no other.
-- Cells that must not be seen are NULL here, with the status that says why; a released row is never changed again.
create schema published authorization vmeste_transformer;
set local role vmeste_transformer;

create table published.releases (
    release_id text primary key,
    quarter text not null check (quarter ~ '^\d{4}-Q[1-4]$'),
    revision integer not null check (revision >= 1),
    state text not null check (state in ('draft', 'checked', 'method_approved', 'released')),
    cutoff_at timestamptz not null,
    prepared_by text not null,
    prepared_at timestamptz not null,
    definition_version text not null,
    code_revision text not null,
    suppression_version text not null,
    validation jsonb not null,
    approvals jsonb not null default '[]',
    provenance jsonb not null,
    released_at timestamptz,
    checksum text not null check (checksum ~ '^[0-9a-f]{64}$'),
    unique (quarter, revision),
    constraint released_with_a_date check ((state = 'released') = (released_at is not null)),
    constraint released_with_two_approvals check (
        state <> 'released'
        or (approvals @> '[{"role": "method"}]' and approvals @> '[{"role": "director"}]')
    ),
    constraint not_released_by_who_prepared_it check (
        not approvals @> jsonb_build_array(jsonb_build_object('role', 'director', 'user', prepared_by))
    )
);
comment on table published.releases is
'one release of one quarter; a later revision supersedes an earlier one (published.release_ledger says which)';
comment on column published.releases.provenance is 'submissions and versions by indicator, form and form version';
comment on column published.releases.checksum is
'SHA-256 over the quarter, the cut-off, the suppression version, the definitions and every cell';

create table published.indicator_values (
    release_id text not null references published.releases,
    indicator_code text not null,
    period_view text not null check (period_view in ('quarter', 'rolling_4q', 'cohort_year')),
    quarter text not null,
    split_by text not null check (split_by in ('all', 'form', 'group', 'sex', 'age_band')),
    split_value text not null,
    status text not null
    check (status in ('shown', 'suppressed_small_n', 'suppressed_secondary', 'planned', 'no_data')),
    eligible bigint,
    due bigint,
    reached bigint,
    measured bigint,
    achieved bigint,
    share double precision check (share between 0 and 1),
    ci_low double precision check (ci_low between 0 and 1),
    ci_high double precision check (ci_high between 0 and 1),
    coverage double precision check (coverage between 0 and 1),
    coverage_band text check (coverage_band in ('publish', 'caution', 'no_headline')),
    worst_case double precision check (worst_case between 0 and 1),
    best_case double precision check (best_case between 0 and 1),
    deteriorated bigint,
    deterioration_known bigint,
    is_count_shown boolean not null,
    is_share_shown boolean not null,
    definition_version text not null,
    primary key (release_id, indicator_code, period_view, quarter, split_by, split_value),
    constraint hidden_counts_are_null check (
        is_count_shown
        or num_nonnulls(
            eligible, due, reached, measured, achieved, deteriorated, deterioration_known,
            share, ci_low, ci_high, coverage, worst_case, best_case
        ) = 0
    ),
    constraint hidden_shares_are_null check (
        is_share_shown or num_nonnulls(share, ci_low, ci_high, worst_case, best_case) = 0
    ),
    constraint nothing_is_not_zero check (
        status not in ('planned', 'no_data') or num_nonnulls(measured, achieved, deteriorated, share) = 0
    )
);
comment on table published.indicator_values is 'release × cell; shares are 0–1, counts are people; NULL = none, or not to be seen';

create table published.indicator_definitions (
    release_id text not null references published.releases,
    indicator_code text not null,
    definition_version text not null,
    name_ru text not null,
    definition jsonb not null,
    primary key (release_id, indicator_code, definition_version)
);
comment on table published.indicator_definitions is 'the definitions that a release was computed by, word for word';

create table published.restatements (
    release_id text not null references published.releases,
    previous_release_id text not null references published.releases,
    quarter text not null,
    period_view text not null,
    indicator_code text not null,
    old jsonb not null,
    new jsonb not null,
    moved_points double precision,
    rows_by_kind jsonb not null,
    primary key (release_id, period_view, indicator_code)
);
comment on table published.restatements is 'each headline that a new revision changed: what stood there, what stands there now';
comment on column published.restatements.moved_points is 'percentage points; NULL where one side has no share';
comment on column published.restatements.rows_by_kind is
'form → how many submissions and versions more (or, below 0, fewer) the new revision could see';

-- Append-only for every role, the owner too. `enable always`: a replica's session is no way round either.
create function published.refuse_change() returns trigger language plpgsql as $$
declare
    release text;
    release_state text;
begin
    if tg_op = 'TRUNCATE' then
        raise exception 'published.% is append-only: TRUNCATE is refused', tg_table_name
            using errcode = 'restrict_violation', hint = 'publish a new revision instead';
    end if;
    if tg_op in ('UPDATE', 'DELETE') then
        release := old.release_id;
    else
        release := new.release_id;
    end if;
    select state into release_state from published.releases where release_id = release;
    if release_state = 'released' then
        raise exception 'release % is frozen: % on published.% is refused', release, tg_op, tg_table_name
            using errcode = 'restrict_violation', hint = 'publish a new revision instead';
    end if;
    if tg_op = 'UPDATE' and new.release_id <> old.release_id then
        raise exception 'rows of published.% do not move between releases', tg_table_name
            using errcode = 'restrict_violation';
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    return new;
end
$$;

do $$
declare
    name text;
begin
    foreach name in array array['releases', 'indicator_values', 'indicator_definitions', 'restatements'] loop
        execute format(
            'create trigger refuse_change before update or delete on published.%I '
            'for each row execute function published.refuse_change()', name
        );
        execute format(
            'create trigger refuse_truncate before truncate on published.%I '
            'for each statement execute function published.refuse_change()', name
        );
        execute format('alter table published.%I enable always trigger refuse_change', name);
        execute format('alter table published.%I enable always trigger refuse_truncate', name);
        if name <> 'releases' then
            -- a release is closed for new rows as well
            execute format(
                'create trigger refuse_addition before insert on published.%I '
                'for each row execute function published.refuse_change()', name
            );
            execute format('alter table published.%I enable always trigger refuse_addition', name);
        end if;
    end loop;
end
$$;

create view published.release_ledger as
select
    releases.release_id,
    releases.quarter,
    releases.revision,
    case
        when releases.state = 'released' and exists (
            select from published.releases as later
            where
                later.quarter = releases.quarter
                and later.revision > releases.revision
                and later.state = 'released'
        ) then 'superseded'
        else releases.state
    end as state,
    releases.cutoff_at,
    releases.released_at,
    releases.definition_version,
    releases.code_revision,
    releases.suppression_version,
    releases.checksum
from published.releases;
comment on view published.release_ledger is 'every release with its present state: released rows cannot be marked, so superseded is derived';

create view published.current_indicator_values as
select
    release_ledger.revision,
    release_ledger.cutoff_at,
    release_ledger.released_at,
    indicator_values.*
from published.indicator_values
inner join published.release_ledger on indicator_values.release_id = release_ledger.release_id
where release_ledger.state = 'released';
comment on view published.current_indicator_values is 'the cells of the latest released revision of each quarter';

grant usage on schema published to vmeste_bi;
grant select on all tables in schema published to vmeste_bi;
alter default privileges in schema published grant select on tables to vmeste_bi;
reset role;
