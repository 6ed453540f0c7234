"""`outlay lift`: design, start, look at, read and stop tests of what spend brings because of itself."""

from __future__ import annotations

import secrets
from datetime import date
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from connectors.errors import BadInput
from optimizer.agent import lifting
from optimizer.agent import settings as configuration
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli.answers import Answer, Exit, finite
from optimizer.agent.cli.days import day
from optimizer.agent.cli.person import person
from optimizer.agent.cli.render import bullet, section
from optimizer.agent.cli.tables import clean, figures_table
from optimizer.agent.cycle import House
from optimizer.agent.lifting import Foreseen
from optimizer.agent.outcomes import read_outcomes
from optimizer.explain import figure
from optimizer.measure.lift import Claim, Outcomes, compared
from optimizer.plan.canonical import adapter
from optimizer.plan.lift_tests import Holdout, LiftPlan, LiftReading, LiftRecord, Switchback
from optimizer.plan.problem import Outcome

_WHERE: Final = "outlay lift"
_KINDS: Final = ("switchback", "holdout")


def design(config: Path, scope: str, outcomes: Path | None, **words: Any) -> Answer:
    """Say what a test could find and what it costs; writes nothing.

    Raises:
        BadInput: A word, the file of outcomes or the past does not do.
    """
    with open_house(config) as house:
        foreseen, seed = _foreseen(house, config, outcomes, {**words, "scope": scope, "name": "design"})
    return Answer(Group(*_told(foreseen)), _data_of(foreseen, seed))


def start(config: Path, name: str, scope: str, outcomes: Path | None, actor: str | None, **words: Any) -> Answer:
    """Write a test down; from its first day on plans ask for what it says.

    Raises:
        BadInput: As for `design`.
        StateConflict: An open test has its name, or is about the same spend.
    """
    with open_house(config) as house:
        foreseen, seed = _foreseen(house, config, outcomes, {**words, "scope": scope, "name": name})
        record = lifting.register(house, foreseen.plan, person(actor))
    parts = (Text(f"Registered {record.lift_id}: {clean(name)}", style="bold"), *_told(foreseen), _next(record.plan))
    return Answer(Group(*parts), _data(record) | _data_of(foreseen, seed))


def listed(config: Path) -> Answer:
    """List all lift tests, the newest first."""
    with open_house(config) as house:
        every, today = house.store.lift_tests(), house.today()
    shown: RenderableType = Text("No lift test is registered. Next: outlay lift design --help")
    if every:
        shown = figures_table({
            "test": [record.lift_id for record in every],
            "name": [clean(record.plan.name) for record in every],
            "about": [_about(record.plan) for record in every],
            "days": [f"{record.plan.first_day} to {record.plan.last_day}" for record in every],
            "state": [_state(record, today) for record in every],
        })  # fmt: skip
    return Answer(shown, {"lift_tests": [_data(record) for record in every]})


def status(config: Path, test: str) -> Answer:
    """Say how a test stands; exit 2 when it is over and waits to be read."""
    with open_house(config) as house:
        record, today = lifting.find(house, test), house.today()
    parts: list[RenderableType] = [
        Text(f"{clean(record.plan.name)} ({record.lift_id}), {_about(record.plan)}", style="bold"),
        Text(_state(record, today)),
        *(bullet(words) for words in _promises(record.plan)),
    ]
    if record.end is not None and record.end.reading is not None:
        parts.append(section("Read", *map(bullet, _said(record.plan, record.end.reading))))
    waits = record.end is None and record.plan.last_day < today
    return Answer(Group(*parts), _data(record) | {"waits": waits}, Exit.PENDING if waits else Exit.FINE)


def read(
    config: Path, test: str, outcomes: Path | None, spend: float | None, dry_run: bool, actor: str | None
) -> Answer:
    """Read a test that is over and keep what it says for the next refit; exit 4 when too much is claimed.

    Raises:
        BadInput: It is not over, or what was sold in its days is not known.
    """
    settings = configuration.load(config)
    with open_house(config) as house:
        record = lifting.find(house, test)
        sold = _outcomes(config, outcomes, record.plan.outcome)
        found = lifting.read(house, record, sold, settings.lift.level, spend)
        if not dry_run:
            record = lifting.end(house, record, person(actor), "read", (found, sold.digest()))
    parts: list[RenderableType] = [
        Text(f"{clean(record.plan.name)} ({record.lift_id}), {_about(record.plan)}", style="bold"),
        *map(bullet, _said(record.plan, found)),
        Text("Nothing was written." if dry_run else "Kept: the next `outlay refit` learns from it.", style="bold"),
    ]
    data = _data(record) | {"reading": _reading(found), "recorded": not dry_run}
    return Answer(Group(*parts), data, Exit.BLOCKED if _too_much(found) else Exit.FINE)


def stop(config: Path, test: str, reason: str, actor: str | None) -> Answer:
    """Break a test off; the next plans put its budgets back."""
    with open_house(config) as house:
        record = lifting.end(house, lifting.find(house, test), person(actor), reason, None)
    words = "the next plan puts its budgets back." if isinstance(record.plan, Switchback) else "put the regions back."
    return Answer(Text(f"Stopped {record.lift_id} ({clean(record.plan.name)}): {words}", style="bold"), _data(record))


def _foreseen(house: House, config: Path, file: Path | None, words: dict[str, Any]) -> tuple[Foreseen, int]:
    settings = configuration.load(config).lift
    if words["kind"] not in _KINDS:
        raise BadInput(f"{words['kind']!r} is no kind of lift test", where=_WHERE, field="--kind",
                       mend=f"write one of {', '.join(_KINDS)}.")  # fmt: skip
    seed = secrets.randbits(32) if words["seed"] is None else words["seed"]
    counted = _counted(words["outcome"])
    first_day = None if words["first_day"] is None else day(words["first_day"], _WHERE, "--first-day")
    sold = _outcomes(config, file, counted)
    asked = words | {"seed": seed, "outcome": counted, "first_day": first_day}
    return lifting.foresee(house, sold, asked, (settings.level, settings.power)), seed


def _outcomes(config: Path, file: Path | None, counted: Outcome) -> Outcomes:
    named = configuration.load(config).lift.outcomes_file
    if file is None and named is None:
        raise BadInput("no file of outcomes is named", where=_WHERE, field="--outcomes",
                       mend="name one, or set outcomes_file of [lift]; docs/lift.md has its columns.")  # fmt: skip
    return read_outcomes(file or config.resolve().parent / str(named), counted)


def _counted(text: str) -> Outcome:
    try:
        return Outcome(text)
    except ValueError:
        raise BadInput(f"{text!r} cannot be read", where=_WHERE, field="--outcome",
                       mend="write conversions or value.") from None  # fmt: skip


def _told(foreseen: Foreseen) -> list[RenderableType]:
    """What a test promises, could find and costs."""
    plan, power, share = foreseen.plan, foreseen.power, foreseen.least_share
    unit = plan.outcome.value
    if share is None:
        verdict = "Nothing is claimed for what would change: there is nothing to hold the effect against."
    elif share > 1:
        verdict = (
            f"Too weak: all that is claimed, {figure(abs(foreseen.claimed))} a day, would not be told from nothing as "
            "often as asked if it were incremental. Plan more pairs, longer blocks, more regions or a larger change."
        )
    else:
        verdict = f"It tells spend from nothing if {share:.0%} or more of what is claimed is incremental."
    more = "more" if foreseen.spend_change > 0 else "less"
    finds = (
        f"Finds {figure(power.smallest)} {unit} a day and more; read on {power.placebos} placebos of the past, of "
        f"which {power.false_alarms:.0%} found something."
    )
    costs = (
        f"Spends {figure(abs(foreseen.spend_change))} {foreseen.currency} {more} over {plan.days} days; platforms "
        f"claim {figure(abs(foreseen.at_stake))} {unit} for that, which is the most that it can change."
    )
    return [
        *(bullet(words) for words in _promises(plan)),
        section("Power", bullet(finds), bullet(verdict), _curve(foreseen)),
        section("Cost", bullet(costs)),
    ]


def _curve(foreseen: Foreseen) -> Table:
    power = foreseen.power
    shown = range(0, len(power.effects), 4)
    return figures_table({
        f"{foreseen.plan.outcome.value} a day": [figure(float(power.effects[e])) for e in shown],
        "found": [f"{power.found[e]:.0%}" for e in shown],
    })  # fmt: skip


def _promises(plan: LiftPlan) -> tuple[str, ...]:
    days = f"From {plan.first_day} to {plan.last_day}, {plan.days} days"
    if isinstance(plan, Holdout):
        return (
            f"{days}: spend of {_about(plan)} {plan.change:+.0%} in the test regions.",
            f"Test regions: {', '.join(plan.test)}.",
            f"Compared with: {', '.join(plan.control)}.",
        )
    order = "".join("H" if high else "L" for high in plan.high)
    return (
        f"{days} in {len(plan.high)} blocks of {plan.block_days}, the first {plan.burn_in} of each not read: {order}.",
        f"Budgets of {_about(plan)}, {plan.base} a day: high (H) x{plan.upper:.3f}, low (L) x{plan.lower:.3f}.",
        f"Then back to {plan.base} a day, over {plan.settle_days} days.",
    )


def _said(plan: LiftPlan, reading: LiftReading) -> list[str]:
    unit = plan.outcome.value
    found = "was found" if reading.found else "was not told from nothing"
    words = [
        f"A change of spend by {figure(reading.spend_change)} brought {figure(reading.incremental)} {unit} "
        f"({reading.level:.0%}: {figure(reading.low)} to {figure(reading.high)}); an effect {found}."
    ]
    if reading.claimed:
        words.append(f"Its platforms claim {figure(reading.claimed)} for it: {_ratio(reading)}")
    if _too_much(reading):
        words.append(f"{_about(plan)} claims more than it brings.")
    return words


def _ratio(reading: LiftReading) -> str:
    ratio = compared([Claim(reading.claimed or 0.0, reading.claimed_se, reading.incremental, reading.se)])
    return (
        f"100 claimed ones are {figure(100 * ratio.middle)} incremental ones (90%: {figure(100 * ratio.low)} to "
        f"{figure(100 * ratio.high)}); more is claimed than brought with a probability of {reading.overclaimed:.0%}."
    )


def _too_much(reading: LiftReading) -> bool:
    from optimizer.decide.lifting import SURE  # noqa: PLC0415 - what decides is slow to load

    return reading.overclaimed is not None and reading.overclaimed >= SURE


def _next(plan: LiftPlan) -> Text:
    words = (
        "Plans ask for its budgets from its first day on; approve and apply them as any other."
        if isinstance(plan, Switchback)
        else "Set these regions on the platform on its first day, and put them back after its last."
    )
    return Text(words, style="bold")


def _about(plan: LiftPlan) -> str:
    return f"channel {plan.channel}" if plan.campaign is None else f"campaign {plan.campaign} of {plan.channel}"


def _state(record: LiftRecord, today: date) -> str:
    plan = record.plan
    if record.end is not None:
        return f"{'read' if record.end.reading else 'stopped'} {record.end.day}: {clean(record.end.reason)}"
    if today < plan.first_day:
        return f"begins {plan.first_day}"
    if today > plan.last_day:
        return "over: read it with `outlay lift read`"
    phase = plan.phase(today) if isinstance(plan, Switchback) else None
    return f"runs until {plan.last_day}" if phase is None else phase.words


def _reading(reading: LiftReading) -> dict[str, Any]:
    plain: dict[str, Any] = adapter(LiftReading).dump_python(reading, mode="json")
    return plain | {"found": reading.found, "overclaimed": reading.overclaimed}


def _data(record: LiftRecord) -> dict[str, Any]:
    end = record.end
    return {
        "lift_test": record.lift_id,
        "kind": "holdout" if isinstance(record.plan, Holdout) else "switchback",
        "plan": adapter(type(record.plan)).dump_python(record.plan, mode="json"),
        "plan_hash": record.plan_hash,
        "registered_at": record.registered_at.isoformat(),
        "registered_by": record.registered_by,
        "end": None if end is None else {
            "at": end.at.isoformat(), "day": end.day.isoformat(), "actor": end.actor, "reason": end.reason,
            "reading": None if end.reading is None else _reading(end.reading), "evidence": end.evidence,
        },
    }  # fmt: skip


def _data_of(foreseen: Foreseen, seed: int) -> dict[str, Any]:
    power = foreseen.power
    told: dict[str, Any] = finite({
        "plan": adapter(type(foreseen.plan)).dump_python(foreseen.plan, mode="json"),
        "seed": seed,
        "power": {
            "placebos": power.placebos, "false_alarms": power.false_alarms, "smallest": power.smallest,
            "effects": power.effects.tolist(), "found": power.found.tolist(),
        },
        "currency": foreseen.currency,
        "spend_change": foreseen.spend_change,
        "at_stake": foreseen.at_stake,
        "claimed": foreseen.claimed,
        "least_share": foreseen.least_share,
    })  # fmt: skip
    return told
