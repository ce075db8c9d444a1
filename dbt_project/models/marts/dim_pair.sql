with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

mentees as (

    select * from {{ ref('dim_mentee') }}

),

mentors as (

    select * from {{ ref('stg_r2_mentor') }}

),

-- any form of the mentor may show it: a renewal must not hide that the old certificate was in force then
cleared_pairs as (

    select distinct pairs.pair_key
    from pairs
    inner join mentors
        on
            pairs.mentor_key = mentors.mentor_key
            and {{ is_cleared('mentors', 'pairs.start_on') }}

),

final as (

    select
        pairs.pair_key,
        pairs.mentee_key,
        pairs.mentor_key,
        pairs.previous_pair_key,
        pairs.organisation_code,
        pairs.programme_code,
        pairs.intake_code,
        pairs.form,
        pairs.reporting_form,
        pairs.state,
        pairs.end_reason,
        pairs.mentee_group_at_start,
        {{ age_band('extract(year from pairs.start_on) - mentees.birth_year') }} as age_band,
        cast(pairs.active_days as integer) as active_days,
        pairs.is_started,
        pairs.is_ended,
        pairs.is_converted,
        pairs.is_closed_early,
        pairs.is_end_planned,
        pairs.had_farewell,
        pairs.was_warned_14_days,
        -- what an erased mentor had is not known any more: neither cleared nor uncleared
        case
            when pairs.mentor_key not like 'erased-%' then cleared_pairs.pair_key is not null
        end as is_mentor_cleared_at_start,
        pairs.proposed_on,
        pairs.start_on,
        pairs.planned_end_on,
        pairs.ended_on
    from pairs
    left join mentees on pairs.mentee_key = mentees.mentee_key
    left join cleared_pairs on pairs.pair_key = cleared_pairs.pair_key

)

select * from final
