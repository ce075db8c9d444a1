with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

quarters as (

    select * from {{ ref('int_windows_opened') }}
    where period_view = 'quarter'

),

attendances as (

    select
        attending.mentor_key,
        supervisions.held_on
    from {{ ref('stg_s1_supervision') }} as supervisions
    inner join {{ ref('stg_s1_supervision_mentors') }} as attending
        on supervisions.submission_key = attending.submission_key

),

-- nothing is known of an organisation's mentors before one of them came to a supervision
first_attendances as (

    select
        pairs.organisation_code,
        pairs.programme_code,
        min(attendances.held_on) as held_on
    from attendances
    inner join pairs on attendances.mentor_key = pairs.mentor_key
    group by pairs.organisation_code, pairs.programme_code

),

-- a mentor of several pairs counts once a quarter in each organisation and programme, under the pair that began last
mentors as (

    select distinct on (
        pairs.organisation_code, pairs.programme_code, pairs.mentor_key, quarters.window_ends_on
    )
        pairs.organisation_code,
        pairs.programme_code,
        pairs.mentor_key,
        pairs.pair_key,
        quarters.window_starts_on,
        quarters.window_ends_on
    from pairs
    inner join quarters
        on pairs.active_periods && daterange(quarters.window_starts_on, quarters.window_ends_on, '[]')
    where pairs.is_started
    order by
        pairs.organisation_code asc,
        pairs.programme_code asc,
        pairs.mentor_key asc,
        quarters.window_ends_on asc,
        pairs.start_on desc,
        pairs.pair_key desc

),

supervised as (

    select distinct
        mentors.mentor_key,
        mentors.window_ends_on
    from mentors
    inner join attendances
        on
            mentors.mentor_key = attendances.mentor_key
            and attendances.held_on between mentors.window_starts_on and mentors.window_ends_on

),

final as (

    select
        'M12' as measure_code,
        mentors.pair_key,
        mentors.window_ends_on as event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        coalesce(first_attendances.held_on <= mentors.window_ends_on, false) as is_measured,
        supervised.mentor_key is not null as is_achieved,
        cast(null as bigint) as exposure
    from mentors
    left join supervised
        on
            mentors.mentor_key = supervised.mentor_key
            and mentors.window_ends_on = supervised.window_ends_on
    left join first_attendances
        on
            mentors.organisation_code = first_attendances.organisation_code
            and mentors.programme_code = first_attendances.programme_code

)


select * from final
