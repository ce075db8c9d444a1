with

milestones as (

    select * from {{ ref('int_pair_milestones_scheduled') }}

),

-- a form that a mentor helped to fill in is quarantined on its way in; this keeps it out whatever happens there
self_reports as (

    select * from {{ ref('stg_f2_self_report') }}
    where assisted_by <> 'mentor'

),

afters as (

    select distinct on (milestones.pair_key, milestones.milestone_on)
        milestones.pair_key,
        milestones.milestone_on,
        self_reports.submission_key,
        self_reports.wording,
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
        abs(self_reports.filled_on - milestones.milestone_on) asc,
        self_reports.arrived_at desc,
        self_reports.submission_key desc

),

-- only answers to the same wording can be compared; a strict baseline goes before a lenient one, the later before the
-- earlier
befores as (

    select distinct on (milestones.pair_key, milestones.milestone_on)
        milestones.pair_key,
        milestones.milestone_on,
        self_reports.submission_key,
        self_reports.filled_on <= milestones.start_on as is_strict,
        self_reports.filled_on
    from milestones
    inner join afters
        on
            milestones.pair_key = afters.pair_key
            and milestones.milestone_on = afters.milestone_on
    inner join self_reports
        on
            milestones.pair_key = self_reports.pair_key
            and self_reports.wave = 'baseline'
            and afters.wording = self_reports.wording
            and self_reports.filled_on <= milestones.start_on + {{ parameter_int('baseline_lenient_days') }}
    order by
        milestones.pair_key asc,
        milestones.milestone_on asc,
        self_reports.filled_on <= milestones.start_on desc,
        self_reports.filled_on desc,
        self_reports.arrived_at desc,
        self_reports.submission_key desc

),

final as (

    select
        milestones.*,
        afters.submission_key as after_submission_key,
        befores.submission_key as before_submission_key,
        afters.intent as after_intent,
        befores.is_strict as is_baseline_strict,
        afters.filled_on as after_filled_on,
        befores.filled_on as before_filled_on
    from milestones
    left join afters
        on
            milestones.pair_key = afters.pair_key
            and milestones.milestone_on = afters.milestone_on
    left join befores
        on
            milestones.pair_key = befores.pair_key
            and milestones.milestone_on = befores.milestone_on

)

select * from final
