"""From daily rows to sufficient statistics: delay-corrected exposure, and forgetting by discounted sums.

    Y_a = sum_t gamma^age_t y_at        N_a = sum_t gamma^age_t n_at F_at

with y successes as reported so far, n exposure and F what is reported by now of a day's successes over what will stand
in the end: below one while successes are still to come, above one where some will be taken back. Then
E[Y_a] = theta_a N_a for a rate theta_a, whatever the ages of the days are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandits.groups import FloatArray, Groups


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known of each arm.

    Attributes:
        successes: Y, discounted successes, shape (A,).
        exposure: N, discounted exposure that the reported successes answer for, shape (A,).

    Raises:
        ValueError: A shape, sign or nan is wrong; names the arm.
    """

    successes: FloatArray
    exposure: FloatArray

    def __post_init__(self) -> None:
        for name in ("successes", "exposure"):
            refuse_negative(getattr(self, name), name)
        if self.successes.ndim != 1 or self.successes.shape != self.exposure.shape:
            raise ValueError(f"successes {self.successes.shape} and exposure {self.exposure.shape} must both be (A,)")

    def weighed(self, weight: FloatArray) -> Evidence:
        """Return the evidence that counts for that part of itself, >= 0, shape (A,)."""
        return Evidence(weight * self.successes, weight * self.exposure)


def gather(
    exposure: FloatArray, successes: FloatArray, *, age: FloatArray, maturity: FloatArray, gamma: float
) -> Evidence:
    """Sum the days of each arm.

    Args:
        exposure: n >= 0, shape (A, T); nan where there is no row.
        successes: y, shape (A, T). Fractions are allowed, and so are days below zero, by which a platform takes
            conversions back; an arm whose sum is below zero counts as having none. A day counts only where both
            are known, and an arm without any exposure brings no evidence: its successes say nothing of a rate.
        age: Days since each column's day, >= 0, shape (T,).
        maturity: F, finite and >= 0, shape (T,) or (A, T); above one where a platform takes successes back.
        gamma: What a day's evidence keeps of its weight each day, in (0, 1]; 1 forgets nothing.

    Raises:
        ValueError: A shape or a value is not as above; names the arm where there is one.
    """
    _check_days(exposure, successes, age, maturity, gamma)
    known = ~np.isnan(exposure + successes)
    weight = gamma**age
    folded = (np.where(known, exposure, 0.0) * maturity) @ weight
    counted = np.where(known, successes, 0.0) @ weight
    return Evidence(np.where(folded > 0, np.maximum(counted, 0.0), 0.0), folded)


def answered(exposure: FloatArray, successes: FloatArray, maturity: FloatArray) -> FloatArray:
    """Return n F, the exposure of each day that its reported successes answer for; 0 without a row; shape (A, T).

    Arguments are those of `gather`.
    """
    return np.where(np.isnan(exposure + successes), 0.0, exposure) * maturity


def refuse_excess(successes: FloatArray, trials: FloatArray) -> None:
    """Hold successes against the trials that bound them, such as conversions of clicks; shape (A,) or (A, T) each.

    For sums that are known in full: platforms credit a conversion to the day of its click, but may count a click
    on another day than its impression. Not for impressions or spend, which bound no conversions.

    Raises:
        ValueError: There are more successes than trials, or one of them is negative; names the arm.
    """
    for name, values in (("successes", successes), ("trials", trials)):
        refuse_negative(np.nan_to_num(values), name)
    over = np.argwhere(successes > trials * (1 + 1e-9))
    if over.size:
        at = tuple(int(i) for i in over[0])
        day = f", day {at[1]}" if len(at) > 1 else ""
        raise ValueError(f"arm {at[0]}{day}: {successes[at]:g} successes are more than {trials[at]:g} trials")


def daily_exposure(exposure: FloatArray, groups: Groups, age: FloatArray, gamma: float) -> FloatArray:
    """Return the exposure of each group on a day with rows, recent days weighing more, shape (G,); 0 without rows.

    Arguments are those of `gather`.
    """
    known = ~np.isnan(exposure)
    weight = gamma**age
    days = np.maximum.reduceat(known, groups.starts, axis=0) @ weight
    total = groups.sum(np.where(known, exposure, 0.0) @ weight)
    return np.divide(total, days, out=np.zeros_like(total), where=days > 0)


def refuse_negative(values: FloatArray, name: str) -> None:
    """Raise ValueError that names the first arm (first axis) with a negative, nan or infinite value."""
    if values.size == 0 or (values.min() >= 0 and values.max() < np.inf):  # nan is neither
        return
    bad = np.argwhere(~(np.isfinite(values) & (values >= 0)))
    if bad.size:
        at = tuple(int(i) for i in bad[0])
        raise ValueError(f"arm {at[0]}: {name} must be finite and not negative, not {values[at]:g}")


def _check_days(
    exposure: FloatArray, successes: FloatArray, age: FloatArray, maturity: FloatArray, gamma: float
) -> None:
    if exposure.ndim != 2 or exposure.shape != successes.shape:
        raise ValueError(f"exposure {exposure.shape} and successes {successes.shape} must both be (A, T)")
    days = exposure.shape[1:]
    if age.shape != days or maturity.shape not in (days, exposure.shape):
        raise ValueError(f"age {age.shape} must be (T,), maturity {maturity.shape} (T,) or (A, T), with T = {days[0]}")
    lowest, highest = _extremes(exposure)
    if lowest < 0 or np.isinf(highest):
        refuse_negative(np.where(np.isnan(exposure), 0.0, exposure), "exposure")
    if np.isinf(_extremes(successes)).any():
        refuse_negative(np.where(np.isnan(successes), 0.0, np.abs(successes)), "successes")
    if not ((age >= 0) & np.isfinite(age)).all():
        raise ValueError("age must be finite and not negative")
    if not ((maturity >= 0) & np.isfinite(maturity)).all():
        raise ValueError("maturity must be finite and not negative")
    if not 0 < gamma <= 1:
        raise ValueError(f"gamma must be above 0 and at most 1, not {gamma}")


def _extremes(values: FloatArray) -> tuple[float, float]:
    """Least and largest of the values that are not nan, and of 0; no copy is made."""
    lowest, highest = values.min(initial=0.0), values.max(initial=0.0)
    if np.isnan(lowest):
        return np.fmin.reduce(values, axis=None, initial=0.0), np.fmax.reduce(values, axis=None, initial=0.0)
    return lowest, highest
