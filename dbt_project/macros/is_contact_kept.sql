{#-
    Whether contact with the mentor goes on (2.3), from a row of int_followups_scheduled: told by the mentee, and the
    last contact lies at most `contact_recency_days` before the follow-up. NULL: not known. Contact without the day of
    the last one cannot be judged; no contact needs none.
-#}
{% macro is_contact_kept(followups) -%}
    case
        when {{ followups }}.reach <> 'completed' or {{ followups }}.informant <> 'mentee' then null
        when not {{ followups }}.is_in_contact then false
        when {{ followups }}.is_in_contact
            then
                {{ followups }}.filled_on - {{ followups }}.last_contact_on between 0
                and {{ parameter_int('contact_recency_days') }}
    end
{%- endmacro %}
