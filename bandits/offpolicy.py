"""What another policy would have brought, from a log whose propensities were written down.

With action a_i, reward r_i and propensity p_i of N logged rows, a target policy pi, and w_i = pi_i(a_i) / p_i:

    IPS     1/N sum w_i r_i                      Horvitz and Thompson (1952), JASA 47, 663-685
    SNIPS   sum w_i r_i / sum w_i                Swaminathan and Joachims (2015), NIPS 28, section 4
    DR      1/N sum [sum_a pi_i(a) q(a) + w_i (r_i - q(a_i))]    Dudik, Langford and Li (2011), ICML 28, section 3

q is a model of the reward: here the mean of each arm, shrunk towards that of all as far as the arms look alike
(`credible`). It is cross-fitted, so that no row is judged by a mean that it is part of (Chernozhukov et al. 2018,
Econometrics Journal 21, C1-C68). IPS and DR are unbiased where every arm that the target chooses had a propensity above
zero; SNIPS is biased by O(1/N).

Rewards that are rare and never below zero, such as clicks, make w r a weighted sum of counts, and the estimate skewed:
the few rows that decide may just be missing. Its interval is that of Fay and Feuer (1997), Statistics in Medicine 16,
791-801: from the gamma distributions with the estimate's mean and variance, and with those of the estimate after one
more rewarded row of the largest weight. With many rewarded rows it is the normal one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import scipy

from bandits import thompson
from bandits.belief import BanditSettings, believe
from bandits.groups import FloatArray, Groups, IntArray

FOLDS: Final = 5
PRIOR_ROWS: Final = 10.0
"""Rows that the mean of all arms counts for in the mean of one, for the greedy policy."""

_NORMAL_95: Final = 1.959964
_TAIL: Final = 0.025
_FEWEST_ROWS, _MOST_ROWS = 1.0, 1e6  # bounds of what the mean of all arms may count for in DR's model
_SUM_OF_SHARES: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """N rows in the order in which they were logged, over A arms.

    Attributes:
        action: The arm that was chosen, 0 to A - 1, shape (N,).
        reward: What it brought, finite, shape (N,).
        propensity: The probability with which the logging policy chose it, in (0, 1], shape (N,).
        arms: A.

    Raises:
        ValueError: A shape or value is not so; names the first row, counted from 0.
    """

    action: IntArray
    reward: FloatArray
    propensity: FloatArray
    arms: int

    def __post_init__(self) -> None:
        if self.action.ndim != 1 or not self.action.shape == self.reward.shape == self.propensity.shape:
            shapes = (self.action.shape, self.reward.shape, self.propensity.shape)
            raise ValueError(f"action, reward and propensity must have one shape (N,), not {shapes}")
        if self.action.size < 2:
            raise ValueError(f"a log needs at least two rows, not {self.action.size}")
        _refuse((self.action < 0) | (self.action >= self.arms), self.action, f"action must be 0 to {self.arms - 1}")
        _refuse(~np.isfinite(self.reward), self.reward, "reward must be finite")
        wrong = ~((self.propensity > 0) & (self.propensity <= 1))
        _refuse(wrong, self.propensity, "propensity must be above 0 and at most 1")

    @property
    def rows(self) -> int:
        """N."""
        return int(self.action.size)

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Which arms were chosen at all, shape (A,)."""
        return np.bincount(self.action, minlength=self.arms) > 0


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """A target policy that stays the same over each of B segments of a log.

    Attributes:
        table: The probability of each arm, shape (B, A); each row sums to 1.
        segment: The segment of each row of the log, 0 to B - 1, shape (N,).

    Raises:
        ValueError: A probability is negative or not finite, a row does not sum to 1, or a segment does not exist.
    """

    table: FloatArray
    segment: IntArray

    def __post_init__(self) -> None:
        if self.table.ndim != 2 or not (np.isfinite(self.table).all() and (self.table >= 0).all()):
            raise ValueError("a target's probabilities must be finite and not negative, of shape (B, A)")
        off = np.abs(self.table.sum(axis=1) - 1.0) > _SUM_OF_SHARES
        _refuse(off, self.table.sum(axis=1), "a target's probabilities must sum to 1")
        _refuse((self.segment < 0) | (self.segment >= len(self.table)), self.segment, "no such segment")

    @classmethod
    def fixed(cls, share: FloatArray, rows: int) -> Self:
        """Build a policy that is the same for all rows from the probabilities of its arms, shape (A,)."""
        return cls(share[np.newaxis], np.zeros(rows, dtype=np.int64))

    def chosen(self, action: IntArray) -> FloatArray:
        """Return the probability that the target gives each logged action, shape (N,)."""
        return self.table[self.segment, action]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean reward per row with its standard error and 95% interval.

    Attributes:
        value: The estimate.
        se: Its standard error.
        counted: The part of it that is a weighted sum of rewards >= 0, whose noise is that of the estimate.
        one_more: What one more rewarded row of the largest weight would add; 0 asks for the normal interval.
    """

    value: float
    se: float
    counted: float = 0.0
    one_more: float = 0.0

    @property
    def low95(self) -> float:
        """Lower end of the 95% interval."""
        if self.one_more == 0:
            return self.value - _NORMAL_95 * self.se
        return self.value - self.counted + _gamma_quantile(self.counted, self.se**2, _TAIL)

    @property
    def high95(self) -> float:
        """Upper end of the 95% interval."""
        if self.one_more == 0:
            return self.value + _NORMAL_95 * self.se
        mean, variance = self.counted + self.one_more, self.se**2 + self.one_more**2
        return self.value - self.counted + _gamma_quantile(mean, variance, 1 - _TAIL)


@dataclass(frozen=True, slots=True)
class Weighting:
    """What importance weights say of a target.

    Attributes:
        ips, snips: The estimates.
        effective: Kish's effective sample size, (sum w)^2 / sum w^2: how many rows of the target's own would say as
            much; 0 where no row has weight.
        rewarded: The same of the rows whose reward is not zero. Below about ten a normal interval is too short: the few
            rows that decide may just be missing.
        mean_weight: Mean of the weights before clipping; 1 but for chance where propensities and target are right and
            the log has every arm that the target chooses.
        largest_weight: The largest before clipping.
        clipped: Share of the rows whose weight was cut.
    """

    ips: Estimate
    snips: Estimate
    effective: float
    rewarded: float
    mean_weight: Estimate
    largest_weight: float
    clipped: float


def logged_value(log: Log) -> Estimate:
    """Return the mean reward of the policy that wrote the log."""
    return _mean(log.reward)


def weigh(log: Log, chosen: FloatArray, clip: float = np.inf) -> Weighting:
    """Estimate a target's value by importance weighting.

    Args:
        log: What was logged.
        chosen: The probability that the target gives each logged action, in [0, 1], shape (N,).
        clip: Weights are cut to this, > 0. A cut lowers the variance, and biases towards what the uncut rows say:
            for rewards >= 0 IPS comes out too low.

    Raises:
        ValueError: A probability is not in [0, 1], or the clip is not above 0.
    """
    raw = _weights(log, chosen)
    weight = _clipped(raw, clip)
    total = float(weight.sum())
    value = float(weight @ log.reward) / total if total > 0 else np.nan
    # Delta method for a ratio of means: Owen, Monte Carlo theory, methods and examples (2013), equation 9.9.
    error = float(np.sqrt(((weight * (log.reward - value)) ** 2).sum())) / total if total > 0 else np.nan
    one_more = _one_more(log, float(weight.max()))
    ips = _mean(weight * log.reward)
    return Weighting(
        ips=Estimate(ips.value, ips.se, ips.value, one_more / log.rows),
        snips=Estimate(value, error, value, one_more / total if total > 0 else 0.0),
        effective=_effective(weight),
        rewarded=_effective(weight[log.reward != 0]),
        mean_weight=_mean(raw),
        largest_weight=float(raw.max()),
        clipped=float((raw > clip).mean()),
    )


def doubly_robust(log: Log, target: Shares, clip: float = np.inf) -> tuple[Estimate, Estimate]:
    """Estimate a target's value, and its gain over the policy that wrote the log, doubly robustly.

    The gain is estimated from the same rows, so that what both have in common cancels. Its interval is the normal one,
    too short where few rows are rewarded: rewards count in it with either sign.

    Args:
        log: Rows that are independent of each other given their propensities.
        target: May have been learnt from earlier rows of the log (`so_far`).
        clip: As in `weigh`; what is cut off here is left to the model of the reward.

    Raises:
        ValueError: The target is of another log, or the clip is not above 0.
    """
    _check_target(log, target)
    weight = _clipped(_weights(log, target.chosen(log.action)), clip)
    fold = np.arange(log.rows) % FOLDS
    terms = np.empty(log.rows)
    for number in range(min(FOLDS, log.rows)):
        held = fold == number
        model = _arm_means(log, ~held)
        expected = (target.table @ model)[target.segment[held]]
        terms[held] = expected + weight[held] * (log.reward[held] - model[log.action[held]])
    value, counted = _mean(terms), float((weight * log.reward).mean())
    one_more = _one_more(log, float(weight.max())) / log.rows
    return Estimate(value.value, value.se, counted, one_more), _mean(terms - log.reward)


def unsupported(log: Log, target: Shares) -> float:
    """Return the share of the target's choices that fall on arms which the log never chose.

    Of these the log says nothing: IPS counts them as zero, SNIPS as the mean of the rest, DR as the mean of all arms.
    """
    _check_target(log, target)
    rows = np.bincount(target.segment, minlength=len(target.table)) / log.rows
    return float(rows @ target.table[:, ~log.seen].sum(axis=1))


def even(log: Log) -> Shares:
    """Return the policy that chooses every arm as often."""
    return Shares.fixed(np.full(log.arms, 1.0 / log.arms), log.rows)


def greedy_so_far(log: Log, batches: int) -> Shares:
    """Return the policy that, in each batch, chooses the arm with the best mean of the batches before.

    The first batch is shared evenly, and so are ties; means are shrunk as for DR, so that one lucky row is not best.

    Raises:
        ValueError: There are fewer rows than batches, or no batch.
    """
    segment = _batches(log, batches)
    counts, sums = _by_batch(log, segment, batches)
    group = Groups.of(np.zeros(log.arms, dtype=np.int64))
    table = np.full((batches, log.arms), 1.0 / log.arms)
    for number in range(1, batches):
        mean = _shrunk(counts[:, :number].sum(axis=1), sums[:, :number].sum(axis=1))
        table[number] = thompson.epsilon_greedy(mean, group, 0.0)
    return Shares(table, segment)


def thompson_so_far(log: Log, batches: int, rng: np.random.Generator, settings: BanditSettings | None = None) -> Shares:
    """Return the shares that `believe` would have advised for each batch, with a batch in the place of a day.

    Each batch is shared out from the log's rows of the batches before, as `believe` reads them: rewards as successes,
    rows as exposure; the first batch is shared evenly.

    Args:
        log: Rewards are counts or parts of counts, not negative.
        batches: How often the shares are set.
        rng: Drawn from.
        settings: The defaults of `BanditSettings` if None.

    Raises:
        ValueError: A reward is negative, there are fewer rows than batches, or no batch.
    """
    _refuse(log.reward < 0, log.reward, "Thompson's rule counts successes; the reward must be 0 or more")
    segment = _batches(log, batches)
    counts, sums = _by_batch(log, segment, batches)
    table = np.full((batches, log.arms), 1.0 / log.arms)
    for number in range(1, batches):
        belief = believe(
            counts[:, :number],
            sums[:, :number],
            group=np.zeros(log.arms, dtype=np.int64),
            age=np.arange(number - 1, -1, -1, dtype=np.float64),
            maturity=np.ones(number),
            share_now=table[number - 1],
            rng=rng,
            settings=settings,
        )
        table[number] = belief.share
    return Shares(table, segment)


def _mean(terms: FloatArray) -> Estimate:
    """Mean of N independent terms; where a target learns as it goes, their spread also holds that of its values."""
    return Estimate(float(terms.mean()), float(terms.std(ddof=1) / np.sqrt(terms.size)))


def _weights(log: Log, chosen: FloatArray) -> FloatArray:
    if chosen.shape != log.action.shape:
        raise ValueError(f"the target has {chosen.shape} probabilities, the log {log.rows} rows")
    _refuse(~((chosen >= 0) & (chosen <= 1 + _SUM_OF_SHARES)), chosen, "a target's probability must be in [0, 1]")
    return chosen / log.propensity


def _effective(weight: FloatArray) -> float:
    return float(weight.sum() ** 2 / (weight @ weight)) if weight.any() else 0.0


def _clipped(weight: FloatArray, clip: float) -> FloatArray:
    if not clip > 0:
        raise ValueError(f"weights can only be clipped to something above 0, not {clip}")
    return np.minimum(weight, clip)


def _one_more(log: Log, weight: float) -> float:
    """What a further rewarded row of this weight would add to sum w r; 0 where rewards may be below zero."""
    if log.reward.min() < 0:
        return 0.0
    largest = float(log.reward.max())
    return weight * (largest if largest > 0 else 1.0)


def _gamma_quantile(mean: float, variance: float, part: float) -> float:
    """Quantile of the gamma distribution with this mean and variance; 0 where both are."""
    if not (mean > 0 and variance > 0):
        return mean
    return float(scipy.special.gammaincinv(mean**2 / variance, part)) * variance / mean


def _arm_means(log: Log, used: npt.NDArray[np.bool_]) -> FloatArray:
    action, reward = log.action[used], log.reward[used]
    count = np.bincount(action, minlength=log.arms).astype(np.float64)
    total = np.bincount(action, weights=reward, minlength=log.arms)
    return _shrunk(count, total, credible(count, total, float(((reward - reward.mean()) ** 2).sum())))


def credible(count: FloatArray, total: FloatArray, around: float) -> float:
    """Return the rows that the mean of all arms should count for in the mean of one: variance within over that between.

    Moments as in Buhlmann and Straub (1970), Mitteilungen der Vereinigung schweizerischer Versicherungsmathematiker
    70, 111-133; for rewards of 0 and 1 this is alpha + beta of the Beta prior of a Beta-Binomial.

    Args:
        count: Rows of each arm, shape (A,).
        total: Their rewards, shape (A,).
        around: Sum of squares of all rewards around their mean.
    """
    seen = count > 0
    rows, arms = float(count.sum()), int(seen.sum())
    means = total[seen] / count[seen]
    between = float((count[seen] * (means - total.sum() / rows) ** 2).sum())
    spare = rows - float((count**2).sum()) / rows
    if rows <= arms or spare <= 0:
        return PRIOR_ROWS
    within = max(around - between, 0.0) / (rows - arms)
    apart = (between - (arms - 1) * within) / spare
    return float(np.clip(within / apart, _FEWEST_ROWS, _MOST_ROWS)) if apart > 0 else _MOST_ROWS


def _shrunk(count: FloatArray, total: FloatArray, rows: float = PRIOR_ROWS) -> FloatArray:
    """Means by arm, shape (A,), each shrunk towards the mean of all by so many rows."""
    pool = total.sum() / max(float(count.sum()), 1.0)
    means: FloatArray = (total + rows * pool) / (count + rows)
    return means


def _batches(log: Log, batches: int) -> IntArray:
    if not 1 <= batches <= log.rows:
        raise ValueError(f"batches must be 1 to {log.rows}, the number of rows, not {batches}")
    return np.arange(log.rows, dtype=np.int64) * batches // log.rows


def _by_batch(log: Log, segment: IntArray, batches: int) -> tuple[FloatArray, FloatArray]:
    """Rows and rewards by arm and batch, each of shape (A, B)."""
    place, size = log.action * batches + segment, log.arms * batches
    counts = np.bincount(place, minlength=size).astype(np.float64)
    sums = np.bincount(place, weights=log.reward, minlength=size)
    return counts.reshape(log.arms, batches), sums.reshape(log.arms, batches)


def _check_target(log: Log, target: Shares) -> None:
    if target.segment.shape != log.action.shape or target.table.shape[1] != log.arms:
        shape = (target.segment.size, target.table.shape[1])
        raise ValueError(f"the target is of (rows, arms) = {shape}, the log of {(log.rows, log.arms)}")


def _refuse(wrong: npt.NDArray[np.bool_], values: FloatArray | IntArray, words: str) -> None:
    bad = np.flatnonzero(wrong)
    if bad.size:
        raise ValueError(f"row {bad[0]}: {words}, not {values[bad[0]]:g}")
