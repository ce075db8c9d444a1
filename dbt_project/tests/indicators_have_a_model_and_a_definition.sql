-- Each current definition is computed by a model, and each model has one: without a definition its rows reach no
-- figure, without a model the indicator has no data for ever.
with

models as (

    select code as indicator_code
    from
        unnest(
            array[
                {% for indicator_model in indicator_models() %}
                    '{{ indicator_code_of(indicator_model) }}'{% if not loop.last %},{% endif %}
                {% endfor %}
            ]
        ) as code

),

definitions as (

    select indicator_code
    from {{ ref('indicator_definitions') }}
    where is_current

)

select
    models.indicator_code as computed,
    definitions.indicator_code as defined
from models
full outer join definitions on models.indicator_code = definitions.indicator_code
where num_nulls(models.indicator_code, definitions.indicator_code) > 0
