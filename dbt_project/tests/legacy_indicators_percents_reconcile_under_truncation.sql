-- 17 of 21 is 80.95 percent and was reported as 80: the implied denominators fit only if percents were cut off.
select
    indicator_code,
    reported_percent,
    trunc(100.0 * reported_numerator / implied_denominator) as truncated_percent
from {{ ref('legacy_indicators') }}
where
    (
        reported_percent is distinct from trunc(100.0 * reported_numerator / implied_denominator)
        or num_nulls(reported_numerator, reported_percent, implied_denominator, denominator_basis) not in (0, 4)
    )
