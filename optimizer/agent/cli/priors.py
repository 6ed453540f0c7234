"""Priors and the refits behind them, as a person reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.agent.cli.answers import finite
from optimizer.agent.cli.tables import clean, figures_table
from optimizer.agent.standing import Standing
from optimizer.explain import EIGHTY
from optimizer.plan.canonical import adapter
from optimizer.plan.priors import AdPriors, ChannelPrior, ResponsePriors, Spread
from optimizer.plan.refits import Check, RefitRecord

_LEGEND: Final = (
    "Median and 80% interval over a channel's campaigns. half-saturation: the spend that brings half of the most, in "
    "multiples of a campaign's usual spend; slope: of the Hill curve; carry-over: share of a day's effect that comes "
    "later; lift: incremental conversions per attributed one."
)
_ADS_LEGEND: Final = (
    "Median and 80% interval. spread: by how much rates differ, 0.25 is a quarter; a day's drift: by how much an ad's "
    "rate moves in a day; excess: variance of a day's rate around its mean beyond chance, relative."
)
_NONE: Final = "-"


def checks(made: tuple[Check, ...]) -> Table:
    """What was checked, what was found, and whether the draws may be believed as far as that goes."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("check", "", "found", "limit"):
        table.add_column(title, no_wrap=True, justify="right" if title in ("found", "limit") else "left")
    table.add_column("in words", overflow="fold")
    for check in made:
        verdict = Text("passed", style="green") if check.passed else Text("failed", style="bold red")
        table.add_row(check.name, verdict, _figure(check.value), _figure(check.limit), Text(clean(check.words)))
    return table


def compared(before: ResponsePriors | None, after: ResponsePriors) -> RenderableType:
    """Two lines for each channel: what was believed of its campaigns, and what is now."""
    rows = [
        (name if said == "before" else "", said, prior)
        for name, old, new in _pairs(before, after)
        for said, prior in (("before", old), ("now", new))
    ]
    columns = {
        "channel": [clean(name) for name, _, _ in rows],
        "": [said for _, said, _ in rows],
        "half-saturation": [_cell(prior, lambda p: p.log_half, math.exp) for _, _, prior in rows],
        "slope": [_cell(prior, lambda p: p.log_slope, math.exp) for _, _, prior in rows],
        "carry-over": [_cell(prior, lambda p: p.carry_over, _share) for _, _, prior in rows],
        "lift": [_cell(prior, lambda p: p.log_lift, math.exp) for _, _, prior in rows],
    }
    return Group(figures_table(columns), Text(_LEGEND, style="dim"))


def of_ads(before: AdPriors | None, after: AdPriors) -> RenderableType:
    """One line for each number that plans start from, before and now."""
    pair = (before, after)
    columns = {
        "ads": ["before", "now"],
        "spread within a budget": [
            _log_cell(p.log_strength if p else None, lambda log: math.exp(-log / 2)) for p in pair
        ],
        "between budgets": [_log_cell(p.log_spread if p else None, math.exp) for p in pair],
        "a day's drift": [_log_cell(p.log_drift if p else None, math.exp) for p in pair],
        "excess": [_NONE if p is None else f"{p.excess:.3f}" for p in pair],
    }
    return Group(figures_table(columns), Text(_ADS_LEGEND, style="dim"))


def standing_words(found: Standing) -> Iterator[str]:
    """Sentences for `outlay status`."""
    if found.priors is None:
        yield "Priors: none fitted yet; learning starts from plain ones."
    else:
        names = ", ".join(prior.channel for prior in found.priors.channels) or "no channel"
        yield f"Priors: fitted {found.priors.fitted_at:%Y-%m-%d %H:%M} UTC by {found.priors.model}, for {names}."
    if found.last is not None and not found.last.passed:
        yield f"The refit of {found.last.fitted_at:%Y-%m-%d %H:%M} UTC was refused: {' '.join(found.last.objections)}"
    yield from _ads_words(found)
    if found.due is None:
        yield "Next: outlay refit"
    else:
        verb = "was" if found.overdue else "is"
        yield f"The next refit {verb} due on {found.due:%Y-%m-%d}{': outlay refit' if found.overdue else '.'}"


def _ads_words(found: Standing) -> Iterator[str]:
    """What stands of ads; nothing where none was ever fitted."""
    fitted, last = found.ad_priors, found.last_of_ads
    if fitted is not None:
        yield f"Priors of ads: fitted {fitted.fitted_at:%Y-%m-%d %H:%M} UTC by {fitted.model}."
    if last is not None and not last.passed:
        stand = "plain ones stand" if fitted is None else "those of before stand"
        when = f"{last.fitted_at:%Y-%m-%d %H:%M} UTC"
        yield f"The refit of ads of {when} was refused, {stand}: {' '.join(last.objections)}"


def standing_data(found: Standing) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "priors": None if found.priors is None else priors_data(found.priors),
        "last": None if found.last is None else record_data(found.last),
        "due": None if found.due is None else found.due.isoformat(),
        "overdue": found.overdue,
        "ad_priors": None if found.ad_priors is None else priors_data(found.ad_priors),
        "last_of_ads": None if found.last_of_ads is None else record_data(found.last_of_ads),
    }


def record_data(record: RefitRecord) -> dict[str, Any]:
    """A refit as plain values; None stands for what is no number."""
    return {
        "id": record.refit_id,
        "fitted_at": record.fitted_at.isoformat(),
        "model": record.model,
        "code_version": record.code_version,
        "seed": record.seed,
        "evidence": record.evidence,
        "seconds": record.seconds,
        "passed": record.passed,
        "checks": finite(adapter(tuple[Check, ...]).dump_python(record.checks)),
        "priors": None if record.priors is None else priors_data(record.priors),
        "file": record.file,
    }


def priors_data(priors: ResponsePriors | AdPriors) -> dict[str, Any]:
    """Priors as plain values."""
    data: dict[str, Any] = adapter(type(priors)).dump_python(priors, mode="json")
    return data


def _pairs(
    before: ResponsePriors | None, after: ResponsePriors
) -> Iterator[tuple[str, ChannelPrior | None, ChannelPrior | None]]:
    names = {prior.channel for priors in (before, after) if priors is not None for prior in priors.channels}
    for name in sorted(names):
        yield name, None if before is None else before.of(name), after.of(name)


def _cell(
    prior: ChannelPrior | None, part: Callable[[ChannelPrior], Spread | None], unit: Callable[[float], float]
) -> str:
    spread = None if prior is None else part(prior)
    if spread is None:
        return _NONE
    low, middle, high = (unit(spread.mean + k * spread.sd) for k in (-EIGHTY, 0.0, EIGHTY))
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def _log_cell(spread: Spread | None, unit: Callable[[float], float]) -> str:
    """Median and 80% interval of what a logarithm is believed of, the lower end first whichever way the unit turns."""
    if spread is None:
        return _NONE
    low, middle, high = (unit(spread.mean + k * spread.sd) for k in (-EIGHTY, 0.0, EIGHTY))
    return f"{middle:.3f} [{min(low, high):.3f}, {max(low, high):.3f}]"


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _figure(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else _NONE
