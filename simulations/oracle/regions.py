"""What a shop sells in all, by region and day: what its ads cause, and what comes anyway.

No platform reports it. A region responds like the whole market, in proportion to its size; its demand has good and bad
days that hang together, some of which all regions share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from simulations.market.truth import Truth
from simulations.noise import FloatArray
from simulations.oracle.outcome import expected


@dataclass(frozen=True, slots=True)
class Country:
    """How the regions of a market differ and swing.

    Attributes:
        regions: How many.
        size_sd: Of the log of their sizes.
        organic: What comes anyway, over what the ads cause under the budgets before the first day.
        shared_sd, own_sd: Of the log of a day's demand, of all regions and of each by itself.
        memory: Autocorrelation of both from day to day, 0 to below 1.
        week: Amplitude of the wave of the week.
    """

    regions: int = 20
    size_sd: float = 0.7
    organic: float = 2.0
    shared_sd: float = 0.08
    own_sd: float = 0.05
    memory: float = 0.6
    week: float = 0.1


def sizes(country: Country, rng: np.random.Generator) -> FloatArray:
    """Draw the regions' shares of the market, shape (R,), sum one."""
    drawn = np.exp(country.size_sd * rng.standard_normal(country.regions))
    share: FloatArray = drawn / drawn.sum()
    return share


def demand(country: Country, days: int, rng: np.random.Generator) -> FloatArray:
    """Draw each region's demand by day, about 1, shape (R, days)."""
    shared, own = (
        _hanging_together(rng.standard_normal((rows, days)), country.memory) * sd
        for rows, sd in ((1, country.shared_sd), (country.regions, country.own_sd))
    )
    wave = country.week * np.sin(2 * np.pi * np.arange(days) / 7)
    swing: FloatArray = np.exp(shared + own + wave)
    return swing


def caused(truth: Truth, budgets: FloatArray, day: int) -> float:
    """Return what budgets, currency units a day, shape (K,), cause of conversions on a day, whoever claims them."""
    return float(expected(truth, budgets, day).incremental.sum())


def sold(rates: FloatArray, share: FloatArray, swing: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw what is sold.

    Args:
        rates: What the whole market would sell a day on an ordinary day if it were treated as each region is, organic
            sales included, shape (R, T).
        share: Of the regions, shape (R,).
        swing: From `demand`, shape (R, T).
        rng: Draws Poisson counts.

    Returns:
        Counts, shape (R, T).
    """
    return rng.poisson(rates * share[:, None] * swing).astype(np.float64)


def _hanging_together(noise: FloatArray, memory: float) -> FloatArray:
    """Noise of sd one that keeps `memory` of each day on the next, shape as given."""
    noise = noise * np.sqrt(1.0 - memory**2)
    noise[:, 0] /= np.sqrt(1.0 - memory**2)
    chained: FloatArray = lfilter([1.0], [1.0, -memory], noise, axis=1)
    return chained
