with

windows as (

    select * from {{ ref('int_windows_opened') }}
    where period_view = 'quarter'

),

releases as (

    select * from {{ ref('stg_published_releases') }}

),

-- a later revision does not make a late release timely
first_releases as (

    select
        quarter,
        min({{ local_date('released_at') }}) as released_on
    from releases
    group by quarter

),

deadlines as (

    select
        windows.quarter,
        first_releases.released_on,
        windows.window_ends_on + {{ parameter_int('refresh_due_days') }} as due_on
    from windows
    left join first_releases on windows.quarter = first_releases.quarter

),

-- a quarter that is not released, and whose time is not over, breaks nothing
refreshes as (

    select
        quarter,
        coalesce(released_on <= due_on, false) as is_on_time
    from deadlines
    where
        released_on is not null
        or due_on < {{ as_of_on() }}

),

broken as (

    select max(quarter) as last_quarter
    from refreshes
    where not is_on_time

),

final as (

    select
        'refreshes_on_time' as check_code,
        count(*) filter (where coalesce(refreshes.quarter > broken.last_quarter, true)) as counted,
        cast(null as bigint) as counted_of,
        count(*) > 0 as is_due,
        case when count(*) = 0 then 'ни один срок выпуска ещё не прошёл' end as lacking_ru
    from refreshes
    cross join broken

)

select * from final
