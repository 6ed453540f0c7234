"""`outlay appraise`: what claimed conversions and new customers are worth, kept for plans to count by."""

from __future__ import annotations

import math
import secrets
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from connectors.errors import AskMarketer
from optimizer.agent import appraising
from optimizer.agent import settings as configuration
from optimizer.agent.appraising import Appraised
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli.answers import Answer, Exit
from optimizer.agent.cli.days import day_until
from optimizer.agent.cli.screen import progress
from optimizer.agent.cli.stopping import stoppable
from optimizer.agent.cli.tables import clean, figures_table
from optimizer.explain import EIGHTY, figure
from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.canonical import adapter

_STOPPED: Final = "Stopped. What was appraised before stands."
_TITLES: Final = {
    Subject.CREDIT: "Credited conversions per conversion that platforms claim",
    Subject.CUSTOMER: "What a new customer brings",
}


def appraise(config: Path, as_of: str | None, seed: int | None, dry_run: bool, quiet: bool) -> Answer:
    """Appraise what the settings ask for, and keep it; exit 4 where something could not be, and that of before stands.

    An appraisal of a past day is a dry run while one stands: it must not take the place of a fresher one.

    Raises:
        BadInput: The day is none, or still to come.
        AskMarketer: The settings ask for nothing.
    """
    settings = configuration.load(config)
    subjects = settings.appraised
    if not subjects:
        raise AskMarketer(
            f"{config} asks for nothing to be appraised",
            mend='name a model in [attribution], or set value = "lifetime" in [goal].',
        )
    seed = secrets.randbits(32) if seed is None else seed
    with open_house(config) as house, stoppable(_STOPPED) as go_on, nullcontext() if quiet else progress() as tell:

        def step(done: int, of: int) -> None:
            go_on()
            if tell is not None:
                tell(done, of, "sampling")

        today = day_until(as_of, house.today(), "outlay appraise", "--as-of")
        late = today < house.today() and bool(house.store.latest_appraisals(house.clock.now()))
        found = []
        for subject in subjects:
            one = appraising.appraise(house, settings, subject, today, seed, step)
            if one.made is not None and not (dry_run or late):
                house.store.record_appraisal(one.made)
            found.append(one)
    return _answer(found, seed, kept=not (dry_run or late), past=today if late else None)


def _answer(found: list[Appraised], seed: int, *, kept: bool, past: date | None) -> Answer:
    parts: list[RenderableType] = []
    for one in found:
        title = _TITLES[one.subject]
        if one.made is None:
            parts += [Text(title, style="bold"), Text(f"None is made, that of before stands: {one.why}"), Text()]
        else:
            unit = f", {one.made.currency}" if one.made.currency else ""
            parts += [Text(f"{title}{unit}, by {one.made.model}", style="bold"), _table(one.made), Text()]
    recorded = kept and any(one.made is not None for one in found)
    if past is not None:
        parts.append(Text(f"One of a past day, {past}, does not replace an appraisal that stands: this was a dry run."))
    parts.append(Text("From now on, plans count by it." if recorded else "Nothing was written.", style="bold"))
    data = {"seed": seed, "recorded": recorded, "appraisals": [_plain(one) for one in found]}
    missing = any(one.made is None for one in found)
    return Answer(Group(*parts), data, Exit.BLOCKED if missing else Exit.FINE)


def _plain(one: Appraised) -> dict[str, Any]:
    made = None if one.made is None else adapter(Appraisal).dump_python(one.made, mode="json")
    return {"subject": one.subject.value, "appraisal": made, "why": one.why}


def _table(made: Appraisal) -> RenderableType:
    estimates = made.estimates
    return figures_table(
        {
            "channel": [clean(each.channel) for each in estimates],
            "campaign": [clean(each.campaign or "") for each in estimates],
            "expected": [figure(each.mean) for each in estimates],
            "80%": [_interval(each) for each in estimates],
        }
    )


def _interval(each: Estimate) -> str:
    middle = math.log(each.mean) - 0.5 * each.log_sd**2
    low, high = (figure(math.exp(middle + side * EIGHTY * each.log_sd)) for side in (-1.0, 1.0))
    return f"{low} to {high}"
