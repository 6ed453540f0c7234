"""`outlay refit`: the priors of the learning, sampled anew and handed on only if the draws may be believed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from optimizer.agent import refitting
from optimizer.agent import settings as configuration
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli import priors
from optimizer.agent.cli.answers import Answer, Exit
from optimizer.agent.cli.days import day_until
from optimizer.agent.cli.render import bullet, section
from optimizer.agent.cli.screen import progress
from optimizer.agent.cli.stopping import stoppable
from optimizer.agent.cycle import House
from optimizer.agent.refitting import Fitted, Order
from optimizer.agent.settings.refit import RefitTable
from optimizer.agent.standing import Standing, standing
from optimizer.agent.store.places import file_beside
from optimizer.measure.lift import Ageing
from optimizer.plan.priors import AdPriors, ResponsePriors
from optimizer.refit import Sampling

_COMMAND: Final = "outlay refit"
_STOPPED: Final = "Stopped. Nothing was written; the priors of before stand."
_FIRST: Final = "compiling the model"  # which takes as long as some thousand draws


def refit(config: Path, as_of: str | None, seed: int | None, draws: int | None, dry_run: bool, quiet: bool) -> Answer:
    """Fit the slow tier to what the store knows; exit 4 when a check fails and the priors of before stand.

    A refit of a past day is a dry run while priors stand: it must not take the place of fresher ones.

    Raises:
        BadInput: The day is none, or one to come.
        AskMarketer: There is nothing to fit, another refit is at work, or the draws cannot be written.
    """
    settings = configuration.load(config)
    home = config.resolve().parent
    order = Order(
        sampling=_sampling(settings.refit, draws),
        tests=configuration.lift_tests(settings, home),
        seed=secrets.randbits(32) if seed is None else seed,
        ageing=Ageing(settings.lift.half_life_days, settings.lift.expire_days),
    )
    database = file_beside(configuration.store_url(settings.store, home), home)
    with open_house(config) as house:
        today = day_until(as_of, house.today(), _COMMAND, "--as-of")
        late = today < house.today() and house.store.latest_priors(house.clock.now()) is not None
        with nullcontext() if dry_run or late else refitting.place(database) as folder:
            fitted = _compute(house, today, order, quiet)
            if folder is not None:
                refitting.keep(house, fitted, folder, settings.refit.keep)
        stands = standing(house.store, house.clock.now(), settings.refit.every_days)
    draws_file = database.parent / fitted.record.file if fitted.record.file and folder is not None else None
    answer = _answer(fitted, order, stands, draws_file, today if late else None)
    return answer if fitted.ads is None else _with_ads(answer, fitted.ads)


def _compute(house: House, today: date, order: Order, quiet: bool) -> Fitted[ResponsePriors]:
    sampling = order.sampling
    with stoppable(_STOPPED) as go_on, nullcontext(_silence) if quiet else progress() as tell:

        def step(done: int, of: int) -> None:
            go_on()
            tell(done, of, "sampling" if done else _FIRST)

        tell(0, sampling.chains * (sampling.tune + sampling.draws), _FIRST)
        return refitting.compute(house, today, order, step)


def _silence(done: int, of: int, what: str) -> None:
    """Show nothing."""


def _sampling(table: RefitTable, draws: int | None) -> Sampling:
    return Sampling(
        draws=draws or table.draws,
        tune=table.tune,
        chains=table.chains,
        cores=min(table.cores, table.chains),
        target_accept=table.target_accept,
        days=table.days,
        campaigns=table.campaigns,
    )


def _answer(
    fitted: Fitted[ResponsePriors], order: Order, stands: Standing, file: Path | None, past: date | None
) -> Answer:
    record, lost = fitted.record, _lost(fitted)
    kept = stands.last is not None and stands.last.refit_id == record.refit_id
    parts: list[RenderableType] = [
        Text(f"Refit {record.refit_id}: {_amount(order)}, in {record.seconds:,.0f} s.", style="bold"),
        section("Checks", priors.checks(record.checks)),
        section("Left out", *map(bullet, fitted.notes)),
    ]
    if fitted.priors is not None:
        parts.append(section("Priors", priors.compared(fitted.before, fitted.priors)))
    if lost:
        parts.append(section("Without priors now", *map(bullet, lost)))
    parts += [Text(), Text(" ".join(_verdict(fitted, stands, kept, past)), style="bold")]
    if file is not None:
        parts.append(Text(f"Draws: {file}", no_wrap=True, overflow="ignore"))
    data: dict[str, Any] = priors.record_data(record) | {
        "before": None if fitted.before is None else priors.priors_data(fitted.before),
        "notes": list(fitted.notes),
        "lost": list(lost),
        "recorded": kept,
        "file": None if file is None else str(file),
        "due": None if stands.due is None else stands.due.isoformat(),
    }
    return Answer(Group(*parts), data, Exit.FINE if record.passed else Exit.BLOCKED)


def _with_ads(answer: Answer, ads: Fitted[AdPriors]) -> Answer:
    """The answer with what came of the ads; too few of them to fit anything is no failure."""
    record = ads.record
    parts: list[RenderableType] = [
        answer.shown,
        Text(),
        Text(f"Ads, refit {record.refit_id}, in {record.seconds:,.0f} s.", style="bold"),
        section("Checks", priors.checks(record.checks)),
        section("Left out", *map(bullet, ads.notes)),
    ]
    if ads.priors is not None:
        parts.append(section("Priors", priors.of_ads(ads.before, ads.priors)))
    parts += [Text(), Text(_verdict_of_ads(ads), style="bold")]
    data = {**answer.data, "ads": priors.record_data(record) | {"notes": list(ads.notes)}}
    failed = not record.passed and ads.idata is not None
    return Answer(Group(*parts), data, Exit.BLOCKED if failed else answer.code)


def _verdict_of_ads(ads: Fitted[AdPriors]) -> str:
    if ads.record.passed:
        return "All checks passed: shares of ads start from this."
    if ads.before is None:
        return "A check failed: shares of ads start from the plain prior."
    return f"A check failed: for ads the priors of {ads.before.fitted_at:%Y-%m-%d %H:%M} UTC stand."


def _amount(order: Order) -> str:
    sampling = order.sampling
    drawn = f"{sampling.chains} chains of {sampling.tune:,} + {sampling.draws:,} draws"
    return f"{drawn}, at most {sampling.days} days, seed {order.seed}"


def _lost(fitted: Fitted[ResponsePriors]) -> tuple[str, ...]:
    """The channels that had priors before and have none in those that were fitted now."""
    before, now = fitted.before, fitted.priors
    if before is None or now is None:
        return ()
    return tuple(prior.channel for prior in before.channels if now.of(prior.channel) is None)


def _verdict(fitted: Fitted[ResponsePriors], stands: Standing, kept: bool, past: date | None) -> Iterator[str]:
    if not fitted.record.passed:
        yield "A check failed: nothing is handed to the learning."
        if fitted.before is None:
            yield "No priors were fitted before; it starts from the plain ones."
        else:
            yield f"The priors of {fitted.before.fitted_at:%Y-%m-%d %H:%M} UTC stand."
    elif kept:
        yield "All checks passed: from now on, plans start from these shapes where conversions alone are learnt from."
        yield "Carry-over is in every forecast; lift counts where [goal] says counts = incremental."
    else:
        yield "All checks passed."
    if kept:
        yield f"The next refit is due on {stands.due:%Y-%m-%d}."
    else:
        if past is not None:
            yield f"A refit of a past day, {past}, does not replace the priors that stand: this was a dry run."
        yield "Nothing was written."
