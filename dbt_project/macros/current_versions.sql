{#-
    The submissions of a raw table that exist as of the cut-off: of each, the version that arrived last.
    A version arrives when the form server received it (an edit at _updated_at), not when we fetched it, so a late
    run sees what a punctual one would have seen. A submission whose last version deletes or voids it is gone.
-#}
{% macro current_versions(relation) -%}
    {%- set arrived_at = "coalesce(versions._updated_at, versions._submitted_at, versions._ingested_at)" -%}
    select *
    from (
        select
            versions.*,
            '{{ relation.identifier }}' as _form_id,
            {{ arrived_at }} as _arrived_at,
            row_number() over (
                partition by versions._source, versions._submission_id
                order by {{ arrived_at }} desc, versions._ingested_at desc, versions._content_hash desc
            ) as _version_rank
        from {{ relation }} as versions
        {%- if var("as_of") %}
        where {{ arrived_at }} <= {{ as_of_at() }}
        {%- endif %}
    ) as ranked_versions
    where
        ranked_versions._version_rank = 1
        and ranked_versions._operation = 'upsert'
{%- endmacro %}


{#-
    The key of a submission across forms and sources: what the server called it is unique only within its form there (the
    files of a folder may count from 1 in each). In a staging model the form comes from current_versions.
-#}
{% macro submission_key(form_id=none) -%}
    md5({{ "'" ~ form_id ~ "'" if form_id else "_form_id" }} || '|' || _source || '|' || _submission_id)
{%- endmacro %}


{#- An answer of the list yn (1, 0, 99) as boolean; a refusal (99) is NULL. -#}
{% macro yes_no(answer) -%}
    case {{ answer }} when '1' then true when '0' then false end
{%- endmacro %}


{#-
    The members of a repeat (raw.<form>__<repeat>) that exist as of the cut-off. Which version of a submission counts is
    decided on the submissions: a version that took out every member has no row in the members' view, and deciding
    there would bring the members of the version before it back.
-#}
{% macro current_members(members, versions) -%}
    {%- set version_keys = ["_source", "_submission_id", "_ingested_at", "_content_hash"] -%}
    {%- set arrived_at = "coalesce(members._updated_at, members._submitted_at, members._ingested_at)" -%}
    select distinct on (members._source, members._submission_id, members._position)
        members.*,
        '{{ versions.identifier }}' as _form_id,
        {{ arrived_at }} as _arrived_at
    from {{ members }} as members
    where
        ({{ arrived_at }}, members.{{ version_keys | join(", members.") }}) in (
            select
                current_submissions._arrived_at,
                current_submissions.{{ version_keys | join(", current_submissions.") }}
            from ({{ current_versions(versions) }}) as current_submissions
        )
{%- endmacro %}
