{#-
    Exact 95% limits of a Poisson mean for `events` observed, from the seed poisson_limits; double precision, NULL for
    NULL. Beyond its 500 events by Wilson and Hilferty (1931), within 2 millionths of the exact limits there.
-#}
{% macro poisson_low(events) -%}
    {{ _poisson_bound(events, "ci_low", "cast(" ~ events ~ " as double precision)", "-") }}
{%- endmacro %}


{% macro poisson_high(events) -%}
    {{ _poisson_bound(events, "ci_high", "(cast(" ~ events ~ " as double precision) + 1)", "+") }}
{%- endmacro %}


{% macro _poisson_bound(events, bound, k, sign) -%}
    {%- set z = "cast(1.959963984540054 as double precision)" -%}
    case
        when {{ events }} <= 500
            then
                (
                    select poisson_limits.{{ bound }} from {{ ref("poisson_limits") }} as poisson_limits
                    where poisson_limits.event_count = {{ events }}
                )
        else {{ k }} * power(1 - 1 / (9 * {{ k }}) {{ sign }} {{ z }} / (3 * sqrt({{ k }})), 3)
    end
{%- endmacro %}
