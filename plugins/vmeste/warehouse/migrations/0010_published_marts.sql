-- What dashboards need is part of a release: frozen with it, hidden where it must not be seen. Beside it live views about
-- the pipeline, which count rows of forms and tell of nobody.
set local role vmeste_keeper;

create table published.programme_values (
    release_id text not null references published.releases,
    quarter text not null,
    period_view text not null check (period_view in ('quarter', 'rolling_4q', 'cohort_year')),
    indicator_code text not null,
    measure_code text not null,
    split_by text not null,
    split_value text not null,
    status text not null
    check (status in (
        'shown', 'suppressed_small_n', 'suppressed_secondary', 'planned', 'no_data', 'insufficient_monitoring'
    )),
    eligible bigint,
    denominator bigint,
    numerator double precision,
    value double precision,
    ci_low double precision,
    ci_high double precision,
    q1 double precision,
    q3 double precision,
    coverage double precision check (coverage between 0 and 1),
    is_count_shown boolean not null,
    is_share_shown boolean not null,
    primary key (release_id, measure_code, period_view, quarter, split_by, split_value),
    constraint hidden_counts_are_null check (
        is_count_shown or num_nonnulls(eligible, denominator, numerator, coverage) = 0
    ),
    constraint hidden_values_are_null check (is_share_shown or num_nonnulls(value, ci_low, ci_high, q1, q3) = 0)
);
comment on table published.programme_values is
'release × programme measure × period view × split: M2–M15 of the release''s quarter, as marts.programme_indicator_quarterly';

create table published.sustainability (
    release_id text not null references published.releases,
    result_code text not null,
    horizon integer not null,
    split_by text not null check (split_by in ('all', 'form', 'group')),
    split_value text not null,
    status text not null
    check (status in ('shown', 'suppressed_small_n', 'suppressed_secondary', 'planned', 'no_data')),
    scheduled bigint,
    not_yet_due bigint,
    due bigint,
    completed bigint,
    refused bigint,
    unreachable bigint,
    gone bigint,
    missed bigint,
    measured bigint,
    sustained bigint,
    share double precision check (share between 0 and 1),
    ci_low double precision check (ci_low between 0 and 1),
    ci_high double precision check (ci_high between 0 and 1),
    coverage double precision check (coverage between 0 and 1),
    worst_case double precision check (worst_case between 0 and 1),
    best_case double precision check (best_case between 0 and 1),
    is_count_shown boolean not null,
    is_share_shown boolean not null,
    primary key (release_id, result_code, horizon, split_by, split_value),
    constraint hidden_counts_are_null check (
        is_count_shown
        or num_nonnulls(
            scheduled, not_yet_due, due, completed, refused, unreachable, gone, missed, measured, sustained, coverage
        ) = 0
    ),
    constraint hidden_shares_are_null check (
        is_share_shown or num_nonnulls(share, ci_low, ci_high, worst_case, best_case) = 0
    ),
    constraint why_nobody_answered_is_told_of_all check (
        split_by = 'all' or num_nonnulls(refused, unreachable, gone, missed) = 0
    )
);
comment on table published.sustainability is
'release × result × months after the end × split: M8, what lasts, as of the release''s cut-off';

create table published.survival_curves (
    release_id text not null references published.releases,
    curve text not null check (curve in ('contact', 'match')),
    form text not null check (form in ('all', 'short', 'long')),
    day integer not null check (day >= 0),
    status text not null check (status in ('shown', 'suppressed_small_n', 'suppressed_secondary', 'no_data')),
    at_risk bigint,
    events bigint,
    censored bigint,
    survival double precision check (survival between 0 and 1),
    ci_low double precision check (ci_low between 0 and 1),
    ci_high double precision check (ci_high between 0 and 1),
    primary key (release_id, curve, form, day),
    constraint hidden_curves_are_null check (
        status = 'shown' or num_nonnulls(at_risk, events, censored, survival, ci_low, ci_high) = 0
    ),
    constraint no_step_of_few check (coalesce(events, 0) = 0 or events >= 3)
);
comment on table published.survival_curves is
'release × curve × form × day: the points of the curve of contact (M8) and of the match (M1) that may be seen; a hidden '
'curve has one row, of day 0';
comment on column published.survival_curves.day is 'up to this day: 0, or the end of a month (31, 61, 92, …), never the day of an event';
comment on column published.survival_curves.at_risk is 'how many the curve is made of; on day 0 of all forms alone';
comment on column published.survival_curves.events is 'since the point before; NULL: how many is not told';
comment on column published.survival_curves.censored is 'never told';
comment on column published.survival_curves.survival is 'Kaplan–Meier estimate after this day, to a hundredth';

create table published.pair_flow (
    release_id text not null references published.releases,
    quarter text not null,
    form text not null check (form in ('all', 'short', 'long')),
    status text not null check (status in ('shown', 'suppressed_small_n', 'suppressed_secondary')),
    active_at_end bigint,
    started bigint,
    ended bigint,
    primary key (release_id, quarter, form)
);
comment on table published.pair_flow is
'release × form: pairs that ran at the end of the release''s quarter, started and ended in it; by form a number may be '
'hidden while another is told, and the status speaks of the hidden ones';

create table published.readiness_checks (
    release_id text not null references published.releases,
    check_code text not null,
    recommendation_id text not null,
    section text not null,
    year integer,
    evidence text not null,
    status text not null check (status in ('met', 'partial', 'not_met', 'not_computable', 'not_yet_due')),
    measured double precision,
    counted bigint,
    counted_of bigint,
    threshold double precision,
    explanation_ru text not null,
    sort_order integer not null,
    primary key (release_id, check_code)
);
comment on table published.readiness_checks is
'release × check of a recommendation of the experts; numbers about one or two people are NULL, and explanation_ru says so';

create table published.readiness_rollup (
    release_id text not null references published.releases,
    scope text not null check (scope in ('recommendation', 'section')),
    code text not null,
    name_ru text,
    section text,
    year integer,
    status text check (status in ('met', 'partial', 'not_met', 'not_computable', 'not_yet_due')),
    checks bigint not null,
    met bigint not null,
    partly_met bigint not null,
    not_met bigint not null,
    not_computable bigint not null,
    not_yet_due bigint not null,
    explanation_ru text not null,
    sort_order integer not null,
    primary key (release_id, scope, code)
);
comment on table published.readiness_rollup is
'release × recommendation or section: how many checks have which status; the level of a section is the experts'' to give';

create table published.results_tree_nodes (
    release_id text not null references published.releases,
    node_code text not null,
    level text not null,
    text_ru text not null,
    is_for_wards boolean not null,
    is_for_graduates boolean not null,
    status text not null,
    indicator_count bigint not null,
    indicators_with_data bigint not null,
    published_indicator_count bigint not null,
    indicator_codes text,
    has_activity boolean not null,
    reaches_impact boolean not null,
    is_on_cycle boolean not null,
    is_orphan boolean not null,
    explanation_ru text not null,
    sort_order integer not null,
    primary key (release_id, node_code)
);
comment on table published.results_tree_nodes is 'release × node of the results tree, with what measures it';

create table published.results_tree_edges (
    release_id text not null references published.releases,
    from_node_code text not null,
    to_node_code text not null,
    from_level text not null,
    to_level text not null,
    from_text_ru text not null,
    to_text_ru text not null,
    is_confirmed boolean not null,
    explanation_ru text not null,
    primary key (release_id, from_node_code, to_node_code)
);
comment on table published.results_tree_edges is 'release × edge of the results tree';

create table published.results_tree_coverage (
    release_id text not null references published.releases,
    level text not null,
    nodes bigint not null,
    with_indicator bigint not null,
    with_data bigint not null,
    share_with_indicator double precision not null,
    share_with_data double precision not null,
    gaps text,
    explanation_ru text not null,
    primary key (release_id, level)
);
comment on table published.results_tree_coverage is 'release × level of the results tree: how many nodes are measured';

create table published.expert_levels (
    release_id text not null references published.releases,
    organisation_code text not null,
    programme_code text not null,
    section text not null,
    section_ru text not null,
    year integer not null,
    source_kind text not null,
    level_code text not null,
    level_ru text not null,
    is_confirmed boolean not null,
    assessed_on date,
    sort_order integer not null,
    primary key (release_id, organisation_code, programme_code, section, year, source_kind)
);
comment on table published.expert_levels is 'release × section of the standard × year: the level that the experts gave';

create table published.pictures (
    release_id text not null references published.releases,
    picture_code text not null check (picture_code in ('results_tree')),
    title_ru text not null,
    svg text not null,
    primary key (release_id, picture_code)
);
comment on table published.pictures is 'release × picture, as SVG';

create table published.measure_names (
    release_id text not null references published.releases,
    measure_code text not null,
    indicator_code text not null,
    name_ru text not null,
    unit_ru text not null,
    sort_order integer not null,
    primary key (release_id, measure_code)
);
comment on table published.measure_names is 'release × programme measure: its Russian name and unit';

do $$
declare
    name text;
begin
    foreach name in array array[
        'programme_values', 'sustainability', 'survival_curves', 'pair_flow', 'readiness_checks', 'readiness_rollup',
        'results_tree_nodes', 'results_tree_edges', 'results_tree_coverage', 'expert_levels', 'pictures',
        'measure_names'
    ] loop
        execute format(
            'create trigger refuse_change before update or delete on published.%I '
            'for each row execute function published.refuse_change()', name
        );
        execute format(
            'create trigger refuse_addition before insert on published.%I '
            'for each row execute function published.refuse_change()', name
        );
        execute format(
            'create trigger refuse_truncate before truncate on published.%I '
            'for each statement execute function published.refuse_change()', name
        );
        execute format('alter table published.%I enable always trigger refuse_change', name);
        execute format('alter table published.%I enable always trigger refuse_addition', name);
        execute format('alter table published.%I enable always trigger refuse_truncate', name);
        execute format('grant select, insert on published.%I to vmeste_transformer', name);
        execute format(
            'create view published.%I as select current_release.is_newest, rows_of.* from published.%I as rows_of '
            'inner join published.current_release on rows_of.release_id = current_release.release_id%s',
            'current_' || name, name,
            -- what belongs to a quarter is told by each quarter's release, all else by the newest
            case when name in ('programme_values', 'pair_flow') then '' else ' where current_release.is_newest' end
        );
        execute format(
            'comment on view published.%I is %L', 'current_' || name,
            case
                when name in ('programme_values', 'pair_flow') then 'of each quarter, the rows of the release that stands'
                else 'the rows of the newest release that stands'
            end
        );
    end loop;
end
$$;

create view published.late_rows_shown as
select
    release_id,
    quarter,
    form_id,
    kind,
    case when submissions >= 5 then submissions end as submissions,
    case when submissions >= 5 then 'shown' else 'suppressed_small_n' end as status
from ledger.late_rows;
comment on view published.late_rows_shown is
'submissions with an event in a quarter released before, by what came to them until a release; fewer than 5 are not counted out';

reset role;

-- the columns that the live views count, and no other: no answer, no error, no name of a row
grant usage on schema ops, quarantine to vmeste_keeper;
grant select (
    source, form_id, batch_id, started_at, finished_at, state, server_count, received, accepted, quarantined, voided,
    unchanged
) on ops.sync_runs to vmeste_keeper;
set local role vmeste_loader;
grant select (form_id, rules, state, first_seen_at) on quarantine.rows to vmeste_keeper;
set local role vmeste_keeper;

create view published.sync_status with (security_barrier) as
with ranked as (
    select
        source,
        form_id,
        started_at,
        finished_at,
        state,
        server_count,
        received,
        accepted,
        quarantined,
        voided,
        unchanged,
        max(finished_at) filter (where state = 'complete') over (partition by source, form_id) as succeeded_at,
        row_number() over (partition by source, form_id order by finished_at desc, batch_id desc) as place
    from ops.sync_runs
)

select
    source,
    form_id,
    started_at as last_started_at,
    finished_at as last_finished_at,
    state,
    server_count,
    received,
    accepted,
    quarantined,
    voided,
    unchanged,
    extract(epoch from now() - succeeded_at)::double precision / 3600 as hours_since_success
from ranked
where place = 1;
comment on view published.sync_status is 'the last sync of each form of each source: counts of submissions, no error text';

create view published.quarantine_ages with (security_barrier) as
with ages as (
    select
        refused.form_id,
        broken.rule,
        floor(extract(epoch from now() - refused.first_seen_at) / 86400) as days
    from quarantine.rows as refused
    cross join lateral unnest(refused.rules) as broken (rule)
    where refused.state = 'open'
),

banded as (
    select
        form_id,
        rule,
        case
            when days < 1 then 1
            when days < 8 then 2
            when days < 31 then 3
            else 4
        end as sort_order
    from ages
)

select
    form_id,
    rule,
    (array['до 1 дня', '1–7 дней', '8–30 дней', 'больше 30 дней'])[sort_order] as age_band_ru,
    sort_order,
    count(*) as open_rows
from banded
group by form_id, rule, sort_order;
comment on view published.quarantine_ages is
'rows that were refused and still wait, by form, rule and how long they wait; a row that breaks two rules counts in both';

-- How many rows more a revision saw than the one before is what late_rows_shown does not count out, and so is the
-- difference of two provenances.
revoke select on published.releases, published.restatements from vmeste_bi;
grant select (
    release_id, quarter, revision, state, cutoff_at, prepared_by, prepared_at, definition_version, code_revision,
    suppression_version, validation, approvals, released_at, checksum, checksum_version, rules_checksum, built_at, reasons,
    time_zone
) on published.releases to vmeste_bi;
grant select (
    release_id, previous_release_id, quarter, period_view, indicator_code, old, new, moved_points, is_break,
    moved_by_rows_points, reasons
) on published.restatements to vmeste_bi;

reset role;
