with

registered as (

    select * from {{ ref('int_pairs_assembled') }}

),

-- nothing is due from a mentor who has withdrawn the consent to monitoring, and nothing missing either
pairs as (

    select
        pairs.*,
        withdrawn.person_key is null as is_mentor_asked
    from registered as pairs
    left join {{ ref('int_consents_withdrawn') }} as withdrawn
        on
            pairs.mentor_key = withdrawn.person_key
            and withdrawn.subject = 'mentor'
            and withdrawn.purpose = 'monitoring'
    where pairs.is_started

),

milestones as (

    select
        milestones.*,
        pairs.is_mentor_asked
    from {{ ref('int_pair_milestones_scheduled') }} as milestones
    inner join pairs on milestones.pair_key = pairs.pair_key
    where milestones.is_all_started and milestones.is_window_closed

),

followups as (

    select * from {{ ref('int_followups_scheduled') }}
    where is_all_started and is_window_closed

),

quarters as (

    select * from {{ ref('int_windows_opened') }}
    where period_view = 'quarter'

),

-- one valid form: of a scale a score, of the others that it was filled in
scored_forms as (

    select
        left(form_id, 2) as instrument,
        pair_key,
        wave,
        filled_on,
        bool_or(score is not null and assisted_by is distinct from 'mentor') as is_valid
    from {{ ref('int_surveys_scored') }}
    where form_id <> 'f7_followup'
    group by submission_key, form_id, pair_key, wave, filled_on

),

needs as (

    select
        'f1' as instrument,
        pairs.pair_key,
        'baseline' as wave,
        assessments.filled_on,
        true as is_valid
    from {{ ref('stg_f1_needs') }} as assessments
    inner join pairs on assessments.mentee_key = pairs.mentee_key

),

forms as (

    select * from scored_forms
    union all
    select * from needs
    union all
    select
        'f5' as instrument,
        pair_key,
        wave,
        filled_on,
        true as is_valid
    from {{ ref('stg_f5_mentor_feedback') }}

),

-- before anybody's pair began, or as a card that the mentor filled in, a form answers for nothing, but was in use
forms_used as (

    select
        instrument,
        pair_key,
        filled_on
    from forms
    where instrument not in ('f1', 'f6')

    union all

    select
        'f1' as instrument,
        registered.pair_key,
        assessments.filled_on
    from {{ ref('stg_f1_needs') }} as assessments
    inner join registered on assessments.mentee_key = registered.mentee_key

    union all

    select
        'f6' as instrument,
        pair_key,
        filled_on
    from {{ ref('stg_f6_observation') }}

    union all

    select
        'f7' as instrument,
        pair_key,
        filled_on
    from {{ ref('stg_f7_followup') }}

),

-- an organisation has no response to an instrument before it used it for the first time: that is no data, not 0%
in_use as (

    select
        registered.organisation_code,
        registered.programme_code,
        forms_used.instrument,
        min(forms_used.filled_on) as first_on
    from forms_used
    inner join registered on forms_used.pair_key = registered.pair_key
    group by registered.organisation_code, registered.programme_code, forms_used.instrument

),

due as (

    select
        baselines.instrument,
        'baseline' as wave,
        pairs.pair_key,
        pairs.start_on as due_on,
        cast(null as date) as opens_on,
        pairs.start_on + {{ parameter_int('baseline_lenient_days') }} as closes_on
    from pairs
    cross join (values ('f1'), ('f2'), ('f6')) as baselines (instrument)
    where pairs.start_on + {{ parameter_int('baseline_lenient_days') }} < {{ as_of_on() }}

    union all

    select
        endlines.instrument,
        milestones.wave,
        milestones.pair_key,
        milestones.milestone_on as due_on,
        milestones.window_opens_on as opens_on,
        milestones.window_closes_on as closes_on
    from milestones
    cross join (values ('f2'), ('f3'), ('f5'), ('f6')) as endlines (instrument)
    where
        (milestones.milestone = 'end' or endlines.instrument in ('f2', 'f6'))
        and (milestones.is_mentor_asked or endlines.instrument <> 'f5')

    union all

    select
        quarterlies.instrument,
        'quarterly' as wave,
        pairs.pair_key,
        quarters.window_ends_on as due_on,
        quarters.window_starts_on as opens_on,
        quarters.window_ends_on as closes_on
    from pairs
    inner join quarters
        on
            pairs.start_on <= quarters.window_ends_on
            and (pairs.ended_on is null or pairs.ended_on >= quarters.window_starts_on)
    cross join (values ('f3'), ('f5')) as quarterlies (instrument)
    where
        {{ days_within(
            "pairs.active_periods * datemultirange(daterange(quarters.window_starts_on, quarters.window_ends_on, '[]'))"
        ) }} >= {{ parameter('started_min_active_days') }}
        and (pairs.is_mentor_asked or quarterlies.instrument <> 'f5')

    union all

    -- F7 does not ask motivation and life skills: whether results 1 and 3 last is known from F2 alone
    select
        'f2' as instrument,
        'fu' || followups.horizon as wave,
        followups.pair_key,
        followups.due_on,
        followups.window_opens_on as opens_on,
        followups.window_closes_on as closes_on
    from followups
    where followups.horizon = 12

),

answered as (

    select
        due.instrument,
        due.wave,
        due.pair_key,
        due.due_on,
        due.closes_on,
        coalesce(bool_or(forms.is_valid), false) as is_valid
    from due
    left join forms
        on
            due.instrument = forms.instrument
            and due.pair_key = forms.pair_key
            and (due.wave = forms.wave or due.wave = 'quarterly')
            and due.closes_on >= forms.filled_on
            and (due.opens_on is null or due.opens_on <= forms.filled_on)
    group by due.instrument, due.wave, due.pair_key, due.due_on, due.closes_on

    union all

    select
        'f7' as instrument,
        'fu' || followups.horizon as wave,
        followups.pair_key,
        followups.due_on,
        followups.window_closes_on as closes_on,
        coalesce(followups.reach = 'completed', false) as is_valid
    from followups

),

final as (

    select
        answered.instrument,
        answered.wave,
        answered.pair_key,
        coalesce(in_use.first_on <= answered.closes_on, false) as is_in_use,
        answered.is_valid,
        answered.due_on
    from answered
    inner join registered on answered.pair_key = registered.pair_key
    left join in_use
        on
            answered.instrument = in_use.instrument
            and registered.organisation_code = in_use.organisation_code
            and registered.programme_code = in_use.programme_code

)


select * from final
