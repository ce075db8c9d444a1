with

followed as (

    select * from {{ ref('int_results_followed') }}

),

pairs as (

    select * from {{ ref('dim_pair') }}

),

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

-- one mentee once in a programme: a follow-up whose window has closed before another, the latest end before an earlier
one_per_mentee as (

    select distinct on (
        pairs.organisation_code, pairs.programme_code, followed.result_code, followed.horizon, followed.mentee_key
    )
        followed.*,
        pairs.organisation_code,
        pairs.programme_code,
        pairs.reporting_form
    from followed
    inner join pairs on followed.pair_key = pairs.pair_key
    order by
        pairs.organisation_code asc,
        pairs.programme_code asc,
        followed.result_code asc,
        followed.horizon asc,
        followed.mentee_key asc,
        followed.state = 'not_yet_due' asc,
        followed.ended_on desc,
        followed.pair_key desc

),

split_rows as (

    select
        one_per_mentee.*,
        splits.split_by,
        splits.split_value
    from one_per_mentee
    cross join
        lateral (
            values
            ('all', 'all'),
            ('form', one_per_mentee.reporting_form),
            ('group', one_per_mentee.mentee_group_at_start)
        ) as splits (split_by, split_value)

),

split_values as (

    select
        organisation_code,
        programme_code,
        'all' as split_by,
        'all' as split_value
    from programmes
    union
    select
        organisation_code,
        programme_code,
        split_by,
        split_value
    from split_rows

),

results as (

    select
        result_code,
        horizon,
        is_asked
    from (
        values
        ('contact', 6, true),
        ('contact', 12, true),
        ('R1', 6, false),
        ('R1', 12, true),
        ('R2', 6, true),
        ('R2', 12, true),
        ('R3', 6, false),
        ('R3', 12, true)
    ) as asked (result_code, horizon, is_asked)

),

counts as (

    select
        split_values.organisation_code,
        split_values.programme_code,
        results.result_code,
        results.horizon,
        results.is_asked,
        split_values.split_by,
        split_values.split_value,
        count(split_rows.pair_key) as scheduled,
        count(*) filter (where split_rows.state = 'not_yet_due') as not_yet_due,
        count(*) filter (where split_rows.state <> 'not_yet_due') as due,
        count(*) filter (where split_rows.state = 'completed') as completed,
        count(*) filter (where split_rows.state = 'refused') as refused,
        count(*) filter (where split_rows.state = 'unreachable') as unreachable,
        count(*) filter (where split_rows.state = 'gone') as gone,
        count(*) filter (where split_rows.state = 'missed') as missed,
        count(split_rows.is_sustained) as measured,
        count(*) filter (where split_rows.is_sustained) as sustained
    from results
    cross join split_values
    left join split_rows
        on
            split_values.organisation_code = split_rows.organisation_code
            and split_values.programme_code = split_rows.programme_code
            and results.result_code = split_rows.result_code
            and results.horizon = split_rows.horizon
            and split_values.split_by = split_rows.split_by
            and split_values.split_value = split_rows.split_value
    group by
        split_values.organisation_code,
        split_values.programme_code,
        results.result_code,
        results.horizon,
        results.is_asked,
        split_values.split_by,
        split_values.split_value

),

-- planned until the window of the first has closed; what nobody asks has no data, and will have none
cells as (

    select
        counts.*,
        counts.sustained as achieved,
        counts.is_asked
        and max(counts.due) over (
            partition by counts.organisation_code, counts.programme_code, counts.result_code, counts.horizon
        ) = 0 as is_planned
    from counts

),

suppressed as (

    {{ suppressed_cells('cells', table_keys=['organisation_code', 'programme_code', 'result_code', 'horizon']) }}

),

known as (

    select
        suppressed.*,
        suppressed.is_asked and not suppressed.is_planned as is_begun,
        suppressed.measured > 0 as has_data,
        suppressed.measured >= {{ parameter('percent_min_measured') }} as has_share
    from suppressed

),

final as (

    select
        organisation_code,
        programme_code,
        result_code,
        horizon,
        split_by,
        split_value,
        status,
        case when is_asked then scheduled end as scheduled,
        case when is_asked then not_yet_due end as not_yet_due,
        case when is_begun then due end as due,
        case when is_begun then completed end as completed,
        case when is_begun then refused end as refused,
        case when is_begun then unreachable end as unreachable,
        case when is_begun then gone end as gone,
        case when is_begun then missed end as missed,
        case when is_begun then measured end as measured,
        case when has_data then sustained end as sustained,
        case when has_share then cast(sustained as double precision) / measured end as share,
        case when has_share then {{ wilson_low('sustained', 'measured') }} end as ci_low,
        case when has_share then {{ wilson_high('sustained', 'measured') }} end as ci_high,
        case when is_begun then cast(measured as double precision) / nullif(due, 0) end as coverage,
        case when has_share then cast(sustained as double precision) / due end as worst_case,
        case when has_share then cast(sustained + due - measured as double precision) / due end as best_case,
        is_count_shown,
        is_share_shown
    from known

)

select * from final
