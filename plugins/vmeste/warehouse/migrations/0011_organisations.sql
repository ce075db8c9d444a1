-- Many organisations in one warehouse: a release belongs to one programme of one organisation, and whoever works for
-- one of them sees no row of another. Sessions without an organisation see all, as before.
set local role vmeste_keeper;

create table ledger.readers (
    reader text primary key,
    organisation_code text not null check (organisation_code ~ '\S')
);
comment on table ledger.readers is
'logins that see one organisation only, whatever they set in their session (`vmeste bi-login --organisation`)';

-- whose rows a session sees: NULL is everybody's. A reader's organisation is the server's to say, not the session's.
create function published.seen_organisation() returns text
language sql stable security definer set search_path = pg_catalog
as $$
    select coalesce(
        (select organisation_code from ledger.readers where reader = session_user),
        nullif(current_setting('vmeste.organisation', true), '')
    )
$$;
comment on function published.seen_organisation() is
'the organisation whose rows this session sees (ledger.readers, or the setting vmeste.organisation); NULL: all';

create function published.seen_programme() returns text
language sql stable
as $$ select nullif(current_setting('vmeste.programme', true), '') $$;
comment on function published.seen_programme() is 'the programme whose rows this session sees; NULL: all';

reset role;

-- until now there was one programme of one organisation; where its register says which, the releases are its own
do $$
declare
    organisation text := 'unknown';
    programme text := 'unknown';
    held record;
begin
    if (
        select count(*) = 2 from pg_attribute
        where
            attrelid = to_regclass('raw.r3_pair')
            and attname in ('organisation_code', 'programme_code')
            and not attisdropped
    ) then
        execute 'select count(distinct (organisation_code, programme_code)) as programmes, '
            'min(organisation_code) as organisation, min(programme_code) as programme from raw.r3_pair' into held;
        if held.programmes = 1 then
            organisation := coalesce(held.organisation, organisation);
            programme := coalesce(held.programme, programme);
        end if;
    end if;
    execute format(
        'alter table published.releases add column organisation_code text not null default %L, '
        'add column programme_code text not null default %L', organisation, programme
    );
    execute format(
        'alter table ledger.declared_errors add column organisation_code text not null default %L, '
        'add column programme_code text not null default %L', organisation, programme
    );
end
$$;

set local role vmeste_keeper;

alter table published.releases
alter column organisation_code set default coalesce(published.seen_organisation(), 'unknown'),
alter column programme_code set default coalesce(published.seen_programme(), 'unknown'),
drop constraint releases_quarter_revision_key,
add unique (organisation_code, programme_code, quarter, revision);
comment on column published.releases.organisation_code is 'whose release it is';
comment on column published.releases.programme_code is 'of which programme of the organisation';
alter table ledger.declared_errors
alter column organisation_code set default coalesce(published.seen_organisation(), 'unknown'),
alter column programme_code set default coalesce(published.seen_programme(), 'unknown');

-- every table with a release's rows shows those of the releases that a session sees
do $$
declare
    name regclass;
begin
    foreach name in array array['published.releases', 'ledger.declared_errors']::regclass[] loop
        execute format('alter table %s enable row level security', name);
        -- asked once a statement, not once a row; a CASE is taken to let half of the rows pass, a comparison hardly any
        execute format(
            'create policy of_one_organisation on %s using ('
            'case when (select published.seen_organisation()) is null then true else organisation_code = (select published.seen_organisation()) end '
            'and case when (select published.seen_programme()) is null then true else programme_code = (select published.seen_programme()) end)', name
        );
    end loop;
    for name in
        select attribute.attrelid::regclass
        from pg_attribute as attribute
        inner join pg_class as relation on attribute.attrelid = relation.oid
        inner join pg_namespace as home on relation.relnamespace = home.oid
        where
            attribute.attname = 'release_id'
            and not attribute.attisdropped
            and relation.relkind = 'r'
            and relation.relname not in ('releases', 'refusals')
            and home.nspname in ('published', 'ledger')
    loop
        execute format('alter table %s enable row level security', name);
        execute format(
            'create policy of_one_organisation on %s using ('
            '(select published.seen_organisation() is null and published.seen_programme() is null) '
            'or release_id in (select releases.release_id from published.releases))', name
        );
    end loop;
end
$$;

-- The views ask as whoever reads them, so that the policies hold there too.
do $$
declare
    name text;
begin
    for name in
        select viewname from pg_views
        where schemaname = 'published' and (viewname like 'current\_%' or viewname = 'late_rows_shown')
    loop
        execute format('drop view if exists published.%I cascade', name);
    end loop;
end
$$;
drop view published.release_ledger;

create view published.release_ledger with (security_invoker = true) as
select
    releases.release_id,
    releases.quarter,
    releases.revision,
    case
        when releases.state = 'released' and exists (
            select from published.releases as later
            where
                later.organisation_code = releases.organisation_code
                and later.programme_code = releases.programme_code
                and later.quarter = releases.quarter
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
    releases.checksum,
    releases.organisation_code,
    releases.programme_code
from published.releases;
comment on view published.release_ledger is 'every release with its present state: released rows cannot be marked, so superseded is derived';

create view published.current_indicator_values with (security_invoker = true) as
with ranked as (
    select
        release_ledger.revision,
        release_ledger.cutoff_at,
        release_ledger.released_at,
        release_ledger.quarter as released_with,
        release_ledger.organisation_code,
        release_ledger.programme_code,
        indicator_values.*,
        -- a cohort goes on maturing: later releases carry it, and the latest cut-off speaks
        row_number() over (
            partition by
                release_ledger.organisation_code, release_ledger.programme_code,
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
        partition by
            ranked.organisation_code, ranked.programme_code,
            ranked.indicator_code, ranked.period_view, ranked.split_by, ranked.split_value
        order by ranked.quarter
    ), false) as is_break,
    ranked.organisation_code,
    ranked.programme_code
from ranked
where ranked.place = 1;
comment on view published.current_indicator_values is
'the cells that stand: of each quarter its latest released revision, of an earlier year''s cohort the latest release that '
'carries it (released_with). is_break: defined otherwise than the quarter before, so the two are not one series';

create view published.current_release with (security_invoker = true) as
select
    release_ledger.release_id,
    release_ledger.quarter,
    release_ledger.revision,
    release_ledger.state,
    release_ledger.cutoff_at,
    release_ledger.released_at,
    release_ledger.quarter = max(release_ledger.quarter) over (
        partition by release_ledger.organisation_code, release_ledger.programme_code
    ) as is_newest,
    substring(release_ledger.quarter from 7) || ' кв. ' || left(release_ledger.quarter, 4)
    || ', ревизия ' || release_ledger.revision
    || ', выпущено ' || to_char(release_ledger.released_at at time zone releases.time_zone, 'DD.MM.YYYY') as label_ru,
    release_ledger.organisation_code,
    release_ledger.programme_code
from published.release_ledger
inner join published.releases on release_ledger.release_id = releases.release_id
where release_ledger.state = 'released';
comment on view published.current_release is
'the release that stands for each quarter of each programme, with a label that says its date; is_newest marks the one to '
'show first';

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
            'create view published.%I with (security_invoker = true) as select current_release.is_newest, rows_of.*%s '
            'from published.%I as rows_of '
            'inner join published.current_release on rows_of.release_id = current_release.release_id%s',
            'current_' || name,
            -- the experts' levels have said whose they are from the beginning
            case
                when name = 'expert_levels' then ''
                else ', current_release.organisation_code, current_release.programme_code'
            end,
            name,
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

-- not of the invoker: BI reads no table of the ledger, so that what it sees is said here
create view published.late_rows_shown as
select
    late_rows.release_id,
    late_rows.quarter,
    late_rows.form_id,
    late_rows.kind,
    case when late_rows.submissions >= 5 then late_rows.submissions end as submissions,
    case when late_rows.submissions >= 5 then 'shown' else 'suppressed_small_n' end as status,
    releases.organisation_code,
    releases.programme_code
from ledger.late_rows
inner join published.releases on late_rows.release_id = releases.release_id
where
    case when (select published.seen_organisation()) is null then true else releases.organisation_code = (select published.seen_organisation()) end
    and case when (select published.seen_programme()) is null then true else releases.programme_code = (select published.seen_programme()) end;
comment on view published.late_rows_shown is
'submissions with an event in a quarter released before, by what came to them until a release; fewer than 5 are not counted out';

grant select (organisation_code, programme_code) on published.releases to vmeste_bi;
grant select on all tables in schema published to vmeste_transformer;

reset role;

-- which organisation's forms a source holds, as sources.yml says; a source that is not here holds everybody's
create table ops.source_organisations (
    source text primary key,
    organisation_code text not null check (organisation_code ~ '\S')
);
comment on table ops.source_organisations is
'source → organisation, as the files of sources say it; written by each run, so that a figure can count its own rows';
grant select, insert on ops.source_organisations to vmeste_loader;
grant select on ops.source_organisations to vmeste_transformer, vmeste_keeper;

create function ops.unseen_sources() returns text[]
language sql stable
as $$
    select coalesce(array_agg(source), '{}') from ops.source_organisations
    where organisation_code <> published.seen_organisation()
$$;
comment on function ops.unseen_sources() is
'sources of other organisations than the one that this session is of; none where it is of none';
grant usage on schema ops to vmeste_transformer;

-- the live views of syncs and of the quarantine: a source that no organisation claims is everybody's
set local role vmeste_loader;
grant select (source) on quarantine.rows to vmeste_keeper;
set local role vmeste_keeper;
drop view published.sync_status;
drop view published.quarantine_ages;

create view published.sync_status with (security_barrier) as
with ranked as (
    select
        source,
        organisation_code,
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
    left join ops.source_organisations using (source)
    where
        (select published.seen_organisation()) is null
        or coalesce(organisation_code, (select published.seen_organisation()))
        = (select published.seen_organisation())
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
    extract(epoch from now() - succeeded_at)::double precision / 3600 as hours_since_success,
    organisation_code
from ranked
where place = 1;
comment on view published.sync_status is 'the last sync of each form of each source: counts of submissions, no error text';

create view published.quarantine_ages with (security_barrier) as
with ages as (
    select
        sources.organisation_code,
        refused.form_id,
        broken.rule,
        floor(extract(epoch from now() - refused.first_seen_at) / 86400) as days
    from quarantine.rows as refused
    left join ops.source_organisations as sources using (source)
    cross join lateral unnest(refused.rules) as broken (rule)
    where
        refused.state = 'open'
        and (
            (select published.seen_organisation()) is null
            or coalesce(sources.organisation_code, (select published.seen_organisation()))
            = (select published.seen_organisation())
        )
),

banded as (
    select
        organisation_code,
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
    count(*) as open_rows,
    organisation_code
from banded
group by organisation_code, form_id, rule, sort_order;
comment on view published.quarantine_ages is
'rows that were refused and still wait, by form, rule and how long they wait; a row that breaks two rules counts in both';

grant select on all tables in schema published to vmeste_transformer;
reset role;
