with

united as (

    select * from {{ ref('int_indicators_united') }}

),

-- the funnel: each step within the one before it
due as (

    select
        united.*,
        united.is_eligible and (united.is_window_closed or (united.is_reached and united.is_measured)) as is_due
    from united

),

reached as (

    select
        due.*,
        due.is_due and due.is_reached as is_due_reached
    from due

),

measured as (

    select
        reached.*,
        reached.is_due_reached and reached.is_measured as is_reached_measured
    from reached

),

windows as (

    select * from {{ ref('int_windows_opened') }}

),

in_windows as (

    select
        measured.*,
        windows.period_view,
        windows.quarter
    from measured
    inner join windows
        on
            case windows.period_view
                when 'cohort_year' then measured.cohort_on
                else measured.event_on
            end between windows.window_starts_on and windows.window_ends_on

),

-- one mentee once per window: an eligible pair before another, then an ended pair before one that goes on, the latest
one_per_mentee as (

    select distinct on (indicator_code, mentee_key, period_view, quarter) *
    from in_windows
    order by
        indicator_code asc,
        mentee_key asc,
        period_view asc,
        quarter asc,
        is_eligible desc,
        milestone = 'end' desc,
        event_on desc,
        pair_key desc

),

pairs as (

    select * from {{ ref('dim_pair') }}

),

mentees as (

    select * from {{ ref('dim_mentee') }}

),

statuses as (

    select * from {{ ref('int_mentee_statuses_dated') }}

),

definitions as (

    select * from {{ ref('indicator_definitions') }}
    where is_current

),

parameters as (

    select * from {{ parameters_in_force() }} as in_force

),

final as (

    select
        one_per_mentee.indicator_code,
        one_per_mentee.mentee_key,
        one_per_mentee.period_view,
        one_per_mentee.quarter,
        one_per_mentee.pair_key,
        pairs.organisation_code,
        pairs.programme_code,
        one_per_mentee.milestone,
        pairs.reporting_form as form,
        coalesce(statuses.status, 'unknown') as mentee_group,
        coalesce(mentees.sex, 'unknown') as sex,
        pairs.age_band,
        one_per_mentee.value_before,
        one_per_mentee.value_after,
        case
            when one_per_mentee.is_reached_measured
                then {{ reliable_change_of(
                    'one_per_mentee.value_before', 'one_per_mentee.value_after', 'sd.value', 'r.value'
                ) }}
        end as reliable_change,
        one_per_mentee.is_eligible,
        one_per_mentee.is_due,
        one_per_mentee.is_due_reached as is_reached,
        one_per_mentee.is_reached_measured as is_measured,
        one_per_mentee.is_reached_measured and one_per_mentee.is_achieved as is_achieved,
        case when one_per_mentee.is_reached_measured then one_per_mentee.is_deteriorated end as is_deteriorated,
        case
            when one_per_mentee.is_reached_measured then one_per_mentee.value_before >= ceiling.value
        end as is_at_ceiling,
        one_per_mentee.milestone = 'end' and not pairs.is_closed_early as is_completer,
        definitions.definition_version,
        one_per_mentee.event_on as event_date,
        one_per_mentee.cohort_on
    from one_per_mentee
    inner join pairs on one_per_mentee.pair_key = pairs.pair_key
    left join mentees on one_per_mentee.mentee_key = mentees.mentee_key
    left join statuses
        on
            one_per_mentee.mentee_key = statuses.mentee_key
            and one_per_mentee.group_on >= statuses.valid_from
            and (statuses.valid_to is null or one_per_mentee.group_on <= statuses.valid_to)
    left join definitions on one_per_mentee.indicator_code = definitions.indicator_code
    left join parameters as sd on 'sd1_' || lower(definitions.scale_code) = sd.parameter_code
    left join parameters as r on 'reliability_' || lower(definitions.scale_code) = r.parameter_code
    left join parameters as ceiling on 'ceiling_' || lower(definitions.scale_code) = ceiling.parameter_code

)

select * from final
