{{ config(
    materialized='incremental',
    incremental_strategy='differences',
    unique_key='pair_key',
    indexes=[{'columns': ['pair_key'], 'unique': true}],
) }}

with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

final as (

    select
        pair_key,
        mentee_key,
        mentor_key,
        organisation_code,
        programme_code,
        start_on,
        ended_on
    from pairs

)

select * from final
