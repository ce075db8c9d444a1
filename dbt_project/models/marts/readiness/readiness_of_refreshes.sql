with

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

windows as (

    select * from {{ ref('int_organisation_windows_opened') }}
    where period_view = 'quarter'

),

releases as (

    select * from {{ ref('stg_published_releases') }}

),

-- a later revision does not make a late release timely
first_releases as (

    select
        organisation_code,
        programme_code,
        quarter,
        min({{ local_date('released_at') }}) as released_on
    from releases
    group by organisation_code, programme_code, quarter

),

deadlines as (

    select
        windows.organisation_code,
        windows.programme_code,
        windows.quarter,
        first_releases.released_on,
        windows.window_ends_on + {{ parameter_int('refresh_due_days') }} as due_on
    from windows
    left join first_releases
        on
            windows.organisation_code = first_releases.organisation_code
            and windows.programme_code = first_releases.programme_code
            and windows.quarter = first_releases.quarter

),

-- a quarter that is not released, and whose time is not over, breaks nothing
refreshes as (

    select
        organisation_code,
        programme_code,
        quarter,
        coalesce(released_on <= due_on, false) as is_on_time
    from deadlines
    where
        released_on is not null
        or due_on < {{ as_of_on() }}

),

broken as (

    select
        organisation_code,
        programme_code,
        max(quarter) as last_quarter
    from refreshes
    where not is_on_time
    group by organisation_code, programme_code

),

final as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        'refreshes_on_time' as check_code,
        count(refreshes.quarter) filter (
            where coalesce(refreshes.quarter > broken.last_quarter, true)
        ) as counted,
        cast(null as bigint) as counted_of,
        count(refreshes.quarter) > 0 as is_due,
        case when count(refreshes.quarter) = 0 then 'ни один срок выпуска ещё не прошёл' end as lacking_ru
    from programmes
    left join refreshes
        on
            programmes.organisation_code = refreshes.organisation_code
            and programmes.programme_code = refreshes.programme_code
    left join broken
        on
            programmes.organisation_code = broken.organisation_code
            and programmes.programme_code = broken.programme_code
    group by programmes.organisation_code, programmes.programme_code

)

select * from final
