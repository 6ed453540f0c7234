"""The front of the room: from daily rows of ads to what is believed of each and the share that it deserves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bandits import crossed, dispersion, limits, pooling
from bandits.dispersion import Dispersion
from bandits.evidence import Evidence, answered, daily_exposure, gather, refuse_negative
from bandits.groups import BoolArray, FloatArray, Groups, IntArray
from bandits.labels import Labels
from bandits.policy import Advice, Outlook, Part, Policy, TemperedThompson, share_out
from bandits.pooling import Hyperprior, Rates
from bandits.posterior import GammaPoisson


@dataclass(frozen=True, slots=True)
class BanditSettings:
    """How arms are learnt from and shared between.

    Attributes:
        gamma: What a day's evidence keeps of its weight each day, in (0, 1].
        temper: Factor on the sd of what can still be learnt when shares are drawn, in [0, 1]; 0 is greedy.
        horizon: Days ahead over which learning is to pay: about as long as a creative runs, >= 0.
        floor: Least share of a new arm, as a part of an equal share, in [0, 1].
        new_below: An arm is new until this many successes were to be expected of it at its group's rate.
        enough_from: The same, for the evidence to be enough to prefer an arm or not; until then it keeps a floor that
            falls as evidence comes in.
        largest_step: Largest absolute change of an arm's share from one day to the next, in (0, 1].
        draws: Joint posterior draws behind the shares; a share's Monte Carlo error is at most .5 / sqrt(draws).
        hyperprior: Of the pooled prior.
        policy: What turns belief into shares; None is tempered Thompson sampling with `temper` and `horizon`.

    Raises:
        ValueError: A setting is out of its range.
    """

    gamma: float = 0.99
    temper: float = 0.4
    horizon: float = 14.0
    floor: float = 0.05
    new_below: float = 1.0
    enough_from: float = 5.0
    largest_step: float = 0.7
    draws: int = 400
    hyperprior: Hyperprior = field(default_factory=Hyperprior)
    policy: Policy | None = None

    def __post_init__(self) -> None:
        for name in ("temper", "floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        for name in ("gamma", "largest_step"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, not {getattr(self, name)}")
        for name in ("horizon", "new_below", "enough_from"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be finite and not negative, not {getattr(self, name)}")
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1, not {self.draws}")

    @property
    def rule(self) -> Policy:
        """The policy that is meant."""
        return self.policy or TemperedThompson(self.temper, self.horizon)


@dataclass(frozen=True, slots=True, eq=False)
class ArmBelief:
    """What is believed of A arms, each array of shape (A,).

    Attributes:
        mean: Posterior mean of successes per unit of exposure.
        low90, high90: Ends of its central 90% interval.
        p_best: Posterior probability that the arm is the best of those of its group that run; 0 of a retired one.
        share: The advised share of the group, and the propensity to log once it is in force; 0 of a retired one.
        enough: Whether the evidence is enough to prefer the arm or not.
        posterior: The arms' marginal posteriors, to be multiplied by others (`products`).
        dispersion: What single days were found to vary beyond chance.
    """

    mean: FloatArray
    low90: FloatArray
    high90: FloatArray
    p_best: FloatArray
    share: FloatArray
    enough: BoolArray
    posterior: GammaPoisson
    dispersion: Dispersion


def believe(
    exposure: FloatArray,
    successes: FloatArray,
    *,
    group: IntArray,
    age: FloatArray,
    maturity: FloatArray,
    share_now: FloatArray,
    rng: np.random.Generator,
    settings: BanditSettings | None = None,
    labels: Labels | None = None,
    retired: BoolArray | None = None,
    pinned: FloatArray | None = None,
) -> ArmBelief:
    """Learn the rate of every arm from its days and its peers, and share out each group.

    Args:
        exposure: Impressions (or clicks, or spend) a day, shape (A, T); nan where there is no row.
        successes: Conversions (or clicks) reported so far, shape (A, T); see `evidence.gather` for gaps,
            fractions and conversions taken back.
        group: Label of each arm's group, such as its campaign; ascending, shape (A,).
        age: Days since each column's day, shape (T,).
        maturity: What is reported by now of a day's successes over what will stand in the end, finite and >= 0, shape
            (T,) or (A, T); above one where a platform takes successes back.
        share_now: Share of its group's delivery that each arm has now, shape (A,); a group is scaled to a sum of 1 over
            the arms that run, and one that is 0 throughout is taken to be starting, free of `largest_step`.
        rng: Drawn from; the same state gives the same belief.
        settings: The defaults of `BanditSettings` if None.
        labels: Creatives, audiences and families that arms have in common; None if arms share nothing but the group.
        retired: Arms that have stopped, shape (A,): the group learns from them, and they get no share. None: all run.
        pinned: Shares that a person fixed, nan where an arm is free, shape (A,); None for no pins.

    Raises:
        ValueError: An argument is not as above; names the arm where there is one.
    """
    settings, labels = settings or BanditSettings(), labels or Labels()
    groups = Groups.of(group)
    runs = np.ones(groups.arms, dtype=np.bool_) if retired is None else ~retired
    evidence = gather(exposure, successes, age=age, maturity=maturity, gamma=settings.gamma)
    for name, values in (("exposure", evidence.exposure), ("share_now", share_now), ("retired", runs)):
        if values.shape != (groups.arms,):
            raise ValueError(f"group names {groups.arms} arms, {name} has {values.shape[:1]}")
    refuse_negative(share_now, "share_now")
    labels.check(np.asarray(group))
    sway = dispersion.measure(exposure, successes, groups, maturity)
    folded, weight = answered(exposure, successes, maturity), settings.gamma**age
    worth = sway.worth(folded, weight, _crude_rate(evidence, groups))
    plain = gather(exposure, successes, age=age, maturity=maturity, gamma=1.0)
    rates = learn_rates(evidence.weighed(worth), plain.weighed(worth), groups, labels, settings.hyperprior)
    posterior = pooling.swayed(rates.arms(), groups.spread(sway.of_levels(folded, weight, groups)))
    low, high = posterior.interval(0.9)
    daily = groups.spread(daily_exposure(exposure, groups, age, settings.gamma) / _at_least_one(groups, runs))
    expected = rates.evidence.exposure * rates.group_rate
    running = Groups.of(groups.index[runs])
    marginal = GammaPoisson(posterior.shape[runs], posterior.rate[runs])
    outlook = Outlook(running, marginal, Part(rates, runs), (worth * daily)[runs])
    advice = share_out(settings.rule, outlook, settings.draws, rng)
    pins = None if pinned is None else pinned[runs]
    p_best, share = np.zeros(groups.arms), np.zeros(groups.arms)
    p_best[runs] = advice.p_best
    share[runs] = _limited(advice, running, expected[runs], share_now[runs], pins, settings)
    enough = expected >= settings.enough_from
    return ArmBelief(posterior.mean, low, high, p_best, share, enough, posterior, sway)


def learn_rates(evidence: Evidence, plain: Evidence, groups: Groups, labels: Labels, hyperprior: Hyperprior) -> Rates:
    """Learn the prior and the joint posterior of the arms' rates, through common labels where they tell anything.

    Args:
        evidence: What the rates are learnt from, shape (A,).
        plain: The same without forgetting, from which the prior is learnt. Discounted counts vary less than their mean
            (sum g^2 m of sum g m), and arms would look too alike.
        groups: Of the A arms.
        labels: Of the A arms.
        hyperprior: Of the prior.
    """
    pool = pooling.learn_pool(plain, groups, hyperprior)
    factors = crossed.telling(groups, labels.factors)
    if not factors:
        return pooling.condition(evidence, groups, pool)
    division = crossed.learn_division(plain, groups, factors, pool)
    return crossed.condition(evidence, groups, factors, pool, division)


def _crude_rate(evidence: Evidence, groups: Groups) -> FloatArray:
    """Successes over exposure of each arm's whole group, 0 without exposure, shape (A,)."""
    return groups.spread(_ratio(groups.sum(evidence.successes), groups.sum(evidence.exposure)))


def _ratio(values: FloatArray, over: FloatArray) -> FloatArray:
    return np.divide(values, over, out=np.zeros_like(values), where=over > 0)


def _at_least_one(groups: Groups, runs: BoolArray) -> FloatArray:
    """Number of arms that run in each group, or 1 where none does, shape (G,)."""
    return np.maximum(groups.sum(runs.astype(np.float64)), 1.0)


def _limited(
    advice: Advice,
    groups: Groups,
    expected: FloatArray,
    share_now: FloatArray,
    pinned: FloatArray | None,
    settings: BanditSettings,
) -> FloatArray:
    """Hold the shares of the arms that run to floors, the largest step and pins."""
    total = groups.spread(groups.sum(share_now))
    return limits.within_limits(
        advice.share,
        groups,
        floor=limits.floors(
            expected, groups, floor=settings.floor, new_below=settings.new_below, enough_from=settings.enough_from
        ),
        share_now=share_now / np.where(total > 0, total, 1.0),
        largest_step=settings.largest_step,
        pinned=pinned,
    )
