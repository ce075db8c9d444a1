-- Bounds of the macros beside those of statsmodels 0.15, proportion_confint(k, n, method='wilson').
with

expected as (

    select *
    from (
        values
        (17, 21, 0.5999943530979507, 0.9233243494723821),
        (0, 10, 0.0, 0.27753279986288926),
        (16, 16, 0.8063923194655633, 1.0),
        (5, 15, 0.1517632443971472, 0.5828645226148023)
    ) as bounds (successes, trials, ci_low, ci_high)

),

computed as (

    select
        expected.*,
        {{ wilson_low('successes', 'trials') }} as computed_low,
        {{ wilson_high('successes', 'trials') }} as computed_high
    from expected

)

select *
from computed
where
    abs(computed_low - cast(ci_low as double precision)) > 1e-9
    or abs(computed_high - cast(ci_high as double precision)) > 1e-9
    or num_nulls(computed_low, computed_high) > 0
