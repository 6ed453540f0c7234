"""`outlay experiment`: register, look at, close and size comparisons of arms; what they print stands in `trials`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Group
from rich.text import Text

from bandits import sizing
from bandits.experiment import Experiment, Guard, Kind, Metric, Share
from bandits.readout import Verdict
from connectors.errors import BadInput
from optimizer.agent import experiments
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli import trials
from optimizer.agent.cli.answers import Answer, Exit, finite
from optimizer.agent.cli.days import day
from optimizer.agent.cli.person import person
from optimizer.agent.cycle import House, snapshot
from optimizer.agent.experiments import ALL, Watched
from optimizer.plan.experiments import ExperimentRecord

_WHERE: Final = "outlay experiment"
_SEED: Final = 7
_BLOCKED: Final = frozenset({Verdict.MISMATCH, Verdict.HARM})


def register(config: Path, name: str, actor: str | None, **words: Any) -> Answer:
    """Write down what is to be compared, and by which rules, before the first row counts.

    Raises:
        BadInput: A word cannot be understood, or the plan is not one.
        StateConflict: An open experiment has its name or shares an arm with it.
    """
    with open_house(config) as house:
        plan = _plan(house, name, words)
        record = experiments.register(house, plan, person(actor))
        known = _known(house, plan)
    unseen = [arm for arm in plan.ids if arm not in known]
    shown = Group(trials.registered(record), *map(trials.note, _unseen(plan, unseen)))
    return Answer(shown, _data(record) | {"unseen": unseen})


def status(config: Path, experiment: str, as_of: str | None) -> Answer:
    """Say how an open experiment stands; exit 2 when it has ended, 4 when it cannot be trusted or does harm."""
    with open_house(config) as house:
        record = experiments.find(house, experiment)
        watched = experiments.watch(house, record, None if as_of is None else day(as_of, _WHERE, "--as-of"))
    return Answer(trials.status(watched), watched_data(watched), _code(watched))


def listed(config: Path) -> Answer:
    """List all experiments, the newest first."""
    with open_house(config) as house:
        every, today = house.store.experiments(ALL), house.today()
    return Answer(trials.listed(every, today), {"experiments": [_data(record) for record in every]})


def close(config: Path, experiment: str, reason: str, keep: str | None, actor: str | None) -> Answer:
    """Write the end of an experiment down, with what it said then."""
    with open_house(config) as house:
        record = experiments.find(house, experiment)
        watched = experiments.close(house, record, person(actor), reason, keep)
    return Answer(Group(trials.status(watched), trials.closed(watched.record)), watched_data(watched))


def report(config: Path, experiment: str, out: Path | None, as_of: str | None) -> Answer:
    """Write one page with pictures that needs nothing but itself."""
    from optimizer.agent.trial_page import page  # noqa: PLC0415 - Matplotlib is heavy

    with open_house(config) as house:
        record = experiments.find(house, experiment)
        watched = experiments.watch(house, record, None if as_of is None else day(as_of, _WHERE, "--as-of"))
    path = out or Path(f"{record.experiment_id}.html")
    try:
        path.write_text(page.render(watched, experiments.path(watched)), encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"it cannot be written: {error.strerror}", where=str(path), mend="choose another place."
        ) from None
    words = Text(f"{path}", no_wrap=True, overflow="ignore")
    return Answer(Group(Text("Written:"), words), watched_data(watched) | {"report": str(path)}, _code(watched))


def size(daily: float, rate: float, seed: int | None, **words: Any) -> Answer:
    """Say how long an experiment must run.

    Raises:
        BadInput: A figure is out of its range.
    """
    arms, share = words["arms"], words["control_share"]
    try:
        aim = sizing.Aim(
            metric=_one_of(Metric, words["metric"], "--metric"),
            rate=rate,
            minimum_effect=words["minimum_effect"],
            daily=daily,
            arms=arms,
            control_share=1 / max(arms, 1) if share is None else share,
            error_rate=words["error_rate"],
            power=words["power"],
            dispersion=words["dispersion"],
        )
    except ValueError as error:
        raise BadInput(str(error), where=f"{_WHERE} size", mend="correct this figure.") from None
    found = sizing.size(aim, np.random.default_rng(_SEED if seed is None else seed))
    return Answer(trials.sized(aim, found), finite({"aim": asdict(aim), "size": asdict(found)}))


def watched_data(watched: Watched) -> dict[str, Any]:
    """An experiment as it stands, as plain values."""
    readout = finite(asdict(watched.readout))
    mismatch = watched.readout.mismatch
    if mismatch is not None:
        readout["mismatch"] |= {"found": mismatch.found, "holdout_broken": mismatch.holdout_broken}
    return _data(watched.record) | {
        "at": watched.at.isoformat(),
        "today": watched.today.isoformat(),
        "silent": list(watched.silent),
        "evidence": watched.evidence(),
        "readout": readout,
    }


def _data(record: ExperimentRecord) -> dict[str, Any]:
    plan = asdict(record.plan) | {"first_day": str(record.plan.first_day), "last_day": str(record.plan.last_day)}
    closing = record.closing
    return {
        "experiment": record.experiment_id,
        "name": record.plan.name,
        "plan": finite(plan),
        "plan_hash": record.plan_hash,
        "registered_at": record.registered_at.isoformat(),
        "registered_by": record.registered_by,
        "closing": None if closing is None else asdict(closing) | {"closed_at": closing.closed_at.isoformat()},
    }


def _code(watched: Watched) -> Exit:
    verdict = watched.readout.verdict
    if watched.record.closing is not None or not verdict.ends:
        return Exit.FINE
    return Exit.BLOCKED if verdict in _BLOCKED else Exit.PENDING


def _plan(house: House, name: str, words: Mapping[str, Any]) -> Experiment:
    arms = _arms(words["arm"])
    first = (
        day(words["first_day"], _WHERE, "--first-day") if words["first_day"] else experiments.default_first_day(house)
    )
    targets = tuple(_target(house, target) for target in words["target"])
    try:
        return Experiment(
            name=name,
            targets=targets,
            kind=_one_of(Kind, words["kind"], "--kind"),
            arms=arms,
            control=words["control"] or (arms[0].arm if arms else ""),
            metric=_one_of(Metric, words["metric"], "--metric"),
            minimum_effect=words["minimum_effect"],
            first_day=first,
            last_day=first + timedelta(days=words["days"] - 1),
            guards=tuple(_guard(text) for text in words["guard"]),
            holdout=words["holdout"],
            error_rate=words["error_rate"],
            power=words["power"],
            least_days=words["least_days"],
            settle_days=words["settle_days"],
            planned=words["planned"],
        )
    except ValueError as error:
        raise BadInput(str(error), where=f"{_WHERE} register", mend="correct it and register again.") from None


def _arms(texts: Sequence[str]) -> tuple[Share, ...]:
    """Arms from `ID` or `ID=SHARE`; those without a share divide evenly what the others leave."""
    given = [text.rpartition("=") if "=" in text else (text, "", "") for text in texts]
    shares = [
        _number(share, "--arm", text) if share else None for (_, _, share), text in zip(given, texts, strict=True)
    ]
    open_ = sum(share is None for share in shares)
    rest = (1 - sum(share for share in shares if share is not None)) / max(open_, 1)
    return tuple(Share(arm, rest if share is None else share) for (arm, _, _), share in zip(given, shares, strict=True))


def _guard(text: str) -> Guard:
    metric, equals, loss = text.rpartition("=")
    if not equals:
        raise BadInput(f"{text!r} is not METRIC=LOSS", where=f"{_WHERE} register", field="--guard",
                       mend="write, for instance, conversions-per-impression=0.1.")  # fmt: skip
    return Guard(_one_of(Metric, metric, "--guard"), _number(loss, "--guard", text))


def _target(house: House, text: str) -> str:
    """The key of a budget from its key, id or name."""
    targets = snapshot(house, house.today()).targets
    found = [t for t in targets if text in (str(t.key), t.budget.budget_id, t.budget.name)]
    if len(found) != 1:
        some = ", ".join(str(target.key) for target in targets[:8])
        raise BadInput(
            f"{text!r} names {len(found) or 'no'} of the budgets that the store knows",
            where=f"{_WHERE} register",
            field="--target",
            mend=f"write a key, such as {some}." if targets else "read the platforms first, with `outlay plan`.",
        )
    return str(found[0].key)


def _known(house: House, plan: Experiment) -> set[str]:
    """The arms of the plan that the store has rows of in its targets."""
    seen = snapshot(house, house.today())
    arms = () if seen.arms is None else seen.arms.arms
    mine = [arm for arm in arms if str(seen.targets[arm.target].key) in plan.targets]
    ids = {Kind.AD: "ad_id", Kind.CREATIVE: "creative_id", Kind.AUDIENCE: "audience_id"}[plan.kind]
    return {getattr(arm, ids) for arm in mine} & set(plan.ids)


def _unseen(plan: Experiment, arms: Sequence[str]) -> Sequence[str]:
    if not arms:
        return ()
    return (f"The store has no row of {', '.join(arms)} so far. Where that is no new {plan.kind.value}, check the id.",)


def _one_of[T: StrEnum](kind: type[T], text: str, field: str) -> T:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(value.value for value in kind)
        raise BadInput(f"{text!r} is unknown", where=_WHERE, field=field, mend=f"write one of {known}.") from None


def _number(text: str, field: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"{whole!r} does not end in a number", where=_WHERE, field=field,
                       mend="write a share such as 0.5.") from None  # fmt: skip
