with

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

checks as (

    select * from {{ ref('readiness_checks') }}
    where measure_code is not null

),

figures as (

    select * from {{ ref('programme_indicator_quarterly') }}
    where period_view = 'rolling_4q'

),

-- before an organisation's first form of its kind came in a measure has no data, and that is not a 0
in_use as (

    select
        organisation_code,
        programme_code,
        measure_code,
        bool_or(denominator > 0) as is_in_use
    from figures
    group by organisation_code, programme_code, measure_code

),

last_quarter as (

    select max(quarter) as quarter
    from figures

),

cells as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        checks.check_code,
        checks.measure_figure,
        coalesce(figures.eligible, 0) as eligible,
        coalesce(figures.denominator, 0) as denominator,
        cast(figures.numerator as bigint) as numerator,
        coalesce(in_use.is_in_use, false) as is_in_use
    from programmes
    cross join checks
    left join in_use
        on
            programmes.organisation_code = in_use.organisation_code
            and programmes.programme_code = in_use.programme_code
            and checks.measure_code = in_use.measure_code
    left join last_quarter on true
    left join figures
        on
            programmes.organisation_code = figures.organisation_code
            and programmes.programme_code = figures.programme_code
            and last_quarter.quarter = figures.quarter
            and checks.measure_code = figures.measure_code
            and checks.split_by = figures.split_by
            and checks.split_value = figures.split_value

),

final as (

    select
        organisation_code,
        programme_code,
        check_code,
        case when is_in_use then case measure_figure when 'value' then numerator else denominator end end as counted,
        case measure_figure when 'value' then denominator else eligible end as counted_of,
        -- of a coverage nothing eligible means that the first form of the two is missing already
        measure_figure = 'coverage' or eligible > 0 as is_due,
        case
            when measure_figure = 'value' and eligible = 0
                then 'за последние четыре квартала срок ни у кого не наступил'
            when measure_figure = 'coverage' and eligible = 0
                then 'за последние четыре квартала сравнивать нечего: нет анкет до и после'
            when not is_in_use then 'форма, по которой это видно, ещё не заполнялась'
            when measure_figure = 'value' and denominator = 0
                then 'за последние четыре квартала нет пригодных данных'
        end as lacking_ru
    from cells

)

select * from final
