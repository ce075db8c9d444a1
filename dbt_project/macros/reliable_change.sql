{#-
    Reliable change (Jacobson and Truax 1991): (after − before) / (SD₁ · √2 · √(1 − r)), double precision. SD₁ and r are
    the parameters sd1_<scale> and reliability_<scale>. NULL: a value is missing, or SD₁ and r leave no error to compare
    the change with (r = 1).
-#}
{% macro reliable_change(value_before, value_after, scale_code) -%}
    {{ reliable_change_of(
        value_before,
        value_after,
        parameter("sd1_" ~ scale_code | lower),
        parameter("reliability_" ~ scale_code | lower)
    ) }}
{%- endmacro %}


{#- The same from given SD₁ and r. -#}
{% macro reliable_change_of(value_before, value_after, sd1, reliability) -%}
    ({{ value_after }} - {{ value_before }})
    / nullif(
        cast({{ sd1 }} as double precision) * sqrt(2 * greatest(1 - cast({{ reliability }} as double precision), 0)), 0
    )
{%- endmacro %}
