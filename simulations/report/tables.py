"""The tables of a report: figures as text, and a dash for what there is none of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from simulations.noise import FloatArray
from simulations.report.series import Band
from simulations.runs.record import Run
from simulations.runs.scores import Scores, Spread, Standing

NONE: Final = "\N{EM DASH}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text.

    Attributes:
        title: What it holds, with units.
        head: Of the columns; the first column names the rows.
        rows: Each as long as the head.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def percent(share: float, digits: int = 1, sign: str = "") -> str:
    """Return a share as percentage points without the sign of percent: `91.4`; a dash where it is not finite."""
    return _minus(f"{100.0 * share:{sign}z.{digits}f}") if isfinite(share) else NONE


def with_error(share: float, error: float, sign: str = "") -> str:
    """Return `91.4 ± 1.9`, without the error where there is none."""
    around = f" ± {percent(error)}" if isfinite(error) else ""
    return f"{percent(share, sign=sign)}{around}"


def league(standings: Sequence[Standing], first: str) -> Table:
    """Return the table of a run, in the order of the standings; others are compared with the first policy."""
    head = (
        "Policy",
        "% of the oracle",
        "Second half, %",
        "10th percentile, %",
        "Worst world, %",
        f"Over {first}, points",
        "Limits broken",
        "90% intervals held, %",
        "ms per campaign-day",
    )
    return Table("Means over worlds ± standard error", head, tuple(_line(s, first) for s in standings))


def _line(s: Standing, first: str) -> tuple[str, ...]:
    return (
        s.policy,
        with_error(s.whole.mean, s.whole.error),
        with_error(s.second.mean, s.second.error),
        percent(s.whole.tenth),
        _worst(s.whole),
        NONE if s.policy == first else with_error(s.lead, s.lead_error, "+"),
        f"{s.violations:,}",
        with_error(s.coverage, s.coverage_error),
        f"{1e3 * s.seconds:.3f}" if isfinite(s.seconds) else NONE,
    )


def _worst(whole: Spread) -> str:
    return f"{percent(whole.worst)} (seed {whole.worst_seed})"


def bands(title: str, by_policy: Mapping[str, Band]) -> Table:
    """Return a table of days by policies: the mean, and in brackets the 10th to 90th percentile, in percent."""
    cells = [[_band(band, day) for band in by_policy.values()] for day in range(_days(by_policy))]
    return _by_day(title, list(by_policy), cells)


def _band(band: Band, day: int) -> str:
    return f"{percent(band.mean[day])} ({percent(band.low[day])} to {percent(band.high[day])})"


def _days(by_policy: Mapping[str, Band]) -> int:
    return next(iter(by_policy.values())).mean.size


def curves(title: str, by_name: Mapping[str, FloatArray]) -> Table:
    """Return a table of days by names, of a figure for each day, shape (T,), to two digits."""
    columns = np.stack(list(by_name.values()), axis=1)
    return _by_day(title, list(by_name), [[_minus(f"{x:z,.2f}") for x in row] for row in columns.tolist()])


def _by_day(title: str, names: Iterable[str], cells: Sequence[Sequence[str]]) -> Table:
    rows = tuple((str(day), *row) for day, row in enumerate(cells))
    return Table(title, ("Day", *names), rows)


def by_world(scores: Scores) -> Table:
    """Return the shares of the oracle by world and policy, in percent."""
    rows = tuple((str(seed), *map(percent, scores.whole[:, w])) for w, seed in enumerate(scores.seeds))
    return Table("% of the oracle over all days, by the seed of the world", ("Seed", *scores.policies), rows)


def intervals(scores: Scores, errors: Mapping[str, tuple[float, float]]) -> Table:
    """Return how many 90% intervals of each policy held.

    Args:
        scores: Of the run.
        errors: By policy that states any: standard error over worlds, and that of independent intervals.
    """
    rows = []
    for name, (over_worlds, binomial) in errors.items():
        standing, p = scores.standing(name), scores.policies.index(name)
        rows.append(
            (
                name,
                f"{standing.stated:,}",
                f"{int(scores.covered[p].sum()):,}",
                percent(standing.coverage, 2),
                percent(over_worlds, 2),
                percent(binomial, 2),
            )
        )
    head = ("Policy", "Stated", "Held", "Held, %", "Error over worlds, points", "Binomial error, points")
    return Table("90% intervals, with standard errors", head, tuple(rows))


def allocation(title: str, names: Sequence[str], policy: str, shares: tuple[FloatArray, FloatArray]) -> Table:
    """Return by campaign the mean share of the total over the days, and how far the two lie apart, in percent.

    Args:
        title: What it holds.
        names: Of the campaigns, length K.
        policy: Whose the first shares are; the second are the oracle's.
        shares: Each of shape (T, K).
    """
    own, best = (share.mean(axis=0) for share in shares)
    apart = np.abs(shares[0] - shares[1]).mean(axis=0)
    rows = tuple(
        (name, *(percent(x, 2) for x in figures)) for name, *figures in zip(names, own, best, apart, strict=True)
    )
    return Table(title, ("Campaign", f"{policy}, %", "oracle, %", "Apart on an average day, points"), rows)


def broken(run: Run) -> Table:
    """Return every policy's violations by kind, those that there are."""
    rows = []
    for name, traces in run.traces.items():
        found = [violation for trace in traces for violation in trace.violations]
        for kind in dict.fromkeys(violation.kind for violation in found):
            sizes = [violation.size for violation in found if violation.kind == kind]
            rows.append((name, kind, f"{len(sizes):,}", f"{max(sizes):,.2f}"))
    unit = f"{run.spec.scenario.currency}; campaigns where not-finite"
    return Table("Limits broken", ("Policy", "Kind", "How often", f"Largest ({unit})"), tuple(rows))


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
