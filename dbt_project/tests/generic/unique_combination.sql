{#- The columns name a row: no combination occurs twice, none is incomplete. -#}
{% test unique_combination(model, columns) %}

    select
        {{ columns | join(", ") }},
        count(*) as row_count
    from {{ model }}
    group by {{ columns | join(", ") }}
    having count(*) > 1 or num_nulls({{ columns | join(", ") }}) > 0

{% endtest %}
