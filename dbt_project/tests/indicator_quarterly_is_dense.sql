-- Every current indicator has a row for everybody in every window of an organisation's programme: a hole would
-- read as "nothing to report".
select
    windows.organisation_code,
    windows.programme_code,
    definitions.indicator_code,
    windows.period_view,
    windows.quarter
from {{ ref('indicator_definitions') }} as definitions
cross join {{ ref('int_organisation_windows_opened') }} as windows
left join {{ ref('indicator_quarterly') }} as cells
    on
        windows.organisation_code = cells.organisation_code
        and windows.programme_code = cells.programme_code
        and definitions.indicator_code = cells.indicator_code
        and windows.period_view = cells.period_view
        and windows.quarter = cells.quarter
        and cells.split_by = 'all'
where
    definitions.is_current
    and cells.indicator_code is null
