with

answers as (

    select * from {{ ref('int_forms_due') }}

),

final as (

    select
        measures.measure_code,
        answers.pair_key,
        answers.due_on as event_on,
        'instrument' as own_split_by,
        case measures.measure_code
            when 'M7' then answers.instrument || '_' || answers.wave
            else answers.instrument
        end as own_split_value,
        answers.is_in_use as is_measured,
        answers.is_valid as is_achieved,
        cast(null as bigint) as exposure
    from answers
    -- the response to the forms that ask about harm decides what the absence of harm in M9 means
    cross join (values ('M7'), ('M9_response')) as measures (measure_code)
    where measures.measure_code = 'M7' or answers.instrument in ('f3', 'f7')

)


select * from final
