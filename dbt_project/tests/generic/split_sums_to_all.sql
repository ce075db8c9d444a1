{#- Within a split the cells add up to the row of everybody: nobody is lost, nobody counted twice. -#}
{% test split_sums_to_all(model) %}

    select
        splits.organisation_code,
        splits.programme_code,
        splits.indicator_code,
        splits.period_view,
        splits.quarter,
        splits.split_by
    from {{ model }} as splits
    inner join {{ model }} as totals
        on
            splits.organisation_code = totals.organisation_code
            and splits.programme_code = totals.programme_code
            and splits.indicator_code = totals.indicator_code
            and splits.period_view = totals.period_view
            and splits.quarter = totals.quarter
            and totals.split_by = 'all'
    where splits.split_by <> 'all'
    group by
        splits.organisation_code,
        splits.programme_code,
        splits.indicator_code,
        splits.period_view,
        splits.quarter,
        splits.split_by,
        totals.eligible,
        totals.measured,
        totals.achieved
    having
        sum(splits.eligible) is distinct from totals.eligible
        or sum(splits.measured) is distinct from totals.measured
        or coalesce(sum(splits.achieved), 0) <> coalesce(totals.achieved, 0)

{% endtest %}
