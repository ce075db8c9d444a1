{#-
    Whether an incident, a row of stg_f8_incident, was assessed within the hours that its severity allows. NULL: a light
    one, or the time is not over: nobody is late before.
-#}
{% macro is_triaged_in_time(incidents) -%}
    {%- set time_is_over_at -%}
        {{ incidents }}.reported_at + make_interval(hours => {{ parameter_int('triage_max_hours') }})
    {%- endset -%}
    case
        when {{ incidents }}.severity < {{ parameter('triage_min_severity') }} then null
        when {{ incidents }}.triaged_at <= {{ time_is_over_at }} then true
        when {{ incidents }}.triaged_at is not null or {{ time_is_over_at }} < {{ as_of_at() }} then false
    end
{%- endmacro %}
