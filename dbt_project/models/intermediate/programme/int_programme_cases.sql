{#- A new measure: a model of the same columns, its name here, its row in the seed programme_measures. -#}
{%- set measure_models = [
    "int_programme_m3",
    "int_programme_m4",
    "int_programme_m5",
    "int_programme_m6",
    "int_programme_m7",
    "int_programme_m9",
    "int_programme_m10",
    "int_programme_m11",
    "int_programme_m12",
    "int_programme_m13",
    "int_programme_m14",
    "int_programme_m15",
] -%}

with

final as (

    {% for measure_model in measure_models %}
        select
            measure_code,
            pair_key,
            event_on,
            own_split_by,
            own_split_value,
            is_measured,
            is_achieved,
            exposure
        from {{ ref(measure_model) }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

)

select * from final
