with

milestones as (

    select * from {{ ref('int_pair_milestones_scheduled') }}

),

valid_scales as (

    select
        submission_key,
        count(score) as scale_count
    from {{ ref('int_surveys_scored') }}
    where form_id = 'f2_self_report'
    group by submission_key

),

-- a form that a mentor helped to fill in is quarantined on its way in; this keeps it out whatever happens there
self_reports as (

    select
        reports.*,
        {{ instrument_major('f2_self_report', 'reports.form_version') }} as major_version,
        coalesce(valid_scales.scale_count, 0) as scale_count
    from {{ ref('stg_f2_self_report') }} as reports
    left join valid_scales on reports.submission_key = valid_scales.submission_key
    where reports.assisted_by <> 'mentor'

),

statuses as (

    select * from {{ ref('int_mentee_statuses_dated') }}

),

-- one form answers for a wave: of several the one with most valid scales, so that a form which cannot be scored stands
-- only where there is no other, then the nearest
afters as (

    select distinct on (milestones.pair_key, milestones.milestone_on)
        milestones.pair_key,
        milestones.milestone_on,
        self_reports.submission_key,
        self_reports.wording,
        self_reports.major_version,
        self_reports.intent,
        self_reports.filled_on
    from milestones
    inner join self_reports
        on
            milestones.pair_key = self_reports.pair_key
            and milestones.wave = self_reports.wave
            and self_reports.filled_on between milestones.window_opens_on and milestones.window_closes_on
    order by
        milestones.pair_key asc,
        milestones.milestone_on asc,
        self_reports.scale_count desc,
        abs(self_reports.filled_on - milestones.milestone_on) asc,
        self_reports.arrived_at desc,
        self_reports.submission_key desc

),

candidates as (

    select
        milestones.pair_key,
        milestones.milestone_on,
        self_reports.submission_key,
        coalesce(afters.wording = self_reports.wording, false) as is_same_wording,
        coalesce(afters.major_version = self_reports.major_version, false) as is_same_major,
        self_reports.filled_on <= milestones.start_on as is_strict,
        self_reports.scale_count,
        self_reports.filled_on,
        self_reports.arrived_at
    from milestones
    inner join afters
        on
            milestones.pair_key = afters.pair_key
            and milestones.milestone_on = afters.milestone_on
    inner join self_reports
        on
            milestones.pair_key = self_reports.pair_key
            and self_reports.wave = 'baseline'
            and self_reports.filled_on <= milestones.start_on + {{ parameter_int('baseline_lenient_days') }}

),

-- only answers to the same wording and major version can be compared; a strict baseline goes before a lenient one, more
-- valid scales before fewer, the later before the earlier
befores as (

    select distinct on (candidates.pair_key, candidates.milestone_on)
        candidates.*,
        case
            when not candidates.is_same_wording then 'other_wording'
            when not candidates.is_same_major then 'other_version'
            when candidates.is_strict then 'strict'
            else 'lenient'
        end as state
    from candidates
    order by
        candidates.pair_key asc,
        candidates.milestone_on asc,
        candidates.is_same_wording and candidates.is_same_major desc,
        candidates.is_same_wording desc,
        candidates.is_strict desc,
        candidates.scale_count desc,
        candidates.filled_on desc,
        candidates.arrived_at desc,
        candidates.submission_key desc

),

matched as (

    select
        milestones.*,
        afters.submission_key as after_submission_key,
        case when befores.state in ('strict', 'lenient') then befores.submission_key end as before_submission_key,
        case when afters.submission_key is not null then coalesce(befores.state, 'none') end as baseline_state,
        afters.intent as after_intent,
        case when befores.state in ('strict', 'lenient') then befores.is_strict end as is_baseline_strict,
        afters.filled_on as after_filled_on,
        case when befores.state in ('strict', 'lenient') then befores.filled_on end as before_filled_on,
        coalesce(afters.filled_on, milestones.milestone_on) as milestone_group_on
    from milestones
    left join afters
        on
            milestones.pair_key = afters.pair_key
            and milestones.milestone_on = afters.milestone_on
    left join befores
        on
            milestones.pair_key = befores.pair_key
            and milestones.milestone_on = befores.milestone_on

),

final as (

    select
        matched.*,
        coalesce(statuses.status, 'unknown') as mentee_group_at_milestone
    from matched
    left join statuses
        on
            matched.mentee_key = statuses.mentee_key
            and matched.milestone_group_on >= statuses.valid_from
            and (statuses.valid_to is null or matched.milestone_group_on <= statuses.valid_to)

)

select * from final
