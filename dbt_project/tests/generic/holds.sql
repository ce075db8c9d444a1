{#- The condition is true for every row; unknown (NULL) is not true. -#}
{% test holds(model, condition) %}

    select *
    from {{ model }}
    where ({{ condition }}) is not true

{% endtest %}
