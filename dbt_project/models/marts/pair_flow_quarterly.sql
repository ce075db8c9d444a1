with

pairs as (

    select * from {{ ref('dim_pair') }}
    where is_started

),

quarters as (

    select * from {{ ref('int_organisation_windows_opened') }}
    where period_view = 'quarter'

),

forms as (

    select form from (values ('all'), ('short'), ('long')) as codes (form)

),

final as (

    select
        quarters.organisation_code,
        quarters.programme_code,
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
    from quarters
    cross join forms
    left join pairs
        on
            quarters.organisation_code = pairs.organisation_code
            and quarters.programme_code = pairs.programme_code
            and forms.form in ('all', pairs.form)
    group by quarters.organisation_code, quarters.programme_code, quarters.quarter, forms.form

)

select * from final
