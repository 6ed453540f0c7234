"""How well the policies of a run did, against the clairvoyant and against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulations.noise import FloatArray, IntArray
from simulations.runs.record import Run


@dataclass(frozen=True, slots=True)
class Spread:
    """Shares of the oracle over W worlds.

    Attributes:
        mean: Over worlds.
        error: Standard error of the mean; NaN with one world.
        worst, worst_seed: The least, and its world.
        tenth: The 10th percentile over worlds, linearly interpolated.
    """

    mean: float
    error: float
    worst: float
    worst_seed: int
    tenth: float


@dataclass(frozen=True, slots=True)
class Standing:
    """One policy in the table of a run.

    Attributes:
        policy: Its name.
        whole: Share of the oracle over all days.
        second: The same over the second half of the days.
        lead, lead_error: Mean of its share less that of the run's first policy in the same world, over all days, and
            the standard error of that mean (NaN with one world).
        violations: Over all worlds.
        stated: 90% intervals stated, over all worlds.
        coverage, coverage_error: Share of them that held, and its standard error with worlds as clusters; NaN where
            none were stated.
        seconds: Mean over worlds of the policy's time per campaign and day; NaN where none was measured.
    """

    policy: str
    whole: Spread
    second: Spread
    lead: float
    lead_error: float
    violations: int
    stated: int
    coverage: float
    coverage_error: float
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Figures by policy and world, each of shape (P, W).

    Attributes:
        policies: In the order of the run, length P.
        seeds: Of the worlds, length W.
        whole: Expected outcome of all days as a share of what the clairvoyant's budgets bring.
        second: The same over days T // 2 to the last.
        violations: How many limits were broken.
        covered, stated: How many 90% intervals held, and how many were stated.
        seconds: Of the policy per campaign and day; NaN where it was not measured.
    """

    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    whole: FloatArray
    second: FloatArray
    violations: IntArray
    covered: IntArray
    stated: IntArray
    seconds: FloatArray

    def standing(self, policy: str) -> Standing:
        """Return the line of one policy in the table."""
        p = self.policies.index(policy)
        lead, lead_error = self.lead(policy, self.policies[0])
        stated = int(self.stated[p].sum())
        coverage, coverage_error = _ratio(self.covered[p], self.stated[p])
        measured = self.seconds[p][np.isfinite(self.seconds[p])]
        return Standing(
            policy=policy,
            whole=self._spread(self.whole[p]),
            second=self._spread(self.second[p]),
            lead=lead,
            lead_error=lead_error,
            violations=int(self.violations[p].sum()),
            stated=stated,
            coverage=coverage,
            coverage_error=coverage_error,
            seconds=float(measured.mean()) if measured.size else float("nan"),
        )

    def standings(self) -> tuple[Standing, ...]:
        """Return the table, in the order of the run."""
        return tuple(self.standing(policy) for policy in self.policies)

    def lead(self, policy: str, other: str) -> tuple[float, float]:
        """Return the mean of a policy's share less another's in the same world, over all days, and its error."""
        ahead = self.whole[self.policies.index(policy)] - self.whole[self.policies.index(other)]
        return float(ahead.mean()), _error(ahead)

    def _spread(self, shares: FloatArray) -> Spread:
        worst = int(np.argmin(shares))
        return Spread(
            mean=float(shares.mean()),
            error=_error(shares),
            worst=float(shares[worst]),
            worst_seed=self.seeds[worst],
            tenth=float(np.quantile(shares, 0.1)),
        )


def scores_of(run: Run) -> Scores:
    """Return the scores of a run."""
    traces = [run.traces[name] for name in run.spec.policies]
    best = np.array([oracle.best for oracle in run.oracles])
    expected = np.array([[trace.expected for trace in worlds] for worlds in traces])
    half = run.spec.days // 2
    return Scores(
        policies=run.spec.policies,
        seeds=run.spec.seeds,
        whole=share_of(expected.sum(axis=2), best.sum(axis=1)),
        second=share_of(expected[..., half:].sum(axis=2), best[:, half:].sum(axis=1)),
        violations=np.array([[len(trace.violations) for trace in worlds] for worlds in traces]),
        covered=np.array([[trace.covered.sum() for trace in worlds] for worlds in traces]),
        stated=np.array([[trace.stated.sum() for trace in worlds] for worlds in traces]),
        seconds=run.seconds,
    )


def share_of(brought: FloatArray, best: FloatArray) -> FloatArray:
    """Return an outcome as a share of the oracle's; 1 where the oracle gains nothing, for nothing could be lost."""
    most = np.broadcast_to(best, brought.shape)
    shares: FloatArray = np.divide(brought, most, out=np.ones(most.shape), where=most > 0.0)
    return shares


def regret(run: Run, policy: str) -> FloatArray:
    """Return by world and day what the clairvoyant's budgets bring more than the policy's, shape (W, T)."""
    pairs = zip(run.oracles, run.traces[policy], strict=True)
    return np.array([oracle.best - trace.expected for oracle, trace in pairs])


def certified_gap(run: Run) -> float:
    """Return by how much the bound exceeds what the oracle brings, as a share of it, in the world where it is most."""
    best, bound = (np.array([getattr(oracle, of).sum() for oracle in run.oracles]) for of in ("best", "bound"))
    unknown = np.where(bound > 0.0, np.inf, 0.0)
    return max(0.0, float(np.divide(bound - best, best, out=unknown, where=best > 0.0).max()))


def _error(values: FloatArray) -> float:
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else float("nan")


def _ratio(covered: IntArray, stated: IntArray) -> tuple[float, float]:
    """A ratio of sums over clusters and its linearised standard error (Cochran 1977, 6.3)."""
    if not stated.sum():
        return float("nan"), float("nan")
    ratio = float(covered.sum() / stated.sum())
    rests = covered - ratio * stated
    return ratio, _error(rests) / float(stated.mean())
