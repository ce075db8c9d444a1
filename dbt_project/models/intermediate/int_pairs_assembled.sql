with

newest_registrations as (

    select distinct on (pair_key) *
    from {{ ref('stg_r3_pair') }}
    order by pair_key asc, arrived_at desc, submission_key desc

),

-- who has withdrawn the consent to monitoring leaves every figure with all pairs, and leaves them here
registrations as (

    select newest_registrations.*
    from newest_registrations
    left join {{ ref('int_consents_withdrawn') }} as withdrawn
        on
            newest_registrations.mentee_key = withdrawn.person_key
            and withdrawn.subject = 'mentee'
            and withdrawn.purpose = 'monitoring'
    where withdrawn.person_key is null

),

closures as (

    select distinct on (pair_key) *
    from {{ ref('stg_f9_closure') }}
    where ended_on <= {{ as_of_on() }}
    order by pair_key asc, arrived_at desc, submission_key desc

),

-- several events on one day are told apart by when they were first sent, then by the natural course of a pair
events as (

    select
        pair_key,
        to_state,
        occurred_on,
        row_number() over event_order as event_number,
        lead(occurred_on) over event_order as next_occurred_on
    from {{ ref('stg_r4_pair_event') }}
    where occurred_on <= {{ as_of_on() }}
    window event_order as (
        partition by pair_key
        order by
            occurred_on,
            submitted_at,
            array_position(
                array[
                    'proposed', 'preparing', 'active', 'paused', 'closing',
                    'completed', 'closed_early', 'converted', 'cancelled'
                ],
                to_state
            ),
            submission_key
    )

),

last_events as (

    select distinct on (pair_key)
        pair_key,
        to_state as state,
        occurred_on
    from events
    order by pair_key asc, event_number desc

),

pauses as (

    select
        pair_key,
        range_agg(daterange(occurred_on, coalesce(next_occurred_on, {{ as_of_on() }}), '[)')) as paused_days
    from events
    where
        to_state = 'paused'
        and occurred_on <= coalesce(next_occurred_on, {{ as_of_on() }})
    group by pair_key

),

-- an end that the events tell and no closure form yet is an end all the same, or the pair would stay active for ever
ends as (

    select
        registrations.pair_key,
        last_events.state,
        closures.reason as end_reason,
        closures.is_planned as is_end_planned,
        closures.had_farewell,
        closures.was_warned_14_days,
        case
            when closures.pair_key is not null then closures.ended_on
            when last_events.state in ('completed', 'closed_early', 'converted') then last_events.occurred_on
        end as ended_on,
        coalesce(last_events.state = 'converted' or closures.reason = 'converted', false) as is_converted
    from registrations
    left join closures on registrations.pair_key = closures.pair_key
    left join last_events on registrations.pair_key = last_events.pair_key

),

statuses as (

    select * from {{ ref('int_mentee_statuses_dated') }}

),

assembled as (

    select
        registrations.pair_key,
        registrations.mentee_key,
        registrations.mentor_key,
        registrations.previous_pair_key,
        registrations.organisation_code,
        registrations.programme_code,
        registrations.intake_code,
        registrations.form,
        case when ends.is_converted then 'long' else registrations.form end as reporting_form,
        coalesce(statuses.status, 'unknown') as mentee_group_at_start,
        ends.state,
        ends.end_reason,
        ends.is_end_planned,
        ends.had_farewell,
        ends.was_warned_14_days,
        ends.is_converted,
        -- a pair without events counts by its dates alone
        registrations.start_on <= {{ as_of_on() }}
        and coalesce(ends.state, 'active') not in ('proposed', 'preparing', 'cancelled') as is_started,
        ends.ended_on is not null as is_ended,
        registrations.proposed_on,
        registrations.start_on,
        coalesce(
            registrations.planned_end_on,
            case
                when registrations.form = 'short'
                    then {{ months_after('registrations.start_on', parameter_int('short_planned_months')) }}
            end
        ) as planned_end_on,
        ends.ended_on,
        case
            when registrations.start_on <= coalesce(ends.ended_on, {{ as_of_on() }})
                then
                    datemultirange(
                        daterange(registrations.start_on, coalesce(ends.ended_on, {{ as_of_on() }}), '[)')
                    ) - coalesce(pauses.paused_days, datemultirange())
            else datemultirange()
        end as active_periods
    from registrations
    left join ends on registrations.pair_key = ends.pair_key
    left join pauses on registrations.pair_key = pauses.pair_key
    left join statuses
        on
            registrations.mentee_key = statuses.mentee_key
            and registrations.start_on >= statuses.valid_from
            and (statuses.valid_to is null or registrations.start_on <= statuses.valid_to)

),

final as (

    select
        assembled.*,
        {{ days_within('assembled.active_periods') }} as active_days,
        assembled.is_ended
        and not assembled.is_converted
        and coalesce(
            assembled.ended_on < assembled.planned_end_on - {{ parameter_int('early_close_tolerance_days') }},
            assembled.state = 'closed_early',
            false
        ) as is_closed_early
    from assembled

)

select * from final
