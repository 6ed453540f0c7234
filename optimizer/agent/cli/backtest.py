"""`outlay backtest`: past mornings judged by what came of them, or a log of choices read for other policies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from connectors.errors import BadInput
from optimizer.agent import backtest as walked
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli.answers import Answer, finite
from optimizer.agent.cli.choices import choices
from optimizer.agent.cli.days import day
from optimizer.agent.cli.render import bullet, section
from optimizer.agent.cli.screen import progress
from optimizer.agent.cli.tables import clean, figures_table
from optimizer.agent.logged import Columns
from optimizer.decide.hindsight import Judged
from optimizer.decide.tally import Averaged, Moves, Tally
from optimizer.plan.canonical import adapter

_COMMAND: Final = "outlay backtest"
_SHOWN: Final = 30
_BATCHES: Final = 20
_KNOWN: Final = "Each morning had what the store knew at noon of that day."
_ASSUMED: Final = (
    "Assumed: each row was known the morning after its day as it is known now, without late conversions. A real "
    "morning knows less, so that forecasts and advice look better here than they would have been."
)
_SCORES: Final = (
    "Log score: higher is better. CRPS and error, in conversions: lower is better. Behind Outlay: above zero, Outlay "
    "forecasts better; within two standard errors of zero, nobody knows."
)
_LIMITS: Final = (
    "Forecasts are given the spend that happened. Where people spend more on days that promise more, a curve that "
    "follows them forecasts well and still says too much of what more money would bring.",
    "What the advice would have brought was not observed, and no replay can tell it: the claim is the model's own.",
    "Each morning starts from the budgets that were really there; gains do not add up over mornings.",
)


def backtest(
    config: Path,
    since: str | None,
    until: str | None,
    as_if_mature: bool,
    seed: int,
    log: Path | None,
    policy: Sequence[str],
    columns: Mapping[str, str | None],
    batches: int | None,
    clip: float | None,
) -> Answer:
    """Judge past mornings, or with a log the policies that it was not written by."""
    if log is not None:
        if since or until or as_if_mature:
            raise BadInput("--since, --until and --as-if-mature are for the store's mornings, not for a log of choices",
                           where=_COMMAND, mend="leave them out, or leave out --log.")  # fmt: skip
        named = Columns(**{name: column for name, column in columns.items() if column})
        return choices(log, policy, named, batches=_BATCHES if batches is None else batches, clip=clip, seed=seed)
    if policy or any(columns.values()) or batches is not None or clip is not None:
        only = "--policy, --action, --reward, --propensity, --target, --batches and --clip"
        raise BadInput(f"{only} are for a log of choices",
                       where=_COMMAND, mend="add --log FILE, or leave them out.")  # fmt: skip
    first = None if since is None else day(since, _COMMAND, "--since")
    last = None if until is None else day(until, _COMMAND, "--until")
    with open_house(config) as house, progress() as tell:
        found = walked.run(house, first, last, as_if_mature=as_if_mature, seed=seed, tell=tell)
    return Answer(_shown(found), _data(found, seed))


def _data(found: walked.Backtest, seed: int) -> Any:
    return finite({
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "as_if_mature": found.as_if_mature,
        "seed": seed,
        "assumed_budgets": found.assumed,
        "unknown_mornings": [day.isoformat() for day in found.unknown],
        **adapter(Tally).dump_python(found.tally, mode="json"),
        "mornings": [_morning(judged) for judged in found.judged],
    })  # fmt: skip


def _morning(judged: Judged) -> dict[str, Any]:
    advice = judged.advice
    amounts = zip(judged.keys, advice.current, advice.recommended, advice.done, strict=True)
    return {
        "day": judged.day.isoformat(),
        "proposed": advice.proposed,
        "claim": {"mean": advice.claim.mean, "low80": advice.claim.low80, "high80": advice.claim.high80},
        "budgets": {
            str(key): {"current": float(current), "advised": float(advised), "done": float(done)}
            for key, current, advised, done in amounts
        },
    }


def _shown(found: walked.Backtest) -> RenderableType:
    sums = found.tally
    return Group(
        Text(f"Backtest from {found.since} to {found.until}: {sums.moves.mornings} mornings", style="bold"),
        *_assumptions(found),
        section("Forecast of each day's conversions, given what was spent (± 1 standard error, by day)", *_skill(sums)),
        section("What would have been advised, and what was done", *map(bullet, _advice(sums.moves))),
        section("How far the evidence reaches (spend a day)", *_evidence(sums)),
        section("What this cannot say", *map(bullet, _LIMITS)),
    )


def _assumptions(found: walked.Backtest) -> Iterator[Text]:
    yield Text(_ASSUMED if found.as_if_mature else _KNOWN)
    if found.assumed:
        yield Text(
            f"No budget had been read for {found.assumed} budget-mornings: the mean spend of the week before stands in."
        )
    if found.unknown:
        days = ", ".join(map(str, found.unknown[:3])) + (" ..." if len(found.unknown) > 3 else "")
        more = "" if found.as_if_mature else "; --as-if-mature takes them in under an assumption"
        yield Text(f"Left out: {len(found.unknown)} mornings on which no recent row was known ({days}){more}.")


def _skill(sums: Tally) -> Iterator[RenderableType]:
    forecasters, scored = sums.forecasters, sums.forecasters[0].log
    if not scored.cells:
        yield Text("No daily budget spent on these days and in the weeks before them: there is nothing to score.")
        return
    behind = [forecaster.behind or (None, None) for forecaster in forecasters]
    yield figures_table({
        "forecast": [f"{f.window}-day rate x spend" if f.window else "Outlay" for f in forecasters],
        "log score": [_averaged(f.log) for f in forecasters],
        "CRPS": [_averaged(f.crps) for f in forecasters],
        "error": [_averaged(f.error) for f in forecasters],
        "behind Outlay\nin log score": [_averaged(log) for log, _ in behind],
        "behind Outlay\nin CRPS": [_averaged(crps) for _, crps in behind],
    })  # fmt: skip
    yield Text(_SCORES, style="dim")
    parts = ", ".join(f"{_share(found.mean)} ± {_share(found.se)} in {level:.0%}" for level, found in sums.coverage)
    yield Text(f"Counts within Outlay's intervals: {parts}; {scored.cells} budget-days of {scored.days} days.")


def _advice(moves: Moves) -> Iterator[str]:
    yield f"On {moves.proposals} of {moves.mornings} mornings something was to be changed."
    if moves.advised:
        blind = moves.advised - moves.recorded
        basis = f"; {blind} of them are judged by spend, since no budget had been read" if blind else ""
        yield (
            f"Of {moves.advised} advised changes, {moves.agreed / moves.advised:.0%} were made in the same direction, "
            f"{moves.opposed / moves.advised:.0%} in the other, and {moves.left / moves.advised:.0%} not{basis}."
        )
    if not math.isnan(moves.distance_done):
        yield (
            f"Money moved a day, as a share of all budgets: {moves.distance_advised:.1%} advised, "
            f"{moves.distance_done:.1%} done; the two lie {moves.distance_between:.1%} apart."
        )
    if moves.proposals:
        yield (
            f"The model's claim, not an observation: {moves.claim:+,.2f} {moves.unit}, 80% interval "
            f"[{moves.low80:+,.2f}, {moves.high80:+,.2f}] (means over the mornings)."
        )


def _evidence(sums: Tally) -> Iterator[RenderableType]:
    if not sums.reach:
        yield Text("No daily budget was planned.")
        return
    listed = sums.reach[:_SHOWN]
    yield figures_table({
        "budget": [clean(item.name) for item in listed],
        "seen, from": [_amount(item.least) for item in listed],
        "to": [_amount(item.most) for item in listed],
        "advised, from": [_amount(item.low) for item in listed],
        "up to": [_amount(item.high) for item in listed],
        "outside": [_share(item.outside) for item in listed],
    })  # fmt: skip
    if len(sums.reach) > _SHOWN:
        yield Text(f"and {len(sums.reach) - _SHOWN} more (--json shows all)", style="dim")
    yield Text(
        f"In {_share(sums.outside)} of all budget-mornings the advice lies outside of what had been spent by then; "
        "out there the curve's family speaks, not the data."
    )


def _averaged(found: Averaged | None) -> str:
    if found is None:
        return ""
    return f"{found.mean:,.3f} ± {'-' if math.isnan(found.se) else f'{found.se:,.3f}'}"


def _share(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.1%}"


def _amount(amount: float) -> str:
    return "-" if math.isnan(amount) else f"{amount:,.2f}"
