with

pairs as (

    select * from {{ ref('dim_pair') }}
    where is_started

),

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

quarters as (

    select * from {{ ref('int_windows_opened') }}
    where period_view = 'quarter'

),

forms as (

    select form from (values ('all'), ('short'), ('long')) as codes (form)

),

final as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        quarters.quarter,
        forms.form,
        count(*) filter (
            where pairs.start_on <= quarters.window_ends_on
            and (pairs.ended_on is null or pairs.ended_on > quarters.window_ends_on)
        ) as active_at_end,
        count(*) filter (
            where pairs.start_on between quarters.window_starts_on and quarters.window_ends_on
        ) as started,
        count(*) filter (
            where pairs.ended_on between quarters.window_starts_on and quarters.window_ends_on
        ) as ended
    from programmes
    cross join quarters
    cross join forms
    left join pairs
        on
            programmes.organisation_code = pairs.organisation_code
            and programmes.programme_code = pairs.programme_code
            and forms.form in ('all', pairs.form)
    group by programmes.organisation_code, programmes.programme_code, quarters.quarter, forms.form

)

select * from final
