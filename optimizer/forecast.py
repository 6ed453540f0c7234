"""What budgets would bring, in the objective's own unit: the belief seen through the marketer's goals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer import knowledge
from optimizer.goals import Counting, Explore, Goals, Valuing
from optimizer.knowledge import Question
from optimizer.plan.problem import Outcome
from optimizer.plan.recommendation import Objective
from optimizer.plan.snapshot import FloatArray
from optimizer.response import Belief
from optimizer.response.belief import Worlds
from optimizer.response.counts import Counts

BoolArray = npt.NDArray[np.bool_]

HOPE: Final = 0.5
"""Posterior standard deviations that optimism adds to the mean."""

MOST_HOPE: Final = 2.0
"""Bound on the optimism about a budget, as a multiple of what it is expected to bring; the evidence for it
is mixed (docs/benchmarks.md)."""

_LEAST_STEP, _MOST_FALL = 0.02, 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Posterior of the objective per day as a function of the daily budgets.

    Budgets are arrays of shape (K, P) in currency units: P candidate budgets for each of K targets.

    Attributes:
        current: The live budgets, shape (K,).
        hope: Part of the bonus for what is uncertain that counts, 0 to 1.
        world: Seed of the draws that exploring rests on.
        owed: What each target costs per conversion, shape (K,), where it is paid by outcomes and not by what is
            delivered; nan elsewhere, None for none (`goals.owed`).
    """

    belief: Belief
    goals: Goals
    current: FloatArray
    hope: float = 1.0
    world: int = 0
    owed: FloatArray | None = None

    @property
    def hopes(self) -> bool:
        """Whether uncertainty counts for a budget."""
        return self.hope > 0.0 and self.goals.explore is not Explore.NONE

    def moments(self, budget: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return posterior mean and standard deviation of the objective per day, each (K, P)."""
        mean, sd = self._of(budget)
        brought, cost = self.scale * mean, self.cost(budget)
        left = np.divide(brought - cost, brought, out=np.zeros_like(brought), where=brought > 0.0)
        # What is paid by outcomes varies with them, and so takes its part off what is uncertain, too.
        return brought - cost, self.scale * sd * np.where(self.by_outcome, np.abs(left), 1.0)

    def draws(self, budget: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
        """Return posterior draws of the objective per day, shape (n, K, P); one draw is one whole curve per target."""
        return self.sample(n, rng).at(budget)

    def sample(self, n: int, rng: np.random.Generator) -> Draws:
        """Draw n worlds, to be asked about any budgets."""
        worlds = self.belief.sample(self.outcome, n, rng)
        factors = [counts.draws(n, rng) for counts in self.counted]
        return Draws(self, worlds, np.prod(factors, axis=0) if factors else np.ones(()))

    def net(self, worlds: Worlds, counts: FloatArray, budget: FloatArray) -> FloatArray:
        """Return the objective of drawn worlds whose outcomes count so much each, (n, K) or (), less what it costs."""
        drawn = worlds.at(budget)
        brought = self.scale * drawn * counts[..., None]
        if self.goals.objective is not Objective.PROFIT:
            return brought
        cost, owed = worlds.delivered(budget), self.by_outcome
        if owed.any():
            mean = self.belief.moments(budget, self.outcome)[0]
            part = np.divide(drawn, mean, out=np.ones_like(drawn), where=mean > 0.0)
            cost = np.where(owed, self.cost(budget) * part, cost)
        return brought - cost

    def brought(self, budget: FloatArray) -> FloatArray:
        """Return the expected objective per day before its cost, shape (K, P)."""
        value: FloatArray = self.scale * self._of(budget)[0]
        return value

    @property
    def claims(self) -> Counts | None:
        """What a claimed conversion counts, by `counts` of the goals; None where all count, or nothing is known."""
        match self.goals.counts:
            case Counting.ATTRIBUTED:
                return None
            case Counting.INCREMENTAL:
                return self.belief.lift
            case Counting.CREDITED:
                return self.belief.credit

    @property
    def customers(self) -> Counts | None:
        """What a conversion brings, where it counts as a new customer and that is known; None else."""
        return self.belief.customers if self.goals.value is Valuing.LIFETIME else None

    def utility(self, budget: FloatArray) -> FloatArray:
        """Return what the allocator maximises, shape (K, P): the objective with what `explore` hopes for on top.

        The mean plus `hope` times a bonus: of `optimistic` half a posterior standard deviation, but no more than
        twice the mean (of what was never tried, the deviation is a large multiple of it); of `knowledge-gradient` what
        a look there is worth (`optimizer.knowledge`); of `thompson` the way to one posterior draw, the same in every
        question of one decision; of `none` nothing. The default is chosen by benchmarks (docs/models.md).
        """
        mean = self.moments(budget)[0]
        if not self.hopes:
            return mean
        cost = self.cost(budget)
        return np.maximum.accumulate(mean + self.hope * self._bonus(budget) + cost, axis=1) - cost

    def _bonus(self, budget: FloatArray) -> FloatArray:
        world = np.random.default_rng(self.world)
        match self.goals.explore:
            case Explore.NONE:
                return np.zeros_like(budget)
            case Explore.OPTIMISTIC:
                mean, sd = self.moments(budget)
                return np.minimum(HOPE * sd, MOST_HOPE * np.maximum(mean + self.cost(budget), 0.0))
            case Explore.THOMPSON:
                drawn: FloatArray = self.draws(budget, 1, world)[0]
                return drawn - self.moments(budget)[0]
            case Explore.KNOWLEDGE_GRADIENT:
                at = knowledge.spaced(budget[:, 0], budget[:, -1])
                total = float(self.current.sum()) if self.goals.total is None else self.goals.total.micros / 1e6
                price = knowledge.money(at, self.brought(at) - self.cost(at), total)
                return knowledge.bonus(self.question(at, np.full(len(at), price)), budget)

    def question(self, at: FloatArray, price: FloatArray) -> Question:
        """Return what is believed at positive budgets (K, P), for looks and trials.

        Args:
            at: Rising along the second axis, shape (K, P).
            price: What a unit of each target's budget takes from the others, shape (K,).
        """
        curves, chance, noise = self.belief.likeliest(at, knowledge.CELLS)
        mean = np.einsum("kpj,kj->kp", curves, chance)
        step = max(self.goals.largest_step, _LEAST_STEP)
        return Question(
            at=at,
            curves=curves * (self.brought(at) / np.maximum(mean, 1e-300))[..., None],
            chance=chance,
            cost=self.cost(at),
            noise=noise,
            price=price,
            current=np.maximum(self.current, 1e-9),
            steps=(step, min(step, _MOST_FALL)),
            free=(self.current > 0.0) & (at[:, 0] < at[:, -1]),
        )

    def outcomes(self, budget: FloatArray, which: Collection[Outcome] = tuple(Outcome)) -> Mapping[Outcome, FloatArray]:
        """Return the expected conversions and value per day, each (K, P), that ROAS and CPA rows count."""
        return {outcome: self._expected(budget, outcome) for outcome in which}

    def outcome_draws(self, budget: FloatArray, outcome: Outcome, n: int, rng: np.random.Generator) -> FloatArray:
        """Return draws of conversions or value per day, shape (n, K, P)."""
        if outcome is Outcome.CONVERSIONS:
            return self.belief.draws(budget, outcome, n, rng)
        drawn = self._value_scale * self.belief.draws(budget, self._value_outcome, n, rng)
        return drawn if self.customers is None else drawn * self.customers.draws(n, rng)[..., None]

    def billed(
        self, budget: FloatArray, outcome: Outcome, by_value: BoolArray, n: int, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Return draws of the spend a day, and of conversions or value in the same worlds, each of shape (n, K, P).

        What is paid by outcomes costs what comes of it: so much per drawn conversion, or a share of the drawn value.

        Args:
            budget: Currency units a day, shape (K, P).
            outcome: What is drawn beside the spend.
            by_value: Which targets are paid by a share of the value, shape (K,).
            n: Number of draws.
            rng: Source of randomness.
        """
        worlds = self.belief.sample(Outcome.CONVERSIONS, n, rng)
        drawn = worlds.at(budget)
        spend, brought = worlds.delivered(budget), drawn
        valued = outcome is Outcome.VALUE and self._value_outcome is Outcome.VALUE
        worth = self.belief.worths(n, rng)[..., None] if valued else np.ones((1, len(budget), 1))
        if self.owed is not None:
            # `owed` of a share of the value counts the value that is expected of a conversion.
            mean = self.belief.worth.mean[:, None]
            part = np.divide(worth, mean, out=np.ones_like(worth), where=valued & by_value[:, None] & (mean > 0.0))
            owed = self.owed[:, None]
            spend = np.where(np.isfinite(owed), np.nan_to_num(owed) * part * drawn, spend)
        if outcome is Outcome.VALUE:
            brought = self._value_scale * drawn * worth
            brought = brought if self.customers is None else brought * self.customers.draws(n, rng)[..., None]
        return spend, brought

    def marginal(self, budget: FloatArray) -> FloatArray:
        """Return the mean objective's gain per further currency unit at each budget, shapes (K,) -> (K,).

        A central difference over +-2% of the budget, the scale on which platforms spend a day's budget exactly.
        """
        step = np.maximum(0.02 * budget, 1e-6)
        ends = np.stack([np.maximum(budget - step, 0.0), budget + step], axis=1)
        mean = self.moments(ends)[0]
        slope: FloatArray = (mean[:, 1] - mean[:, 0]) / (ends[:, 1] - ends[:, 0])
        return slope

    def _expected(self, budget: FloatArray, outcome: Outcome) -> FloatArray:
        match outcome:
            case Outcome.CONVERSIONS:
                return self.belief.moments(budget, outcome)[0]
            case Outcome.VALUE:
                mean = self._value_scale * self.belief.moments(budget, self._value_outcome)[0]
                return mean if self.customers is None else mean * self.customers.expected[:, None]

    @property
    def outcome(self) -> Outcome:
        """What of the belief the objective is reckoned from."""
        return Outcome.CONVERSIONS if self.goals.objective is Objective.CONVERSIONS else self._value_outcome

    @property
    def _value_outcome(self) -> Outcome:
        fixed = self.goals.value_per_conversion is not None or self.customers is not None
        return Outcome.CONVERSIONS if fixed else Outcome.VALUE

    @property
    def _value_scale(self) -> float:
        fixed = self.goals.value_per_conversion
        return 1.0 if fixed is None or self.customers is not None else fixed.micros / 1e6

    @property
    def scale(self) -> float:
        """What one unit of `outcome` counts before cost and `counted`."""
        match self.goals.objective:
            case Objective.CONVERSIONS:
                return 1.0
            case Objective.REVENUE:
                return self._value_scale
            case Objective.PROFIT:
                return self._value_scale * self.goals.margin

    def _of(self, budget: FloatArray) -> tuple[FloatArray, FloatArray]:
        mean, sd = self.belief.moments(budget, self.outcome)
        for counts in self.counted:
            square = (mean**2 + sd**2) * counts.square[:, None]
            mean = mean * counts.expected[:, None]
            sd = np.sqrt(np.maximum(square - mean**2, 0.0))
        return mean, sd

    @property
    def counted(self) -> tuple[Counts, ...]:
        """What the objective multiplies conversions by, one after the other."""
        worth = None if self.goals.objective is Objective.CONVERSIONS else self.customers
        return tuple(counts for counts in (self.claims, worth) if counts is not None)

    def cost(self, budget: FloatArray) -> FloatArray:
        """Return what of the spend the objective takes off, shape (K, P): of profit all of it."""
        if self.goals.objective is not Objective.PROFIT:
            return np.zeros_like(budget)
        return self.spend(budget)

    def spend(self, budget: FloatArray) -> FloatArray:
        """Return the spend a day to be expected, shape (K, P): what is delivered, or owed for what comes of it."""
        delivered = self.belief.delivered(budget)
        if self.owed is None:
            return delivered
        conversions = self.belief.moments(budget, Outcome.CONVERSIONS)[0]
        owed = self.owed[:, None]
        spent: FloatArray = np.where(np.isfinite(owed), np.nan_to_num(owed) * conversions, delivered)
        return spent

    @property
    def by_outcome(self) -> BoolArray:
        """Which targets the objective takes off what is owed for outcomes, shape (K, 1)."""
        profit = self.goals.objective is Objective.PROFIT
        owed = np.full(len(self.current), np.nan) if self.owed is None or not profit else self.owed
        found: BoolArray = np.isfinite(owed)[:, None]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """The objective in n drawn worlds: whatever is asked of them, they are the same ones.

    Attributes:
        forecast: Whose posterior they are drawn from.
        worlds: What budgets bring in each.
        counts: What a conversion counts in each world, shape (n, K), or 1.
    """

    forecast: Forecast
    worlds: Worlds
    counts: FloatArray

    def at(self, budget: FloatArray) -> FloatArray:
        """Return the objective a day at budgets (K, P), shape (n, K, P)."""
        return self.forecast.net(self.worlds, self.counts, self.forecast.belief.checked(budget))

    def change(self, pair: FloatArray) -> FloatArray:
        """Return by how much more the second of two budgets brings, (K, 2) to (n, K); exactly 0 where equal."""
        brought = self.at(pair)
        return np.where(pair[:, 0] == pair[:, 1], 0.0, brought[..., 1] - brought[..., 0])
