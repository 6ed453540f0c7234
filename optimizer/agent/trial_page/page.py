"""An experiment as an HTML page that needs nothing but itself: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from scipy import special

from bandits.mismatch import by_day
from bandits.posterior import BetaBinomial, GammaPoisson, Posterior
from bandits.readout import ArmReading, Readout, posterior
from optimizer.agent.cli import trials
from optimizer.agent.experiments import Watched
from optimizer.agent.trial_page import figures
from optimizer.explain import figure
from optimizer.plan.snapshot import FloatArray
from simulations.report import drawing
from simulations.report.sections import Panel, Section
from simulations.report.tables import Table

Path = Sequence[tuple[date, Readout]]
"""What an experiment said by the end of each day."""

_GRID: Final = 200
_LEAST_REACH: Final = 3.0
"""How many minimum effects the axis of the lift shows at least."""


def render(watched: Watched, path: Path) -> str:
    """Return the page of an experiment.

    Args:
        watched: As it stands.
        path: What it said by the end of each of its days (`experiments.path`); empty before the first row.
    """
    plan, readout = watched.record.plan, watched.readout
    with drawing.style():
        sections = _sections(watched, path) if path and readout.days else ()
    rooms = Environment(
        loader=ChoiceLoader([PackageLoader("optimizer.agent.trial_page"), PackageLoader("simulations.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    record = watched.record
    facts = [
        (
            "Registered",
            f"{record.registered_at:%Y-%m-%d %H:%M} UTC by {record.registered_by}, as {record.experiment_id}",
        ),
        ("Hash of the registration", record.plan_hash),
        ("Rows", f"as known {watched.at:%Y-%m-%d %H:%M} UTC, days before {watched.today}; digest {watched.evidence()}"),
        ("Program", record.code_version),
    ]
    if record.closing is not None:
        closing = record.closing
        kept = f"; {closing.kept} is kept" if closing.kept else ""
        words = f"{closing.closed_at:%Y-%m-%d %H:%M} UTC by {closing.closed_by}: {closing.verdict.value}{kept}. "
        facts.append(("Closed", words + closing.reason))
    days = f"Experiment, day {readout.days} of {plan.days}" if readout.days else "Experiment, not begun"
    return rooms.get_template("trial.html.j2").render(
        title=plan.name,
        kind=days,
        summary=trials.verdict_words(watched),
        sections=sections,
        promises=trials.promises(plan),
        facts=facts,
    )


def _sections(watched: Watched, path: Path) -> tuple[Section, ...]:
    plan, readout = watched.record.plan, watched.readout
    days = [(day - plan.first_day).days + 1 for day, _ in path]
    parts = (
        _arms(watched),
        _lift(watched, path, days),
        _evidence(watched, path, days),
        _best(watched, path, days),
        _split(watched, path),
    )
    return (*parts[:4], _guards(watched), parts[4]) if readout.guards else parts


def _arms(watched: Watched) -> Section:
    plan, readout = watched.record.plan, watched.readout
    words, scale = trials.unit(plan.metric)
    believed, unit = posterior(plan, watched.rows, readout.dispersion)
    grid, density = _density(believed)
    names = _names(watched)
    svg = figures.posteriors(
        "posteriors", grid * unit * scale, {name: density[a] for a, name in enumerate(names)}, words
    )
    rows = tuple(
        (
            name,
            f"{arm.exposure:,.0f}",
            figure(scale * arm.rate),
            f"{figure(scale * arm.low95)} to {figure(scale * arm.high95)}",
            "control" if arm.arm == plan.control else f"{arm.lift:+.1%}",
            "" if arm.arm == plan.control else f"{arm.lift_low95:+.1%} to {arm.lift_high95:+.1%}",
            f"{arm.p_best:.1%}",
            "" if arm.arm == plan.control else f"{arm.p_effect:.1%}",
            f"{arm.loss:.2%}",
        )
        for name, arm in zip(names, readout.arms, strict=True)
    )
    head = (
        plan.kind.value, plan.metric.exposure, words, "95%", "lift", "95%", "P(best)",
        f"P(lift > {plan.minimum_effect:.0%})", "expected loss",
    )  # fmt: skip
    leader = max(zip(names, readout.arms, strict=True), key=lambda pair: pair[1].p_best)
    return Section(
        key="arms",
        short="Arms",
        heading=f"{leader[0]} is the best with {leader[1].p_best:.0%} probability",
        caption="Where each arm's rate may be, by what is known now; conversions still to come are allowed for. These "
        "probabilities hold for one look: the verdict rests on the intervals of the next section.",
        panels=(Panel("", svg),),
        wide=True,
        shown=(Table("Arms as they stand", head, rows),),
    )


def _lift(watched: Watched, path: Path, days: Sequence[int]) -> Section:
    plan = watched.record.plan
    others = [a for a, arm in enumerate(plan.ids) if arm != plan.control]
    settled = [readout for _, readout in path][min(len(path) - 1, plan.least_days - 1) :]
    ends = [abs(end) for r in settled for a in others for end in (r.arms[a].sure_low, min(r.arms[a].sure_high, 1.0))]
    reach = max(_LEAST_REACH * plan.minimum_effect, 1.1 * max(ends))
    names = _names(watched)
    panels = tuple(
        Panel(
            names[a],
            figures.running_lift(
                f"lift-{a}", names[a], a, days, _of(path, a, "lift"), _of(path, a, "sure_low"),
                _of(path, a, "sure_high"), plan.minimum_effect, reach,
            ),
        )
        for a in others
    )  # fmt: skip
    best = max((watched.readout.arms[a] for a in others), key=lambda arm: arm.lift)
    return Section(
        key="lift",
        short="Lift by day",
        heading=f"The lift of {names[plan.ids.index(best.arm)]} is surely in {trials.sure(best)}",
        caption=f"Line: the lift over {plan.control} by the days up to each. Band: a confidence sequence, which holds "
        "at all looks together, so that one may stop whenever it leaves the line at 0. Dashed: the least lift worth a "
        "change. In the first days the band is wider than the picture.",
        panels=panels,
        data=(
            Table(
                "Lift by day",
                ("day", *(f"{names[a]}" for a in others), *(f"{names[a]}, surely" for a in others)),
                tuple(
                    (
                        f"{day}",
                        *(f"{readout.arms[a].lift:+.1%}" for a in others),
                        *(trials.sure(readout.arms[a]) for a in others),
                    )
                    for day, readout in path
                ),
            ),
        ),
    )


def _evidence(watched: Watched, path: Path, days: Sequence[int]) -> Section:
    plan, readout = watched.record.plan, watched.readout
    names = _names(watched)
    others = [a for a, arm in enumerate(plan.ids) if arm != plan.control]
    curves = {names[a]: (a, _of(path, a, "e")) for a in others}
    most = max((readout.arms[a] for a in others), key=lambda arm: arm.e)
    return Section(
        key="evidence",
        short="Evidence",
        heading=f"Evidence against no difference: {trials.evidence(most.e)}, shown from {readout.threshold:,.0f} on",
        caption="E-values by day. Where no arm differs, they pass the dashed line in at most "
        f"{1 / readout.threshold:.1%} of experiments, over all looks and arms together.",
        panels=(Panel("", figures.evidence("evidence", curves, days, readout.threshold)),),
        wide=True,
        half=True,
        data=(
            Table(
                "E-values by day",
                ("day", *(names[a] for a in others)),
                tuple((f"{day}", *(trials.evidence(r.arms[a].e) for a in others)) for day, r in path),
            ),
        ),
    )


def _best(watched: Watched, path: Path, days: Sequence[int]) -> Section:
    names = _names(watched)
    curves = {name: _of(path, a, "p_best") for a, name in enumerate(names)}
    return Section(
        key="best",
        short="P(best)",
        heading="Probability of being the best, by day",
        caption="It wanders even where no arm differs: to stop when it is high is to be wrong often.",
        panels=(Panel("", figures.by_day("best", curves, days, "Probability of being the best")),),
        wide=True,
        half=True,
        data=(
            Table(
                "P(best) by day",
                ("day", *names),
                tuple((f"{day}", *(f"{arm.p_best:.1%}" for arm in readout.arms)) for day, readout in path),
            ),
        ),
    )


def _guards(watched: Watched) -> Section:
    readings = [(f"{reading.arm}: {reading.metric.value}", reading) for reading in watched.readout.guards]
    return Section(
        key="guards",
        short="Guards",
        heading="What must not suffer",
        caption=" ".join(trials.guard_words(watched.readout)),
        panels=(Panel("", figures.guards("guards", readings)),),
        wide=True,
        half=True,
    )


def _split(watched: Watched, path: Path) -> Section:
    plan, readout, names = watched.record.plan, watched.readout, _names(watched)
    shown = by_day(watched.rows.impressions, watched.rows.day)
    panels: tuple[Panel, ...] = ()
    if shown.shape[1]:
        shares = shown / shown.sum(axis=0)
        numbers = list(range(1, shown.shape[1] + 1))
        promised = [each.share for each in plan.arms]
        panels = (Panel("", figures.split("split", names, shares, promised, numbers)),)
    found = readout.mismatch
    words = "not known yet" if found is None else "not as promised" if found.found else "as promised"
    return Section(
        key="split",
        short="Split",
        heading=f"The split of the impressions is {words}",
        caption=" ".join(trials.split_words(plan, readout)) + " Dots: days. Dashed: what was promised.",
        panels=panels,
        wide=True,
        half=True,
    )


def _names(watched: Watched) -> list[str]:
    """What people call the arms, with the id where two have one name."""
    names = [watched.names[arm] for arm in watched.record.plan.ids]
    return [
        f"{name} ({arm})" if names.count(name) > 1 else name
        for name, arm in zip(names, watched.record.plan.ids, strict=True)
    ]


def _of(path: Path, arm: int, field: str) -> FloatArray:
    """One figure of one arm by day, shape (T,)."""
    readings: list[ArmReading] = [readout.arms[arm] for _, readout in path]
    return np.array([getattr(reading, field) for reading in readings], dtype=np.float64)


def _density(believed: Posterior) -> tuple[FloatArray, FloatArray]:
    """Rates and each arm's density over them, (G,) and (A, G), from differences of the distribution function."""
    low, high = believed.interval(0.999)
    edges = np.linspace(max(float(low.min()), 0.0), float(high.max()), _GRID + 1)
    if isinstance(believed, BetaBinomial):
        below = special.betainc(believed.alpha[:, np.newaxis], believed.beta[:, np.newaxis], np.minimum(edges, 1.0))
    elif isinstance(believed, GammaPoisson):
        below = special.gammainc(believed.shape[:, np.newaxis], believed.rate[:, np.newaxis] * edges)
    else:
        raise TypeError(f"no picture for {type(believed).__name__}")
    return (edges[1:] + edges[:-1]) / 2, np.diff(below, axis=1) / np.diff(edges)
