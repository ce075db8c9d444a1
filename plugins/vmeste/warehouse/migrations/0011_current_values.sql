set local role vmeste_keeper;

-- No window functions here: whoever asks for one quarter would go through all of them. Both conditions look up rows.
create or replace view published.current_indicator_values as
select
    release_ledger.revision,
    release_ledger.cutoff_at,
    release_ledger.released_at,
    cells.release_id,
    cells.indicator_code,
    cells.period_view,
    cells.quarter,
    cells.split_by,
    cells.split_value,
    cells.status,
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
    release_ledger.quarter as released_with,
    coalesce(cells.definition_version <> (
        select earlier.definition_version
        from published.indicator_values as earlier
        inner join published.release_ledger as told on earlier.release_id = told.release_id
        where
            told.state = 'released'
            and earlier.indicator_code = cells.indicator_code
            and earlier.period_view = cells.period_view
            and earlier.split_by = cells.split_by
            and earlier.split_value = cells.split_value
            and earlier.quarter < cells.quarter
        order by
            earlier.quarter desc,
            told.cutoff_at desc,
            told.quarter = earlier.quarter desc,
            earlier.release_id desc
        limit 1
    ), false) as is_break
from published.indicator_values as cells
inner join published.release_ledger on cells.release_id = release_ledger.release_id
where
    release_ledger.state = 'released'
    -- a cohort goes on maturing: later releases carry it, and the latest cut-off speaks
    and not exists (
        select from published.indicator_values as later
        inner join published.release_ledger as newer on later.release_id = newer.release_id
        where
            newer.state = 'released'
            and later.indicator_code = cells.indicator_code
            and later.period_view = cells.period_view
            and later.quarter = cells.quarter
            and later.split_by = cells.split_by
            and later.split_value = cells.split_value
            and (newer.cutoff_at, newer.quarter = later.quarter, later.release_id)
            > (release_ledger.cutoff_at, release_ledger.quarter = cells.quarter, cells.release_id)
    );

reset role;
