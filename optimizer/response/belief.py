"""What is believed of every target's response on one day, and the questions that a plan asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np

from optimizer.plan.problem import Outcome
from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.counts import Counts
from optimizer.response.curves import LARGEST, SMALLEST, Cells, place, relative
from optimizer.response.delivery import Deliveries, Supply, averaged
from optimizer.response.history import BoolArray, blocks
from optimizer.response.maturity import Maturity
from optimizer.response.memory import Memory
from optimizer.response.occasions import Effects, Factor
from optimizer.response.rates import RatePosterior, choose
from optimizer.response.scales import State, weights
from optimizer.response.worth import Worth

KNOTS: Final = np.arange(np.log(2e-3), np.log(LARGEST) + 0.06, 0.06)
"""Log spends over x_ref between which expected curves are straight lines of spend, shape (Q,)."""

_TOGETHER: Final = 64
"""Targets near their supply whose worlds are worked out at once."""

_SUMS: Final = np.array([-0.4, -0.25, -0.1, 0.0, 0.1, 0.2, 0.35, 0.5, 0.7])
"""Elasticities of a whole funnel, on which those of its two rates are added up."""


@dataclass(frozen=True, slots=True, eq=False)
class CurvePosterior:
    """Response curves: cells with weights, a Gamma scale in each, and the rates from volume to conversions.

        conversions a day = scale g_j(x) . r1 g_j(x)^-e1 . r2 g_j(x)^-e2

    Attributes:
        cells: The J cells.
        reference: x_ref, shape (K,).
        weights: Posterior probability of each cell, shape (K, J).
        alpha: Gamma shape of the scale, shape (K,).
        beta: Gamma rate, shape (K, J).
        rates: Clicks per impression and conversions per click, independent of the curve and of each other.
        mean, variation: Of conversions a day at `KNOTS`: expectation, and standard deviation over it, shape (K, Q).
    """

    cells: Cells
    reference: FloatArray
    weights: FloatArray
    alpha: FloatArray
    beta: FloatArray
    rates: tuple[RatePosterior, ...]
    mean: FloatArray
    variation: FloatArray

    @classmethod
    def of(
        cls, cells: Cells, reference: FloatArray, state: State, log_prior: FloatArray, rates: tuple[RatePosterior, ...]
    ) -> CurvePosterior:
        """Put a folded state, the log prior of its cells (K, J) and the rates together.

        Raises:
            ValueError: The shapes differ, or a number is not finite.
        """
        probability = weights(state.evidence, log_prior)
        shape = (len(reference), len(cells.slope))
        if probability.shape != shape or state.beta.shape != shape or state.alpha.shape != shape[:1]:
            raise ValueError(f"weights, rates and shapes must be {shape}, {shape} and {shape[:1]}")
        if not (np.isfinite(probability).all() and np.isfinite(state.beta).all() and (state.alpha > 0).all()):
            raise ValueError("a belief must be finite, its Gamma shapes positive")
        first, second = _expected(cells, probability, state, rates)
        variation = np.sqrt(np.maximum(second / np.maximum(first, 1e-300) ** 2 - 1.0, 0.0))
        return cls(cells, reference, probability, state.alpha, state.beta, rates, first, variation)

    def raw_moments(self, spend: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return E and E of the square of expected conversions a day at spends (K, P), each of shape (K, P)."""
        u = spend / self.reference[:, None]
        # Between knots a straight line of spend; below the first one towards nothing at zero.
        log_u = np.log(np.maximum(u, 1e-300))
        left = np.clip(((log_u - KNOTS[0]) / (KNOTS[1] - KNOTS[0])).astype(np.int64), 0, KNOTS.size - 2)
        ends = np.exp(KNOTS)
        share = np.clip((u - ends[left]) / (ends[left + 1] - ends[left]), 0.0, 1.0)
        first = _between(self.mean, left, share) * np.minimum(u / ends[0], 1.0)
        # The deviation over the mean is smooth; straight lines of the second moment would swell between the knots.
        return first, first**2 * (1.0 + _between(self.variation, left, share) ** 2)

    def sample(self, n: int, rng: np.random.Generator) -> Drawn:
        """Draw n whole curves of each target."""
        cell = choose(self.weights, n, rng)
        rows = np.arange(len(self.reference))
        level = rng.standard_gamma(self.alpha, (n, rows.size)) / self.beta[rows, cell]
        exponent = np.ones_like(level)
        for rate in self.rates:
            drawn, elasticity = rate.draws(n, rng)
            level, exponent = level * drawn, exponent - elasticity
        return Drawn(self.cells, self.reference, cell, level, np.clip(exponent, 1.0 - _SUMS[-1], 1.0 - _SUMS[0]))

    def draws(self, spend: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n whole curves of conversions a day at spends (K, P), shape (n, K, P)."""
        return self.sample(n, rng).at(spend)

    def take(self, rows: IntArray) -> CurvePosterior:
        """Return what is believed of some targets."""
        rates = tuple(rate.take(rows) for rate in self.rates)
        own = (self.reference[rows], self.weights[rows], self.alpha[rows], self.beta[rows])
        return CurvePosterior(self.cells, *own, rates, self.mean[rows], self.variation[rows])

    def likeliest(self, spend: FloatArray, cells: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return what the likeliest cells of each target bring, how likely they are, and the volume to be expected.

        Args:
            spend: Positive, shape (K, P).
            cells: How many of each target at most.

        Returns:
            Conversions a day with the rates at their means, (K, P, n); probabilities that sum to one, (K, n); expected
            volume a day, (K, P).
        """
        picked = np.argsort(-self.weights, axis=1, kind="stable")[:, :cells]
        chance = np.take_along_axis(self.weights, picked, axis=1)
        chance = chance / chance.sum(axis=1, keepdims=True)
        level = self.alpha[:, None] / np.take_along_axis(self.beta, picked, axis=1)
        log_g = self.cells.table[place(relative(spend, self.reference))[..., None], picked[:, None, :]]
        volume = np.einsum("kpj,kj->kp", np.exp(log_g), level * chance)
        exponent, scale = np.ones(len(level)), np.ones(len(level))
        for rate in self.rates:
            scale = scale * rate.moments()[0].sum(axis=1)
            exponent = exponent - rate.weights @ rate.elasticity
        exponent = np.clip(exponent, 1.0 - _SUMS[-1], 1.0 - _SUMS[0])
        curves = (scale[:, None] * level)[:, None, :] * np.exp(exponent[:, None, None] * log_g)
        return curves, chance, volume


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """n drawn curves of each of K targets, to be read at any spends: level g(x / x_ref)^exponent.

    Attributes:
        cells: The grid of shapes.
        reference: x_ref, shape (K,).
        cell: Each curve's shape, shape (n, K).
        level: What each brings at the reference spend, shape (n, K).
        exponent: 1 less the elasticities of the rates, shape (n, K).
    """

    cells: Cells
    reference: FloatArray
    cell: IntArray
    level: FloatArray
    exponent: FloatArray

    def times(self, factor: FloatArray) -> Drawn:
        """Return the curves, each a multiple of itself, shape (n, K)."""
        return replace(self, level=self.level * factor)

    def at(self, spend: FloatArray) -> FloatArray:
        """Return what the curves bring at spends (K, P), shape (n, K, P)."""
        log_u = relative(spend, self.reference)
        curves = np.empty((len(self.level), *spend.shape))
        for part in blocks(len(self.reference)):
            shape = self.cells.drawn(log_u[part], self.cell[:, part])
            shape *= self.exponent[:, part, None]
            np.multiply(np.exp(shape, out=shape), self.level[:, part, None], out=curves[:, part])
        curves[:, ~(spend > 0)] = 0.0
        return curves

    def at_each(self, spend: FloatArray, rows: IntArray) -> FloatArray:
        """Return what some targets' curves bring, each at spends of its own, shape (n, rows, P) to the same."""
        u = spend / self.reference[rows, None]
        shape = self.cells.log_shape(np.log(np.clip(u, SMALLEST, LARGEST)), self.cell[:, rows, None])
        curves: FloatArray = np.exp(shape * self.exponent[:, rows, None]) * self.level[:, rows, None]
        return np.where(spend > 0, curves, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Worlds:
    """n drawn worlds: the curve of each target, and how much of a budget is delivered there.

    Attributes:
        curves: By delivered spend.
        deliveries: By budget.
    """

    curves: Drawn
    deliveries: Deliveries

    def at(self, budget: FloatArray) -> FloatArray:
        """Return what budgets (K, P) bring a day, shape (n, K, P)."""
        supply = self.deliveries.supply
        brought = self.curves.at(supply.wanted(budget))
        reached = supply.within_reach(budget)
        for low in range(0, reached.size, _TOGETHER):
            rows = reached[low : low + _TOGETHER]
            days = [self.curves.at_each(spend, rows) for spend in self.deliveries.on_days(budget, rows)]
            brought[:, rows] = sum(days) / len(days)
        return brought

    def delivered(self, budget: FloatArray) -> FloatArray:
        """Return what budgets (K, P) spend a day, shape (n, K, P)."""
        return self.deliveries.delivered(budget)


def _between(table: FloatArray, left: IntArray, share: FloatArray) -> FloatArray:
    low = np.take_along_axis(table, left, axis=1)
    line: FloatArray = low + share * (np.take_along_axis(table, left + 1, axis=1) - low)
    return line


def _expected(
    cells: Cells, probability: FloatArray, state: State, rates: tuple[RatePosterior, ...]
) -> tuple[FloatArray, FloatArray]:
    """Return E and E of the square at `KNOTS`, each (K, Q).

    With u_e the probability of a summed elasticity e and m_j = alpha / beta_j,
    E = sum_j w_j m_j sum_e u_e E(r | e) g_j^(1 - e); squares alike with (alpha + 1) / alpha.
    """
    mean = state.alpha[:, None] / state.beta
    once, twice = probability * mean, probability * mean**2 * (1.0 + 1.0 / state.alpha[:, None])
    log_g = cells.log_shape(KNOTS)
    first = np.zeros((len(mean), KNOTS.size))
    second = np.zeros_like(first)
    for elasticity, (rate, square) in zip(_SUMS, _summed(rates, len(mean)), strict=True):
        if rate.any():
            first += rate[:, None] * (once @ np.exp((1.0 - elasticity) * log_g).T)
            second += square[:, None] * (twice @ np.exp(2.0 * (1.0 - elasticity) * log_g).T)
    return first, np.maximum(second, first**2)


def _summed(rates: tuple[RatePosterior, ...], targets: int) -> list[tuple[FloatArray, FloatArray]]:
    """Return, for each of `_SUMS`, probability x rate and probability x square of the product of the rates, (K,).

    A sum that lies between two of them is shared out to both in proportion.
    """
    exponents = np.zeros(1)
    first, second = np.ones((targets, 1)), np.ones((targets, 1))
    for rate in rates:
        mean, square = rate.moments()
        exponents = (exponents[:, None] + rate.elasticity).ravel()
        first = (first[:, :, None] * mean[:, None, :]).reshape(targets, exponents.size)
        second = (second[:, :, None] * square[:, None, :]).reshape(targets, exponents.size)
    held = np.clip(exponents, _SUMS[0], _SUMS[-1])
    left = np.clip(np.searchsorted(_SUMS, held, side="right") - 1, 0, _SUMS.size - 2)
    share = (held - _SUMS[left]) / (_SUMS[left + 1] - _SUMS[left])
    onto = np.zeros((exponents.size, _SUMS.size))
    np.add.at(onto, (np.arange(exponents.size), left), 1.0 - share)
    np.add.at(onto, (np.arange(exponents.size), left + 1), share)
    return list(zip((first @ onto).T, (second @ onto).T, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """The posterior of K targets on the morning of `today`.

    Attributes:
        today: The first day that is planned.
        curves: Spend to eventual conversions a day, on a day of mean weekday factor.
        supply: Budget to spend.
        worth: Value per conversion. Where no target of the portfolio reports value its mean is zero, and so are
            all moments and draws of `Outcome.VALUE`; the goals' value per conversion stands in then.
        season: Weekday factors, Monday first, shape (K, 7), mean one.
        excess: phi of var = mu + phi mu^2 of a day's eventual conversions, all steps of the funnel together, (K,).
        delay: Completeness of reported conversions by lag.
        evidence_days: Days with rows, shape (K,).
        conversions_28: Conversions reported so far for the last 28 days, shape (K,).
        spend_28: Spend of those, shape (K,).
        memory: What is left of earlier spend.
        lift: Incremental conversions per attributed one; None where no lift test stands.
        credit: Conversions that an attribution model credits, per claimed one; None where none was reckoned.
        customers: What a new customer brings, currency units; None where that was not reckoned.
        events: What known events do to the conversions of their days, all steps of the funnel together; None where
            no event is known.
        crowds: What of it is volume, which moves the supply too.
    """

    today: date
    curves: CurvePosterior
    supply: Supply
    worth: Worth
    season: FloatArray
    excess: FloatArray
    delay: Maturity
    evidence_days: FloatArray
    conversions_28: FloatArray
    spend_28: FloatArray
    memory: Memory
    lift: Counts | None = None
    credit: Counts | None = None
    customers: Counts | None = None
    events: Effects | None = None
    crowds: Effects | None = None

    @property
    def event(self) -> Factor | None:
        """The factors of `today`; None if it is an ordinary day for all."""
        return None if self.events is None else self.events.on(self.today)

    def factor(self, days: Sequence[date]) -> FloatArray:
        """Return what each day is expected to bring over an ordinary one, weekday and known events, shape (T, K)."""
        events = [None if self.events is None else self.events.on(day) for day in days]
        expected = [1.0 if event is None else event.expected for event in events]
        return np.stack([self.season[:, day.weekday()] * times for day, times in zip(days, expected, strict=True)])

    @property
    def value_reported(self) -> BoolArray:
        """Targets whose own conversions came with a value, shape (K,)."""
        return self.worth.reported

    def delivered(self, budget: FloatArray) -> FloatArray:
        """Return the spend a day to be expected at budgets, today's if it is an event (`delivery`).

        Args:
            budget: Currency units a day, shape (K, P).

        Returns:
            Shape (K, P).
        """
        return self._supply().delivered(self.checked(budget))

    def _raw_moments(self, budget: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return E and E of the square of conversions on an ordinary day at budgets (K, P), each of shape (K, P)."""
        supply = self._supply()
        mean, square = self.curves.raw_moments(supply.wanted(budget))
        rows = supply.within_reach(budget)
        if rows.size:
            most = LARGEST * self.curves.reference[rows, None]
            ends = self.curves.take(rows).raw_moments(np.minimum(supply.ends(rows), most))
            mean[rows], square[rows] = averaged(mean[rows], ends[0]), averaged(square[rows], ends[1])
        return mean, square

    def _supply(self) -> Supply:
        crowd = None if self.crowds is None else self.crowds.on(self.today)
        return self.supply if crowd is None else self.supply.times(crowd.expected)

    def moments(self, budget: FloatArray, outcome: Outcome) -> tuple[FloatArray, FloatArray]:
        """Return posterior mean and standard deviation of the expected outcome a day, averaged over a week.

        With m_j = alpha / beta_j g_j(x): mean = sum_j w_j m_j, second moment = sum_j w_j m_j^2 (alpha + 1) / alpha,
        averaged over where the supply may end. Value multiplies by the value per conversion, independent of the curve;
        where today is an event, all multiply by its factor.

        Args:
            budget: Currency units a day, shape (K, P).
            outcome: What is counted.

        Returns:
            Two arrays of shape (K, P); the mean never falls with the budget.
        """
        mean, square = self._raw_moments(self.checked(budget))
        if (event := self.event) is not None:
            mean, square = mean * event.expected[:, None], square * event.square[:, None]
        match outcome:
            case Outcome.CONVERSIONS:
                pass
            case Outcome.VALUE:
                mean = mean * self.worth.mean[:, None]
                square = square * self.worth.square[:, None]
        return mean, np.sqrt(np.maximum(square - mean**2, 0.0))

    def draws(self, budget: FloatArray, outcome: Outcome, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw n curves of the expected outcome a day per target, each whole: one curve across its P budgets.

        Args:
            budget: Currency units a day, shape (K, P).
            outcome: What is counted.
            n: Number of draws.
            rng: Source of randomness.

        Returns:
            Shape (n, K, P), independent between targets.
        """
        return self.sample(outcome, n, rng).at(self.checked(budget))

    def ordinary(self, n: int, rng: np.random.Generator) -> Worlds:
        """Draw n worlds of conversions on a day without an event: curves and deliveries, independent by target."""
        return Worlds(self.curves.sample(n, rng), self.supply.sample(n, rng))

    def sample(self, outcome: Outcome, n: int, rng: np.random.Generator) -> Worlds:
        """Draw n worlds of the expected outcome of today: whole curves and deliveries, independent by target."""
        curves = self.curves.sample(n, rng)
        if (event := self.event) is not None:
            curves = curves.times(event.draws(n, rng))
        match outcome:
            case Outcome.CONVERSIONS:
                pass
            case Outcome.VALUE:
                curves = curves.times(self.worths(n, rng))
        return Worlds(curves, self._supply().sample(n, rng))

    def worths(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw the value of a conversion of each target, shape (n, K), independent of the curves."""
        sd = self.worth.sd
        return self.worth.mean * np.exp(sd * rng.standard_normal((n, len(sd))) - 0.5 * sd**2)

    def likeliest(self, budget: FloatArray, cells: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return conversions a day by the likeliest shapes, their probabilities, and the noise of a day's look.

        Args:
            budget: Currency units a day, positive, shape (K, P).
            cells: How many shapes of each target at most.

        Returns:
            Shapes (K, P, n), (K, n) and (K, P); the noise is the standard deviation of the log of what one day's
            volume shows of the curve.
        """
        curves, chance, volume = self.curves.likeliest(np.maximum(self.delivered(budget), 1e-9), cells)
        later = np.prod([1.0 + rate.excess for rate in self.curves.rates], axis=0)
        shocks = np.maximum((1.0 + self.excess) / later - 1.0, 0.0)
        return curves, chance, np.sqrt(shocks[:, None] + 1.0 / np.maximum(volume, 1e-3))

    def expected(self, spend: FloatArray, day: date, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw the expected eventual conversions of one day: its weekday, its event, and what is felt of earlier spend.

        Args:
            spend: Delivered on the day, shape (K,).
            day: `today`, or one near it: earlier spend is felt as on `today`.
            n: Number of draws.
            rng: Source of randomness.

        Returns:
            Shape (n, K).
        """
        felt = self.memory.felt(spend)
        mean: FloatArray = self.curves.draws(felt[:, None], n, rng)[..., 0] * self.season[:, day.weekday()]
        event = None if self.events is None else self.events.on(day)
        return mean if event is None else mean * event.draws(n, rng)

    def predict(self, spend: FloatArray, day: date, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw the eventual conversions of one day, noise included: what a check of calibration compares with.

        Args:
            spend: Delivered on the day, shape (K,).
            day: Its weekday and its event count.
            n: Number of draws.
            rng: Source of randomness.

        Returns:
            Whole counts, shape (n, K).
        """
        mean, shape = self.expected(spend, day, n, rng), 1.0 / self.excess
        counts: FloatArray = rng.poisson(mean * rng.standard_gamma(shape, mean.shape) / shape).astype(np.float64)
        return counts

    def maturity(self, lag: IntArray) -> FloatArray:
        """Return the share of eventual conversions that is reported `lag` days after a day.

        Args:
            lag: Whole days >= 0, shape (D,); the day before `today` has lag 1.

        Returns:
            Shape (K, D).
        """
        return self.delay.at(lag)

    def checked(self, budget: FloatArray) -> FloatArray:
        """Return budgets, if they are numbers of this belief's targets.

        Raises:
            ValueError: They are not of shape (K, P), or one is negative or not finite.
        """
        if budget.ndim != 2 or len(budget) != len(self.excess):
            raise ValueError(f"budgets must be ({len(self.excess)}, P), not {budget.shape}")
        if not np.isfinite(budget).all() or (budget < 0).any():
            raise ValueError("budgets must be finite and not negative")
        return budget
