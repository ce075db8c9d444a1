{#-
    Bounds of the Wilson score interval (Wilson 1927) at 95% for `successes` of `trials`, double precision 0–1;
    NULL where there are no trials or the successes are not known. Unlike the normal approximation it stays within 0–1
    and is honest for small n.
-#}
{% macro wilson_low(successes, trials) -%}
    {{ _wilson_bound(successes, trials, "-") }}
{%- endmacro %}


{% macro wilson_high(successes, trials) -%}
    {{ _wilson_bound(successes, trials, "+") }}
{%- endmacro %}


{#- greatest and least ignore NULL, hence the case; they take off what rounding leaves outside 0–1. -#}
{% macro _wilson_bound(successes, trials, sign) -%}
    {%- set z = "cast(1.959963984540054 as double precision)" -%}
    {%- set k = "cast(" ~ successes ~ " as double precision)" -%}
    {%- set n = "cast(" ~ trials ~ " as double precision)" -%}
    case
        when {{ trials }} > 0 and {{ successes }} is not null
            then
                least(1, greatest(0, (
                    {{ k }} + {{ z }} * {{ z }} / 2
                    {{ sign }} {{ z }} * sqrt({{ k }} * ({{ n }} - {{ k }}) / {{ n }} + {{ z }} * {{ z }} / 4)
                ) / ({{ n }} + {{ z }} * {{ z }})))
    end
{%- endmacro %}
