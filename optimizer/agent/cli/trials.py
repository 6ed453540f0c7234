"""Experiments as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bandits.experiment import EARLY, Experiment, Metric
from bandits.mismatch import ALARM
from bandits.readout import ArmReading, Kept, Readout, Verdict
from bandits.sizing import LONGEST_DAYS, Aim, Size
from optimizer.agent.cli.render import bullet, section
from optimizer.agent.cli.tables import clean, figures_table
from optimizer.agent.experiments import Watched
from optimizer.explain import figure
from optimizer.plan.experiments import ExperimentRecord

NAMES: Final = {
    Metric.CTR: "clicks per impression",
    Metric.CONVERSION_RATE: "conversions per click",
    Metric.CONVERSIONS: "conversions per impression",
    Metric.REVENUE: "revenue per impression",
}
_SCALES: Final = {Metric.CTR: 100.0, Metric.CONVERSION_RATE: 100.0, Metric.CONVERSIONS: 1e3, Metric.REVENUE: 1e3}
_MANY: Final = 1e6


def unit(metric: Metric) -> tuple[str, float]:
    """Return how a rate is written, such as `clicks per 100 impressions`, and by how much it is multiplied."""
    what, _, of = NAMES[metric].partition(" per ")
    return f"{what} per {_SCALES[metric]:,.0f} {of}s", _SCALES[metric]


def registered(record: ExperimentRecord) -> RenderableType:
    """What was promised, with its hash."""
    plan = record.plan
    return Group(
        Text(f"Registered {record.experiment_id}: {clean(plan.name)}", style="bold"),
        *(bullet(words) for words in promises(plan)),
        Text(f"Hash {record.plan_hash}", no_wrap=True, overflow="ignore"),
        Text(
            "Set this split on the platform before the first day, and leave it alone: shares of these arms are not "
            "advised while the experiment is open.",
            style="bold",
        ),
    )


def promises(plan: Experiment) -> tuple[str, ...]:
    """Say a registration in sentences."""
    split = ", ".join(f"{each.arm} {each.share:.1%}" for each in plan.arms)
    guards = "; ".join(f"{NAMES[guard.metric]} may fall by {guard.worst_loss:.0%} at most" for guard in plan.guards)
    held = f", of which {plan.holdout:.1%} are held out in any case" if plan.holdout else ""
    return (
        f"Arms ({plan.kind.value}s): {split}; control {plan.control}{held}. Budgets: {', '.join(plan.targets)}.",
        f"Decides: {NAMES[plan.metric]}; a lift of {plan.minimum_effect:.1%} or more is worth a change.",
        f"From {plan.first_day} to {plan.last_day}, {plan.days} days, no verdict in the first {plan.least_days}; last "
        f"look on {plan.last_look}.",
        f"Calls an arm different that is not in at most {plan.error_rate:.1%} of such experiments, over all looks: "
        f"{EARLY * plan.error_rate:.1%} before the last look, the rest for that.",
        *((f"Guards: {guards}.",) if guards else ()),
    )


def status(watched: Watched) -> RenderableType:
    """How an experiment stands: the verdict, the arms, the guards and the split."""
    plan, readout = watched.record.plan, watched.readout
    days = f"day {readout.days} of {plan.days}" if readout.days else f"begins {plan.first_day}"
    parts: list[RenderableType] = [
        Text(f"{clean(plan.name)} ({watched.record.experiment_id}), {days}", style="bold"),
        Text(verdict_words(watched), style="bold"),
    ]
    if readout.days:
        words, _ = unit(plan.metric)
        parts += [
            section(
                f"Arms, {words}",
                _arms(plan, readout, watched),
                Text(
                    f"surely: a sequence of intervals that holds at every look before the last one with "
                    f"{1 - EARLY * plan.error_rate:.1%}; e: shown to differ from {readout.threshold:,.0f} on.",
                    style="dim",
                ),
            ),
            section("Guards", *map(bullet, guard_words(readout))),
            section("Split", *map(bullet, split_words(plan, readout))),
            section("Beside the rule", *map(bullet, aside(plan, readout))),
        ]
    parts += [section("Without any row so far", bullet(", ".join(watched.silent)))] if watched.silent else []
    return Group(*parts)


def verdict_words(watched: Watched) -> str:
    """Say the verdict, and what to do."""
    plan, readout = watched.record.plan, watched.readout
    if watched.record.closing is not None:
        return f"Closed {watched.record.closing.closed_at:%Y-%m-%d}: {watched.record.closing.verdict.value}."
    name = watched.names.get(readout.winner or "", readout.winner or "")
    return {
        Verdict.NO_ROWS: f"No row of its days is known. It begins {plan.first_day}; rows come in with `outlay plan`.",
        Verdict.RUNNING: _running(plan, readout),
        Verdict.WINNER: f"{clean(name)} is shown to be better than {plan.control}. Close it, and keep that arm.",
        Verdict.NONE_BETTER: f"No arm can be better than {plan.control} by {plan.minimum_effect:.1%}. Close it.",
        Verdict.NOT_SHOWN: f"It is over, and no arm is shown to be better than {plan.control}. Close it.",
        Verdict.HARM: "A guard is broken. Stop the arm that breaks it, and close the experiment.",
        Verdict.MISMATCH: "The split is not the one that was registered: the comparison cannot be trusted. Find out "
        "what decided who saw which arm, close the experiment and register another.",
    }[readout.verdict]


def _running(plan: Experiment, readout: Readout) -> str:
    if readout.days < plan.least_days:
        return f"Running; no verdict before {plan.least_days} days had rows."
    return f"Running: nothing is shown yet. Looking again tomorrow costs nothing; it ends on {plan.last_look}."


def _arms(plan: Experiment, readout: Readout, watched: Watched) -> Table:
    scale = unit(plan.metric)[1]
    rows = readout.arms
    others = [arm.arm != plan.control for arm in rows]
    return figures_table(
        {
            plan.kind.value: [clean(watched.names.get(arm.arm, arm.arm)) for arm in rows],
            plan.metric.exposure: [f"{arm.exposure:,.0f}" for arm in rows],
            "rate": [figure(scale * arm.rate) for arm in rows],
            "95%": [f"[{figure(scale * arm.low95)}, {figure(scale * arm.high95)}]" for arm in rows],
            "lift": [f"{arm.lift:+.1%}" if other else "control" for arm, other in zip(rows, others, strict=True)],
            "95% ": [
                f"[{arm.lift_low95:+.1%}, {arm.lift_high95:+.1%}]" if other else ""
                for arm, other in zip(rows, others, strict=True)
            ],
            "surely": [sure(arm) if other else "" for arm, other in zip(rows, others, strict=True)],
            "e": [evidence(arm.e) if other else "" for arm, other in zip(rows, others, strict=True)],
            "P(best)": [f"{arm.p_best:.1%}" for arm in rows],
            f"P(>{plan.minimum_effect:.0%})": [
                f"{arm.p_effect:.1%}" if other else "" for arm, other in zip(rows, others, strict=True)
            ],
            "loss": [f"{arm.loss:.2%}" for arm in rows],
        }
    )


def sure(arm: ArmReading) -> str:
    """The confidence sequence of an arm's lift in words."""
    high = "?" if arm.sure_high > _MANY else f"{arm.sure_high:+.1%}"
    return f"[{arm.sure_low:+.1%}, {high}]"


def evidence(e: float) -> str:
    """An e-value as a person reads it."""
    return f"{e:,.2g}" if e < 10 else f"{e:,.0f}" if e < _MANY else "> 1,000,000"


def guard_words(readout: Readout) -> tuple[str, ...]:
    """Say what is known of each guard."""
    told = {Kept.OPEN: "not known yet", Kept.KEPT: "kept", Kept.BROKEN: "broken"}
    return tuple(
        f"{reading.arm}, {NAMES[reading.metric]}: {told[reading.kept]}; {reading.change:+.1%}, surely from "
        f"{reading.sure_low:+.1%} to {'?' if reading.sure_high > _MANY else f'{reading.sure_high:+.1%}'}, "
        f"tolerated {-reading.worst_loss:.0%}."
        for reading in readout.guards
    )


def split_words(plan: Experiment, readout: Readout) -> tuple[str, ...]:
    """Say whether the split is the one that was promised."""
    found = readout.mismatch
    if found is None:
        return ("It can be told once impressions of two days are known.",)
    shares = ", ".join(
        f"{each.arm} {share:.2%} (promised {each.share:.1%})"
        for each, share in zip(plan.arms, found.shares, strict=True)
    )
    told = "Not as promised" if found.found else "As promised"
    return (
        f"{told}: {shares}.",
        f"Chi-square {found.chi_square:,.1f}, p = {found.p:.2g} with a design effect of {found.effect:,.1f}; a "
        f"mismatch is told under {ALARM}.",
        *(("The control was shown less than what was held out for it.",) if found.holdout_broken else ()),
    )


def aside(plan: Experiment, readout: Readout) -> tuple[str, ...]:
    """What stands beside the rule: the expected-loss rule, dispersion, planned exposure."""
    rule = f"would stop for {readout.caring}" if readout.caring else "would go on"
    planned = () if plan.planned is None else (
        f"{readout.exposure:,.0f} of the {plan.planned:,} {plan.metric.exposure} that were planned.",
    )  # fmt: skip
    return (
        f"The expected-loss rule {rule}. It promises no error rate: do not stop by it if errors matter.",
        f"Days vary {readout.dispersion:.2f} times as much as chance; the figures allow for it.",
        *planned,
    )


def closed(record: ExperimentRecord) -> RenderableType:
    """How an experiment ended."""
    closing = record.closing
    if closing is None:
        return Text()
    kept = f" {closing.kept} is kept." if closing.kept else ""
    words = f"Closed by {closing.closed_by}: {closing.verdict.value}.{kept} {closing.reason}"
    return Text(clean(words), style="bold")


def listed(every: Sequence[ExperimentRecord], today: date) -> RenderableType:
    """All experiments, one a line."""
    if not every:
        return Text("No experiment is registered. Next: outlay experiment register --help")
    return figures_table(
        {
            "experiment": [record.experiment_id for record in every],
            "name": [clean(record.plan.name) for record in every],
            "days": [f"{record.plan.first_day} to {record.plan.last_day}" for record in every],
            "arms": [str(len(record.plan.arms)) for record in every],
            "metric": [record.plan.metric.value for record in every],
            "state": [_state(record, today) for record in every],
        }
    )


def _state(record: ExperimentRecord, today: date) -> str:
    if record.closing is not None:
        return f"closed: {record.closing.verdict.value}"
    if today < record.plan.first_day:
        return "registered"
    return "running" if today < record.plan.last_look else "over, to be closed"


def note(words: str) -> RenderableType:
    """A sentence that is to be minded."""
    return Text(clean(words), style="yellow")


def sized(aim: Aim, found: Size) -> RenderableType:
    """How long an experiment must run."""
    each = f"{aim.daily:,.0f} {aim.metric.exposure} a day over {aim.arms} arms, control {aim.control_share:.0%}"
    parts: list[RenderableType] = [
        Text(
            f"To find a lift of {aim.minimum_effect:.1%} in {NAMES[aim.metric]} from {aim.rate:.4g}, with power "
            f"{aim.power:.0%} and error {aim.error_rate:.0%}; {each}:",
            style="bold",
        ),
        bullet(f"One test at the end: {found.fixed:,} {aim.metric.exposure} in all, {found.fixed_days:,} days."),
    ]
    if found.days is None:
        parts.append(bullet(f"With daily looks: more than {LONGEST_DAYS} days. Find a larger effect, or more traffic."))
    else:
        parts.append(
            bullet(
                f"With daily looks that may stop it early: plan {found.days} days. If the lift is just that, it takes "
                f"{found.expected_days:.1f} on average, and ends before its last look with {found.early:.0%}."
            )
        )
        parts.append(
            bullet(f"In the {found.fixed_days:,} days of the one test it has power {found.power_at_fixed:.0%}.")
        )
    return Group(*parts)
