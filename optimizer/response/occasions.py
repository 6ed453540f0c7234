"""What known events do: a factor on the days of each, learnt from the occurrences that have passed.

An occurrence is compared with the ordinary days around it, spend and weekday considered. With r_ok the log of what
target k got on the days of occurrence o over what those days promised,

    r_ok = b + u_o + t_k + noise,   b ~ N(m, s^2),  u_o ~ N(0, .15^2),  t_k ~ N(0, .2^2)

b is the event's, the same for all targets and occurrences; u_o says that no two years are alike, t_k that no two
targets are. m is the log of a person's guess, else 0, or what events of the same kind (public holidays) are like.
Posteriors are normal, in closed form, level by level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from connectors.contract import BudgetKey
from optimizer.plan.calendar import Occasion, narrowest
from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.history import BoolArray

UNKNOWN: Final = 0.5
"""Standard deviation of the log factor of an event of which nobody said anything."""

GUESSED: Final = 0.3
"""The same around a person's guess."""

ALIKE: Final = 0.2
"""The same between events of one kind, around the kind's mean."""

YEARS, TARGETS = 0.15, 0.2
"""Standard deviations of the log factor between occurrences of one event, and between targets."""

DAYS: Final = 0.15
"""The same between the days of one occurrence: what a day of an event says of the level."""

RATES: Final = 0.5
"""`Counted.size` of clicks per impression and conversions per click."""

AROUND: Final = 28
HALF_LIFE: Final = 7.0
"""How many days on either side an occurrence is compared with, and the distance at which one counts half."""

WANDER: Final = 0.02
"""Standard deviation by which log demand moves a day, on its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """What is compared.

    Attributes:
        count: Events so far, shape (K, T); zero on days that do not count.
        exposure: What they are counted against: spend or its curve, completeness, weekday; likewise.
        excess: phi of var = mu + phi mu^2, shape (K,).
        known: Targets that have the step, shape (K,); to the others nothing can happen in it.
        size: By how much all standard deviations of the prior are multiplied: rates move less than volumes. Guesses
            are about the volume, and taken by what has size 1.
    """

    count: FloatArray
    exposure: FloatArray
    excess: FloatArray
    known: BoolArray
    size: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """O occurrences over T days of history that end before `today`, and after; K targets.

    Attributes:
        occasions: The occurrences.
        covers: Whose demand each moves, shape (O, K).
        place: The one that counts on each day, -1 for none, shape (K, T).
    """

    occasions: tuple[Occasion, ...]
    covers: BoolArray
    place: IntArray
    first_day: date

    @classmethod
    def of(cls, occasions: Sequence[Occasion], keys: Sequence[BudgetKey], first_day: date, days: int) -> Schedule:
        """Lay occurrences over the days from `first_day` on; of several on one day the shortest counts."""
        listed = tuple(occasions)
        covers = np.array(
            [[o.budgets is None or key in set(o.budgets) for key in keys] for o in listed], dtype=np.bool_
        ).reshape(len(listed), len(keys))
        place = np.full((len(keys), days), -1, dtype=np.int64)
        for i in narrowest(listed):
            since, until = ((day - first_day).days for day in (listed[i].first_day, listed[i].last_day))
            place[covers[i], max(since, 0) : max(until + 1, 0)] = i
        return cls(listed, covers, place, first_day)

    @property
    def ordinary(self) -> BoolArray:
        """Days without an event, shape (K, T)."""
        return self.place < 0


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """Log factors of each occurrence, normal: past ones as they were, others as they are to be expected.

    Attributes:
        schedule: Which occurrences, whose and when.
        mean: Shape (O, K).
        common: Variance that all targets of an occurrence share, shape (O, K).
        own: Variance that each has for itself, shape (O, K).
        seen: Earlier occurrences of the same event that it was learnt from, shape (O,).
    """

    schedule: Schedule
    mean: FloatArray
    common: FloatArray
    own: FloatArray
    seen: IntArray

    @classmethod
    def none(cls, schedule: Schedule) -> Effects:
        """Return what no event does."""
        nothing = np.zeros(schedule.covers.shape)
        return cls(schedule, nothing, nothing, nothing, np.zeros(len(nothing), dtype=np.int64))

    def discounted(
        self, count: FloatArray, exposure: FloatArray, expected: Callable[[], FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """Return counts and exposures as a filter may take them, each (K, T): events accounted for, and less sure.

        A count with mean mu under a factor of log variance v tells of its level what one of 1 / (1 + v mu) of its size
        does, as an overdispersed count does.

        Args:
            count: Shape (K, T).
            exposure: What it is counted against, shape (K, T).
            expected: Asked for the count that an ordinary day would have, shape (K, T), if there is an event.
        """
        if not self.schedule.occasions:
            return count, exposure
        factor, variance = self.past()
        sure = 1.0 / (1.0 + variance * factor * expected())
        return count * sure, exposure * factor * sure

    def past(self) -> tuple[FloatArray, FloatArray]:
        """Return the factor on each day of the history and the variance of its log, each (K, T): 1 and 0 if ordinary.

        The variance is that of a single day: it also holds how the days of an occurrence differ.
        """
        factor, variance = np.ones(self.schedule.place.shape), np.zeros(self.schedule.place.shape)
        rows, days = np.nonzero(self.schedule.place >= 0)
        at = self.schedule.place[rows, days]
        factor[rows, days] = np.exp(self.mean[at, rows])
        variance[rows, days] = self.common[at, rows] + self.own[at, rows] + DAYS**2
        return factor, variance

    def on(self, day: date) -> Factor | None:
        """Return the factors of a day, past or to come; None where no target has an event."""
        targets = self.mean.shape[1]
        chosen = np.full(targets, -1, dtype=np.int64)
        for i in narrowest(self.schedule.occasions):
            if self.schedule.occasions[i].on(day):
                chosen[self.schedule.covers[i]] = i
        held = chosen >= 0
        if not held.any():
            return None
        rows = np.arange(targets)
        return Factor(
            chosen,
            np.where(held, self.mean[chosen, rows], 0.0),
            np.where(held, self.common[chosen, rows], 0.0),
            np.where(held, self.own[chosen, rows] + DAYS**2, 0.0),
        )

    def times(self, other: Effects) -> Effects:
        """Return the factors of two steps of the funnel together, independent of each other."""
        return Effects(
            self.schedule, self.mean + other.mean, self.common + other.common, self.own + other.own, self.seen
        )


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """Log-normal factors on what one day brings, exp(mean + sd z - sd^2 / 2); all of shape (K,).

    Attributes:
        occasion: Index of the occurrence that counts, -1 for none.
        mean: Log of the expected factor.
        common: Variance of the log that targets of one occurrence share.
        own: Variance of the log that each has for itself.
    """

    occasion: IntArray
    mean: FloatArray
    common: FloatArray
    own: FloatArray

    @property
    def expected(self) -> FloatArray:
        """The mean: not to know an event is no reason to expect more of it."""
        value: FloatArray = np.exp(self.mean)
        return value

    @property
    def square(self) -> FloatArray:
        """The mean of the square."""
        value: FloatArray = np.exp(2.0 * self.mean + self.common + self.own)
        return value

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw factors, shape (n, K): what an occurrence's targets share is one draw for all of them."""
        shared = rng.standard_normal((n, int(self.occasion.max()) + 2))[:, self.occasion]
        alone = rng.standard_normal((n, self.mean.size))
        wide = np.sqrt(self.common) * shared + np.sqrt(self.own) * alone
        drawn: FloatArray = np.exp(self.mean + wide - 0.5 * (self.common + self.own))
        return drawn


def learn_effects(schedule: Schedule, counted: Counted) -> Effects:
    """Learn what each event does to one step of the funnel.

    Args:
        schedule: O occurrences over the history's days.
        counted: The step's counts.
    """
    shape = schedule.covers.shape
    ratio, noise = np.zeros(shape), np.full(shape, np.inf)
    for i in range(shape[0]):
        ratio[i], noise[i] = _against_others(schedule, counted, i)
    # Of each occurrence by all targets: its mean ratio and the variance of that.
    years, targets = counted.size * YEARS, counted.size * TARGETS
    weight = 1.0 / (noise + targets**2)
    told = np.maximum(weight.sum(axis=1), 1e-12)
    found, error = (weight * ratio).sum(axis=1) / told, 1.0 / told
    expected, spread, seen = _events(schedule.occasions, found, error, counted.size)
    trust = years**2 / (years**2 + error)
    centre = expected + trust * (found - expected)
    common = (1.0 - trust) * years**2 + (1.0 - trust) ** 2 * spread
    own, apart = _targets(schedule.occasions, ratio - centre[:, None], noise, counted.size)
    known = counted.known.astype(np.float64)
    return Effects(schedule, (centre[:, None] + own) * known, common[:, None] * known, apart * known, seen)


def _against_others(schedule: Schedule, counted: Counted, which: int) -> tuple[FloatArray, FloatArray]:
    """Return the log ratio of an occurrence to the ordinary days around it and its variance, each (K,); inf unseen."""
    days = counted.count.shape[1]
    inside = schedule.place == which
    when = np.flatnonzero(inside.any(axis=0))
    if not when.size:
        return np.zeros(len(inside)), np.full(len(inside), np.inf)
    low, high = max(int(when[0]) - AROUND, 0), min(int(when[-1]) + AROUND + 1, days)
    part = slice(low, high)
    far = np.maximum(np.maximum(when[0] - np.arange(low, high), np.arange(low, high) - when[-1]), 0)
    near = np.where(schedule.ordinary[:, part] & (counted.exposure[:, part] > 0), 0.5 ** (far / HALF_LIFE), 0.0)
    used = inside[:, part] & (counted.exposure[:, part] > 0)
    usual, base = ((near * measure[:, part]).sum(axis=1) for measure in (counted.count, counted.exposure))
    promised = (used * counted.exposure[:, part]).sum(axis=1) * (usual + 0.5) / np.maximum(base, 1e-300)
    came = (used * counted.count[:, part]).sum(axis=1)
    enough = (base > 0) & used.any(axis=1)
    weight = np.maximum(near.sum(axis=1), 1e-300)
    even = np.divide((near**2).sum(axis=1), weight**2, out=np.ones(len(near)), where=enough)
    moved = WANDER**2 * ((near * far).sum(axis=1) / weight + 0.5 * when.size)
    noise = 1.0 / np.maximum(promised, 0.5) + 1.0 / (usual + 0.5) + moved
    noise += counted.excess * (even + 1.0 / np.maximum(used.sum(axis=1), 1))
    ratio = np.log((came + 0.5) / (promised + 0.5))
    return np.where(enough, ratio, 0.0), np.where(enough, noise, np.inf)


def _events(
    occasions: Sequence[Occasion], found: FloatArray, error: FloatArray, size: float
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return what is expected of each occurrence's event, b: mean, variance and occurrences seen, each (O,)."""
    names = [(occasion.name, occasion.kind) for occasion in occasions]
    guessed = {name: _guess(occasions, name) if size == 1.0 else None for name in names}
    prior = {name: _prior(guess, size) for name, guess in guessed.items()}
    between = (size * YEARS) ** 2
    seen = {name: [i for i, other in enumerate(names) if other == name and error[i] < _UNSEEN] for name in names}
    for kind in {kind for _, kind in names if kind}:
        members = [name for name in dict.fromkeys(names) if name[1] == kind]
        precise = [1.0 / (error[i] + between + (size * ALIKE) ** 2) for name in members for i in seen[name]]
        total = sum(w * found[i] for w, i in zip(precise, (i for n in members for i in seen[n]), strict=True))
        precise.append((size * UNKNOWN) ** -2)
        mean, variance = total / sum(precise), 1.0 / sum(precise)
        prior |= {name: (mean, variance + (size * ALIKE) ** 2) for name in members if guessed[name] is None}
    posterior = {}
    for name in prior:
        mean, variance = prior[name]
        precise = [1.0 / (error[i] + between) for i in seen[name]]
        total = mean / variance + sum(w * found[i] for w, i in zip(precise, seen[name], strict=True))
        posterior[name] = total / (1.0 / variance + sum(precise)), 1.0 / (1.0 / variance + sum(precise))
    count = np.array([len(seen[name]) for name in names], dtype=np.int64)
    both = np.array([posterior[name] for name in names]).reshape(-1, 2)
    return both[:, 0], both[:, 1], count


_UNSEEN: Final = 1e9


def _guess(occasions: Sequence[Occasion], name: tuple[str, str]) -> float | None:
    """The factor that a person expects of an event, the last one said."""
    said = [o.guess for o in occasions if (o.name, o.kind) == name and o.guess is not None]
    return said[-1] if said else None


def _prior(guess: float | None, size: float) -> tuple[float, float]:
    return (0.0, (size * UNKNOWN) ** 2) if guess is None else (float(np.log(guess)), GUESSED**2)


def _targets(
    occasions: Sequence[Occasion], rest: FloatArray, noise: FloatArray, size: float
) -> tuple[FloatArray, FloatArray]:
    """Return how each target differs under an event, t: mean and variance, each (O, K), alike for one name."""
    names = [occasion.name for occasion in occasions]
    precise = 1.0 / (noise + (size * YEARS) ** 2)
    mean, variance = np.zeros_like(rest), np.zeros_like(rest)
    for name in dict.fromkeys(names):
        rows = [i for i, other in enumerate(names) if other == name]
        total = precise[rows].sum(axis=0) + (size * TARGETS) ** -2
        mean[rows] = (precise[rows] * rest[rows]).sum(axis=0) / total
        variance[rows] = 1.0 / total
    return mean, variance
