with

incidents as (

    select * from {{ ref('stg_f8_incident') }}

),

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

final as (

    select
        incidents.submission_key as incident_key,
        incidents.pair_key,
        pairs.mentee_key,
        pairs.mentor_key,
        pairs.organisation_code,
        pairs.programme_code,
        {{ quarter_code('incidents.occurred_on') }} as quarter,
        incidents.category,
        incidents.programme_link,
        incidents.raised_by,
        incidents.severity,
        cast(extract(epoch from incidents.triaged_at - incidents.reported_at) as double precision)
        / 3600 as hours_to_triage,
        incidents.programme_link in ('definite', 'possible') as is_linked,
        {{ is_triaged_in_time('incidents') }} as is_triaged_in_time,
        incidents.resolved_on is not null as is_resolved,
        incidents.occurred_on,
        incidents.resolved_on,
        incidents.reported_at
    from incidents
    inner join pairs on incidents.pair_key = pairs.pair_key

)

select * from final
