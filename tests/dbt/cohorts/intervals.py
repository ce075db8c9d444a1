"""The intervals by statsmodels and scipy."""

from __future__ import annotations

from functools import cache

from scipy.stats import chi2
from statsmodels.stats.proportion import proportion_confint


@cache
def wilson(count: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share."""
    low, high = proportion_confint(count, total, method="wilson")
    return float(low), float(high)


@cache
def poisson(count: int) -> tuple[float, float]:
    """Return the exact 95% limits of a Poisson mean."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low), float(chi2.ppf(0.975, 2 * count + 2) / 2)
