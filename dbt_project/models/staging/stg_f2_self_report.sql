{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    unique_key='submission_key',
    touched_by=['raw.f2_self_report'],
    indexes=[{'columns': ['submission_key'], 'unique': true}],
) }}

with

source as (

    {{ current_versions(source('raw', 'f2_self_report')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        pair_key,

        -- strings
        _form_version as form_version,
        wave,
        wording,
        assisted_by,
        intent,
        status as occupation,
        sup1,
        sup2,
        sup3,
        sup4r,
        sup5,
        lif1,
        lif2,
        lif3,
        lif4,
        lif5,
        lif6,
        lif7,
        lif8r,
        mot1,
        mot2,
        mot3,
        mot4r,
        mot5,

        -- numbers
        sup_n as adult_count,
        sup_n_xm as adult_count_without_mentor,
        rp_sup as retrospective_sup,
        rp_lif as retrospective_lif,
        rp_mot as retrospective_mot,

        -- dates
        filled_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
