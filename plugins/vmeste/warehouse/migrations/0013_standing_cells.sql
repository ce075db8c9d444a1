-- Which cells stand follows from windows over all cells that were ever released: too much to do for each chart. It
-- changes only when a release is released, so it is noted then, in the same transaction. The figures themselves are read
-- where they are sealed.
set local role vmeste_keeper;

alter view published.current_indicator_values set schema ledger;
alter view ledger.current_indicator_values rename to standing_indicator_values;
comment on view ledger.standing_indicator_values is
'the cells that stand, computed anew from everything that was released: what ledger.standing_cells notes';

create table ledger.standing_cells (
    organisation_code text not null,
    programme_code text not null,
    indicator_code text not null,
    period_view text not null,
    quarter text not null,
    split_by text not null,
    split_value text not null,
    release_id text not null references published.releases,
    status text not null,
    is_break boolean not null,
    primary key (
        organisation_code, programme_code, quarter, period_view, split_by, indicator_code, split_value
    )
);
comment on table ledger.standing_cells is
'cell → the release whose figures stand for it; noted when a release is released, by nobody''s hand';
alter table ledger.standing_cells enable row level security;
create policy of_one_organisation on ledger.standing_cells using (
    case when (select published.seen_organisation()) is null then true else organisation_code = (select published.seen_organisation()) end
    and case when (select published.seen_programme()) is null then true else programme_code = (select published.seen_programme()) end
);
create index standing_cells_of_an_indicator
on ledger.standing_cells (
    organisation_code, programme_code, indicator_code, period_view, split_by, split_value, quarter
);

create function ledger.note_standing_cells() returns trigger language plpgsql
security definer set search_path = pg_catalog as $$
declare
    programme record;
begin
    if not exists (
        select from later
        inner join earlier on later.release_id = earlier.release_id
        where later.state = 'released' and earlier.state <> 'released'
    ) then
        return null;
    end if;
    -- of two releases at once the second one sees the first
    lock table ledger.standing_cells in exclusive mode;
    -- those of the programmes that have released now: the others' stand as they were. One at a time, so that the windows
    -- are drawn over its own cells alone
    for programme in select distinct organisation_code, programme_code from later loop
        delete from ledger.standing_cells
        where organisation_code = programme.organisation_code and programme_code = programme.programme_code;
        insert into ledger.standing_cells (
            organisation_code, programme_code,
            indicator_code, period_view, quarter, split_by, split_value, release_id, status, is_break
        )
        select
            organisation_code, programme_code,
            indicator_code, period_view, quarter, split_by, split_value, release_id, status, is_break
        from ledger.standing_indicator_values
        where organisation_code = programme.organisation_code and programme_code = programme.programme_code;
    end loop;
    return null;
end
$$;
revoke execute on function ledger.note_standing_cells() from public;

create trigger note_standing_cells after update on published.releases
referencing old table as earlier new table as later
for each statement execute function ledger.note_standing_cells();
alter table published.releases enable always trigger note_standing_cells;

insert into ledger.standing_cells (
    organisation_code, programme_code,
    indicator_code, period_view, quarter, split_by, split_value, release_id, status, is_break
)
select
    organisation_code, programme_code,
    indicator_code, period_view, quarter, split_by, split_value, release_id, status, is_break
from ledger.standing_indicator_values;

-- left joins on whole keys: whoever asks for no figure reads none
create view published.current_indicator_values as
select
    releases.revision,
    releases.cutoff_at,
    releases.released_at,
    standing_cells.release_id,
    standing_cells.indicator_code,
    standing_cells.period_view,
    standing_cells.quarter,
    standing_cells.split_by,
    standing_cells.split_value,
    standing_cells.status,
    cells.eligible,
    cells.due,
    cells.reached,
    cells.measured,
    cells.achieved,
    cells.share,
    cells.ci_low,
    cells.ci_high,
    cells.coverage,
    cells.coverage_band,
    cells.worst_case,
    cells.best_case,
    cells.deteriorated,
    cells.deterioration_known,
    cells.is_count_shown,
    cells.is_share_shown,
    cells.definition_version,
    releases.quarter as released_with,
    standing_cells.is_break,
    standing_cells.organisation_code,
    standing_cells.programme_code
from ledger.standing_cells
left join published.releases on standing_cells.release_id = releases.release_id
left join published.indicator_values as cells
    on
        standing_cells.release_id = cells.release_id
        and standing_cells.indicator_code = cells.indicator_code
        and standing_cells.period_view = cells.period_view
        and standing_cells.quarter = cells.quarter
        and standing_cells.split_by = cells.split_by
        and standing_cells.split_value = cells.split_value
-- not of the invoker, for BI reads no table of the ledger: whose rows are seen is said here
where
    case when (select published.seen_organisation()) is null then true else standing_cells.organisation_code = (select published.seen_organisation()) end
    and case when (select published.seen_programme()) is null then true else standing_cells.programme_code = (select published.seen_programme()) end;
comment on view published.current_indicator_values is
'the cells that stand: of each quarter its latest released revision, of an earlier year''s cohort the latest release that '
'carries it (released_with). is_break: defined otherwise than the quarter before, so the two are not one series';

-- nearly each row is a headline's or a companion's: without this the planner expects none, and loops over all cells
create statistics published.kinds_of_indicators on (definition ->> 'kind') from published.indicator_definitions;

grant select on published.current_indicator_values to vmeste_bi, vmeste_transformer;
revoke all on ledger.standing_indicator_values from vmeste_bi;
grant select on ledger.standing_cells, ledger.standing_indicator_values to vmeste_transformer;
reset role;
