with

united as (

    {% for indicator_model in indicator_models() %}
        select
            '{{ indicator_code_of(indicator_model) }}' as indicator_code,
            pair_key,
            mentee_key,
            milestone,
            event_on,
            cohort_on,
            group_on,
            is_eligible,
            is_window_closed,
            is_reached,
            is_measured,
            is_achieved,
            is_deteriorated,
            value_before,
            value_after
        from {{ ref(indicator_model) }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

final as (

    select * from united

)

select * from final
