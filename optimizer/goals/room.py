"""The room that each budget has by itself, and what sets each side of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.money import MICROS
from optimizer.goals.errors import GoalsError
from optimizer.goals.limits import Limit, Pin
from optimizer.goals.quanta import inside, quanta
from optimizer.goals.scope import indices
from optimizer.goals.wishes import Goals
from optimizer.plan.snapshot import FloatArray, IntArray, Target

PIN: Final = "pin"
"""Code of what sets both sides of a budget that a pin holds."""

_WIDE: Final = 5.0
"""How far beyond its present size, or an equal share of all, a budget is thought of when steps do not matter."""


@dataclass(frozen=True, slots=True)
class Because:
    """What sets a side of a budget's room: a stable code, and the reason in words."""

    code: str
    words: str


_ZERO: Final = Because("zero", "a budget cannot be below zero")
_REACH: Final = Because("reach", "nothing is known of budgets so far above the present one")


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """Room for K budgets, currency units a day, each array of shape (K,), with the reasons for either side.

    `off` are the budgets, shape (K,), that may be 0 as well, and so paused, though their lower end lies above; None
    where there is none.

    Raises:
        ValueError: A lower end lies above its upper end.
    """

    lower: FloatArray
    upper: FloatArray
    lower_because: tuple[tuple[Because, ...], ...]
    upper_because: tuple[tuple[Because, ...], ...]
    off: npt.NDArray[np.bool_] | None = None

    @property
    def pausable(self) -> npt.NDArray[np.bool_]:
        """Which budgets may be 0 though their lower end lies above it, shape (K,)."""
        return np.zeros(len(self.lower), dtype=np.bool_) if self.off is None else self.off & (self.lower > 0)

    def __post_init__(self) -> None:
        if (self.lower > self.upper).any() or (self.lower < 0).any():
            raise ValueError("each budget needs 0 <= lower <= upper")

    def closed(self, at: Mapping[int, tuple[float, Because]]) -> Box:
        """The box with some budgets, by index, shut at an amount for a reason."""
        lower, upper = self.lower.copy(), self.upper.copy()
        low, high = list(self.lower_because), list(self.upper_because)
        for k, (amount, why) in at.items():
            lower[k] = upper[k] = amount
            low[k] = high[k] = (why,)
        open_still = np.ones(len(lower), dtype=np.bool_)
        open_still[list(at)] = False
        return Box(lower, upper, tuple(low), tuple(high), self.pausable & open_still)

    def within(self, least: FloatArray, most: FloatArray, why: Because, quantum: IntArray | None = None) -> Box:
        """The box cut to [least, most], which wins where the two do not meet: the side goes to the nearer end.

        A budget stays one that may be paused where the cut leaves it the lower end that it has when on.

        Args:
            least: Currency units, shape (K,).
            most: The same, nowhere below.
            why: What sets a side that is cut.
            quantum: Micros, shape (K,). Where the box and [least, most] do not meet, nothing is left but one amount:
                it is the last multiple on the way to the nearer end, so that a platform can take it, and the end
                itself where no multiple lies between both. None: always the end itself.
        """
        if quantum is not None:
            above, below = self.lower > most, self.upper < least
            last = inside(most[above], quantum[above], up=False) / MICROS
            first = inside(least[below], quantum[below], up=True) / MICROS
            least, most = least.copy(), most.copy()
            most[above] = np.where(last >= least[above], last, most[above])
            least[below] = np.where(first <= most[below], first, least[below])
        lower, upper = np.clip(self.lower, least, most), np.clip(self.upper, least, most)
        return Box(
            lower,
            upper,
            _because(self.lower_because, lower != self.lower, why),
            _because(self.upper_because, upper != self.upper, why),
            self.pausable & (least <= self.lower),
        )


def box(goals: Goals, targets: tuple[Target, ...], current: FloatArray, today: date) -> Box:
    """Return the room that one recommendation has: floors, ceilings and platform minimums within the largest step.

    Where a floor or ceiling lies beyond the step, the step wins: the budget may go as far towards it as one step
    allows, to the last amount that its platform takes. A pin wins over everything.

    Raises:
        GoalsError: A floor or platform minimum lies above a ceiling of the same budget.
    """
    step = goals.largest_step
    limits = wide_box(goals, targets, current, today)
    why = Because("step", f"the largest step is {step:.0%}")
    pinned = np.array([_pin(goals, target, today) is not None for target in targets], dtype=np.bool_)
    least = np.where(pinned, limits.lower, current * goals.least(step))
    most = np.where(pinned, limits.upper, current * (1 + step))
    return limits.within(least, most, why, quanta(targets))


def wide_box(goals: Goals, targets: tuple[Target, ...], current: FloatArray, today: date) -> Box:
    """Return the room without the step: from floor or minimum to ceiling, or to what is thinkable at all.

    Thinkable is up to five times the budget's present size or five times an equal share, whichever is more, but no
    more than all together: beyond it nothing was observed, and a curve is only its prior. Floors and ceilings
    of a scope that covers one target alone set its sides; those of groups are coupling constraints. A minimum when on
    is each covered budget's own lower end; the budget may be 0 as well, unless a floor of its own or its platform
    forbids that.

    Raises:
        GoalsError: A floor or platform minimum lies above a ceiling of the same budget.
    """
    total = float(current.sum()) if goals.total is None else goals.total.micros / 1e6
    own, on = _own_limits(goals, targets), _when_on(goals, targets)
    reach = np.minimum(
        _WIDE * np.maximum(current, total / max(len(targets), 1)), max(total, float(current.max(initial=0)))
    )
    reach = np.maximum(reach, current)
    sides = [_sides(target, own.get(k, ()), on.get(k, ()), float(reach[k])) for k, target in enumerate(targets)]
    open_box = Box(
        np.array([low for (low, _), _ in sides]),
        np.array([high for _, (high, _) in sides]),
        tuple((why,) for (_, why), _ in sides),
        tuple((why,) for _, (_, why) in sides),
        np.array(
            [k in on and _may_be_zero(target, own.get(k, ())) for k, target in enumerate(targets)], dtype=np.bool_
        ),
    )
    pins = {k: _pin(goals, target, today) for k, target in enumerate(targets)}
    return open_box.closed({k: (float(current[k]), _pinned(pin)) for k, pin in pins.items() if pin is not None})


Side = tuple[float, Because]


def _own_limits(goals: Goals, targets: tuple[Target, ...]) -> dict[int, list[Limit]]:
    """The limits that cover one target alone, by its index."""
    own: dict[int, list[Limit]] = {}
    for limit in goals.limits:
        covered = indices(limit.scope, targets)
        if len(covered) == 1:
            own.setdefault(covered[0], []).append(limit)
    return own


def _when_on(goals: Goals, targets: tuple[Target, ...]) -> dict[int, list[Side]]:
    """The least amounts when on, by index, of the targets that may be paused."""
    found: dict[int, list[Side]] = {}
    for limit in goals.limits:
        if limit.minimum_when_on is not None:
            least = limit.minimum_when_on
            why = Because(f"minimum-when-on:{limit.scope}", f"it runs with no less than {least}")
            for k in indices(limit.scope, targets):
                found.setdefault(k, []).append((least.micros / 1e6, why))
    return found


def _may_be_zero(target: Target, limits: Iterable[Limit]) -> bool:
    minimum = target.budget.minimum
    floors = [limit.floor for limit in limits if limit.floor is not None]
    return (minimum is None or minimum.micros == 0) and all(floor.micros == 0 for floor in floors)


def _sides(target: Target, limits: Iterable[Limit], on: Iterable[Side], reach: float) -> tuple[Side, Side]:
    """The tightest lower and upper end of one target, each with its reason.

    Raises:
        GoalsError: They cross.
    """
    lows: list[Side] = [(0.0, _ZERO), *on]
    highs: list[Side] = []
    if target.budget.minimum is not None:
        minimum = target.budget.minimum
        lows.append((minimum.micros / 1e6, Because("minimum", f"the platform takes no less than {minimum}")))
    for limit in limits:
        if limit.floor is not None:
            lows.append((limit.floor.micros / 1e6, Because(f"floor:{limit.scope}", f"its floor is {limit.floor}")))
        if limit.ceiling is not None:
            words = f"its ceiling is {limit.ceiling}"
            highs.append((limit.ceiling.micros / 1e6, Because(f"ceiling:{limit.scope}", words)))
    low = max(lows, key=lambda side: side[0])
    high = min([*highs, (max(reach, low[0]), _REACH)], key=lambda side: side[0])
    if low[0] > high[0]:
        raise GoalsError(f"{target.budget.name}: {low[1].words}, but {high[1].words}. Mend: change one of them")
    return low, high


def _pinned(pin: Pin) -> Because:
    return Because(PIN, pin.words)


def _pin(goals: Goals, target: Target, today: date) -> Pin | None:
    return next((pin for pin in goals.pins if pin.holds(today) and pin.scope.covers(target)), None)


def _because(
    reasons: tuple[tuple[Because, ...], ...], changed: npt.NDArray[np.bool_], why: Because
) -> tuple[tuple[Because, ...], ...]:
    return tuple((why,) if new else old for old, new in zip(reasons, changed, strict=True))
