with

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
    from {{ ref('dim_pair') }} as pairs
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

assessed_pairs as (

    select
        pairs.pair_key,
        coalesce(needs.first_on <= pairs.start_on, false) as is_assessed
    from running_pairs as pairs
    left join needs on pairs.mentee_key = needs.mentee_key
    where pairs.is_new

),

counts as (

    select
        'mentors_cleared' as check_code,
        count(*) filter (where is_mentor_cleared_at_start) as counted,
        -- of a mentor who was erased nobody knows any more
        count(is_mentor_cleared_at_start) as counted_of,
        true as is_in_use
    from running_pairs

    union all

    select
        'needs_assessed' as check_code,
        count(*) filter (where is_assessed) as counted,
        count(*) as counted_of,
        (select count(*) from needs) > 0 as is_in_use
    from assessed_pairs

),

final as (

    select
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
