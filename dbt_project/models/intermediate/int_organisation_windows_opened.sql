with

pairs as (

    select * from {{ ref('stg_r3_pair') }}

),

windows as (

    select * from {{ ref('int_windows_opened') }}

),

organisations as (

    select
        organisation_code,
        programme_code,
        min(start_on) as first_start_on
    from pairs
    group by organisation_code, programme_code

),

final as (

    select
        organisations.organisation_code,
        organisations.programme_code,
        windows.quarter,
        windows.period_view,
        windows.window_starts_on,
        windows.window_ends_on
    from organisations
    inner join windows on organisations.first_start_on <= windows.window_ends_on

)

select * from final
