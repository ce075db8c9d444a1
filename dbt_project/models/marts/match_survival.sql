with

pairs as (

    select * from {{ ref('dim_pair') }}
    where is_started

),

-- a converted pair goes on as another: its match has not ended, and is not followed further under this key
cases as (

    select
        pairs.organisation_code,
        pairs.programme_code,
        forms.form,
        greatest(coalesce(pairs.ended_on, {{ as_of_on() }}) - pairs.start_on, 0) as duration_days,
        pairs.is_ended and not pairs.is_converted as is_event
    from pairs
    cross join lateral (values ('all'), (pairs.reporting_form)) as forms (form)

),

curves as (

    {{ kaplan_meier('cases', keys=['organisation_code', 'programme_code', 'form']) }}

),

shown as (

    {{ suppressed_curves('curves', table_keys=['organisation_code', 'programme_code']) }}

),

final as (

    select
        organisation_code,
        programme_code,
        form,
        day,
        at_risk,
        events,
        censored,
        survival,
        ci_low,
        ci_high,
        status,
        is_count_shown,
        is_share_shown
    from shown

)

select * from final
