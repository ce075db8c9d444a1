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

-- whatever the window, of a mentee's rows in one organisation and programme the same goes first: an eligible pair
-- before another, then an ended pair before one that goes on, the latest
described as materialized (

    select
        measured.indicator_code,
        measured.mentee_key,
        measured.pair_key,
        pairs.organisation_code,
        pairs.programme_code,
        measured.milestone,
        pairs.reporting_form as form,
        coalesce(statuses.status, 'unknown') as mentee_group,
        coalesce(mentees.sex, 'unknown') as sex,
        pairs.age_band,
        measured.value_before,
        measured.value_after,
        case
            when measured.is_reached_measured
                then {{ reliable_change_of(
                    'measured.value_before', 'measured.value_after', 'sd.value', 'r.value'
                ) }}
        end as reliable_change,
        measured.is_eligible,
        measured.is_due,
        measured.is_due_reached as is_reached,
        measured.is_reached_measured as is_measured,
        measured.is_reached_measured and measured.is_achieved as is_achieved,
        case when measured.is_reached_measured then measured.is_deteriorated end as is_deteriorated,
        case
            when measured.is_reached_measured then measured.value_before >= ceiling.value
        end as is_at_ceiling,
        measured.milestone = 'end' and not pairs.is_closed_early as is_completer,
        definitions.definition_version,
        measured.event_on as event_date,
        measured.cohort_on,
        count(*) over (
            partition by
                measured.indicator_code, measured.mentee_key, pairs.organisation_code, pairs.programme_code
        ) as row_count,
        dense_rank() over (
            order by measured.indicator_code, measured.mentee_key, pairs.organisation_code, pairs.programme_code
        ) as person_number,
        row_number() over (
            order by
                measured.indicator_code asc,
                measured.mentee_key asc,
                pairs.organisation_code asc,
                pairs.programme_code asc,
                measured.is_eligible desc,
                measured.milestone = 'end' desc,
                measured.event_on desc,
                measured.pair_key desc
        ) as row_number
    from measured
    inner join pairs on measured.pair_key = pairs.pair_key
    left join mentees on measured.mentee_key = mentees.mentee_key
    left join statuses
        on
            measured.mentee_key = statuses.mentee_key
            and measured.group_on >= statuses.valid_from
            and (statuses.valid_to is null or measured.group_on <= statuses.valid_to)
    left join definitions on measured.indicator_code = definitions.indicator_code
    left join parameters as sd on 'sd1_' || lower(definitions.scale_code) = sd.parameter_code
    left join parameters as r on 'reliability_' || lower(definitions.scale_code) = r.parameter_code
    left join parameters as ceiling on 'ceiling_' || lower(definitions.scale_code) = ceiling.parameter_code

),

windows as (

    select
        opened.*,
        row_number() over (order by opened.window_ends_on, opened.period_view) as window_number
    from {{ ref('int_windows_opened') }} as opened

),

-- the quarters that a window is made of: a row finds its windows by its quarter
window_quarters as (

    select
        windows.window_number,
        case windows.period_view when 'cohort_year' then 'cohort' else 'event' end as counted_by,
        cast(quarter_starts as date) as quarter_starts_on
    from windows
    cross join
        lateral generate_series(
            cast(windows.window_starts_on as timestamp),
            cast(windows.window_ends_on as timestamp),
            interval '3 months'
        ) as quarter_starts

),

-- numbers alone: here a row stands once for each window
in_windows as not materialized (

    select
        described.row_number,
        described.person_number,
        described.row_count,
        window_quarters.window_number
    from described
    cross join
        lateral (
            values
            ('event', {{ quarter_starts_on('described.event_date') }}),
            ('cohort', {{ quarter_starts_on('described.cohort_on') }})
        ) as dated (counted_by, quarter_starts_on)
    inner join window_quarters
        on
            dated.counted_by = window_quarters.counted_by
            and dated.quarter_starts_on = window_quarters.quarter_starts_on

),

-- one mentee once per window of an organisation's programme; who has one row at all has nothing to choose from
one_per_mentee as (

    select
        row_number,
        window_number
    from in_windows
    where row_count = 1

    union all

    select
        min(row_number) as row_number,
        window_number
    from in_windows
    where row_count > 1
    group by person_number, window_number

),

final as (

    select
        described.indicator_code,
        described.mentee_key,
        windows.period_view,
        windows.quarter,
        described.pair_key,
        described.organisation_code,
        described.programme_code,
        described.milestone,
        described.form,
        described.mentee_group,
        described.sex,
        described.age_band,
        described.value_before,
        described.value_after,
        described.reliable_change,
        described.is_eligible,
        described.is_due,
        described.is_reached,
        described.is_measured,
        described.is_achieved,
        described.is_deteriorated,
        described.is_at_ceiling,
        described.is_completer,
        described.definition_version,
        described.event_date,
        described.cohort_on
    from one_per_mentee
    inner join described on one_per_mentee.row_number = described.row_number
    inner join windows on one_per_mentee.window_number = windows.window_number

)

select * from final
