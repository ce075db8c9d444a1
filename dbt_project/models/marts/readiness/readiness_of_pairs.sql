with

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

pairs as (

    select * from {{ ref('dim_pair') }}

),

last_window as (

    select *
    from {{ ref('int_windows_opened') }}
    where period_view = 'rolling_4q'
    order by window_ends_on desc
    limit 1

),

-- a pair that still runs needs a cleared mentor, however long ago it began
running_pairs as (

    select
        pairs.*,
        pairs.start_on >= last_window.window_starts_on as is_new
    from pairs
    inner join last_window
        on
            pairs.start_on <= last_window.window_ends_on
            and (pairs.ended_on is null or pairs.ended_on >= last_window.window_starts_on)
    where pairs.is_started

),

needs as (

    select
        mentee_key,
        min(filled_on) as first_on
    from {{ ref('stg_f1_needs') }}
    group by mentee_key

),

-- before an organisation's first F1, for whomever, nobody was assessed there: that is no data
assessing_organisations as (

    select distinct
        pairs.organisation_code,
        pairs.programme_code
    from pairs
    inner join needs on pairs.mentee_key = needs.mentee_key

),

assessed_pairs as (

    select
        running_pairs.organisation_code,
        running_pairs.programme_code,
        running_pairs.pair_key,
        coalesce(needs.first_on <= running_pairs.start_on, false) as is_assessed
    from running_pairs
    left join needs on running_pairs.mentee_key = needs.mentee_key
    where running_pairs.is_new

),

counts as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        'mentors_cleared' as check_code,
        count(*) filter (where running_pairs.is_mentor_cleared_at_start) as counted,
        -- of a mentor who was erased nobody knows any more
        count(running_pairs.is_mentor_cleared_at_start) as counted_of,
        true as is_in_use
    from programmes
    left join running_pairs
        on
            programmes.organisation_code = running_pairs.organisation_code
            and programmes.programme_code = running_pairs.programme_code
    group by programmes.organisation_code, programmes.programme_code

    union all

    select
        programmes.organisation_code,
        programmes.programme_code,
        'needs_assessed' as check_code,
        count(*) filter (where assessed_pairs.is_assessed) as counted,
        count(assessed_pairs.pair_key) as counted_of,
        count(assessing_organisations.organisation_code) > 0 as is_in_use
    from programmes
    left join assessed_pairs
        on
            programmes.organisation_code = assessed_pairs.organisation_code
            and programmes.programme_code = assessed_pairs.programme_code
    left join assessing_organisations
        on
            programmes.organisation_code = assessing_organisations.organisation_code
            and programmes.programme_code = assessing_organisations.programme_code
    group by programmes.organisation_code, programmes.programme_code

),

final as (

    select
        organisation_code,
        programme_code,
        check_code,
        case when is_in_use then counted end as counted,
        counted_of,
        counted_of > 0 as is_due,
        case
            when counted_of = 0 then 'за последние четыре квартала таких пар не было'
            when not is_in_use then 'форма F1 ещё не заполнялась'
        end as lacking_ru
    from counts

)

select * from final
