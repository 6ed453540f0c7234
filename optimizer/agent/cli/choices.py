"""`outlay backtest --log`: what other policies would have brought, by a log of choices with propensities."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bandits.offpolicy import Estimate, logged_value
from connectors.errors import BadInput
from optimizer.agent import logged
from optimizer.agent.cli.answers import Answer, finite
from optimizer.agent.cli.render import bullet
from optimizer.agent.cli.tables import clean, figures_table
from optimizer.agent.logged import Columns, Logged, Policy, Verdict

_COMMAND: Final = "outlay backtest"
_FEW: Final = 10.0  # rewarded rows, below which a normal interval is too short
_SURE: Final = 4.0  # standard errors by which the mean weight may be off 1 by chance
_ESTIMATORS: Final = ("IPS", "SNIPS", "DR", "gain on the log (DR)")


def choices(
    path: Path, policies: Sequence[str], columns: Columns, *, batches: int, clip: float | None, seed: int
) -> Answer:
    """Estimate the value of each policy from the log; all of them where neither one nor a target's column is named.

    Raises:
        BadInput: A policy or a clip that there is not, or a row that cannot be read.
    """
    wanted, cut = _policies(policies, columns), _clip(clip)
    read = logged.read_log(path, columns)
    found = logged.verdicts(read, wanted, columns.target, batches=batches, clip=cut, seed=seed)
    doubts = [words for verdict in found for words in _doubts(verdict)]
    head = f"{read.log.rows:,} logged choices among {read.log.arms} arms; mean {clean(columns.reward)} a choice"
    about = (
        "rows and rewarded rows: effective sample sizes; a log of the policy's own would need so many to say as much"
    )
    shown = Group(
        Text(head, style="bold"),
        _table(read, found),
        Text(about, style="dim"),
        *map(bullet, doubts),
    )
    data = {
        "rows": read.log.rows,
        "arms": list(read.names),
        "batches": batches,
        "clip": clip,
        "seed": seed,
        "logged": _plain(logged_value(read.log)),
        "policies": [_data(verdict) for verdict in found],
        "warnings": doubts,
    }
    return Answer(shown, finite(data))


def _table(read: Logged, found: Sequence[Verdict]) -> Table:
    rows = [("as logged", "mean", logged_value(read.log), f"{read.log.rows:,}", f"{(read.log.reward != 0).sum():,}")]
    for verdict in found:
        weighting = verdict.weighting
        sizes = (f"{weighting.effective:,.0f}", f"{weighting.rewarded:,.1f}")
        estimates = (weighting.ips, weighting.snips, verdict.robust, verdict.gain)
        for place, (name, estimate) in enumerate(zip(_ESTIMATORS, estimates, strict=True)):
            if estimate is not None:
                rows.append(("" if place else clean(verdict.policy), name, estimate, *(("", "") if place else sizes)))
    return figures_table(
        {
            "policy": [row[0] for row in rows],
            "estimate": [row[1] for row in rows],
            "value": [_figure(row[2].value) for row in rows],
            "95% interval": [f"[{_figure(row[2].low95)}, {_figure(row[2].high95)}]" for row in rows],
            "rows": [row[3] for row in rows],
            "rewarded": [row[4] for row in rows],
        }
    )


def _doubts(verdict: Verdict) -> Iterator[str]:
    weighting, mean = verdict.weighting, verdict.weighting.mean_weight
    name = clean(verdict.policy)
    if weighting.rewarded < _FEW:
        yield (
            f"{name}: only {weighting.rewarded:.1f} rewarded rows speak of it; a normal interval, as that of its gain, "
            "is too short."
        )
    if abs(mean.value - 1) > max(_SURE * mean.se, 1e-3):
        yield (
            f"{name}: its weights average {mean.value:.3f} ± {mean.se:.3f} where they should average 1: the "
            "propensities are not those of this log, or it lacks what the policy chooses."
        )
    if weighting.clipped:
        yield f"{name}: {weighting.clipped:.1%} of the weights were cut; IPS and SNIPS are biased by that."


def _data(verdict: Verdict) -> dict[str, Any]:
    weighting = verdict.weighting
    return {
        "policy": verdict.policy,
        "ips": _plain(weighting.ips),
        "snips": _plain(weighting.snips),
        "dr": _plain(verdict.robust),
        "gain": _plain(verdict.gain),
        "effective_rows": weighting.effective,
        "effective_rewarded": weighting.rewarded,
        "mean_weight": _plain(weighting.mean_weight),
        "largest_weight": weighting.largest_weight,
        "clipped": weighting.clipped,
        "leading": verdict.leading,
    }


def _plain(estimate: Estimate | None) -> dict[str, float] | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "se": estimate.se, "low95": estimate.low95, "high95": estimate.high95}


def _policies(names: Sequence[str], columns: Columns) -> tuple[Policy, ...]:
    """The policies asked for; all where neither one nor a target's column is named."""
    if not names:
        return () if columns.target else tuple(Policy)
    try:
        return tuple(dict.fromkeys(Policy(name) for name in names))
    except ValueError:
        known = ", ".join(known.value for known in Policy)
        raise BadInput(f"{', '.join(names)}: not all of these are policies", where=_COMMAND, field="--policy",
                       mend=f"write one of {known}, or name a column with --target.") from None  # fmt: skip


def _clip(clip: float | None) -> float:
    if clip is None:
        return math.inf
    if not clip > 0:
        raise BadInput(f"{clip:g} cuts every weight", where=_COMMAND, field="--clip", mend="write a number above 0.")
    return clip


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"
