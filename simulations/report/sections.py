"""The sections of a report, in the order in which a reader asks: each a heading that says what is to be seen."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from markupsafe import Markup

from simulations.market.truth import campaign_names
from simulations.noise import FloatArray
from simulations.oracle import Goal
from simulations.report import drawing, figures, series, tables
from simulations.report.series import Band, Case
from simulations.report.tables import Table, percent
from simulations.runs.record import Run
from simulations.runs.scores import Scores, Standing


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of a section.

    Attributes:
        title: Over it; empty where the section says it all.
        svg: The picture.
        command: What leads into what it shows; empty where nothing does.
    """

    title: str
    svg: Markup
    command: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands under it.

    Attributes:
        key: Its anchor.
        short: Its name in the list of contents.
        heading: What is to be seen.
        caption: How to read it, with units.
        panels: Its pictures.
        wide: Whether the pictures are wide ones.
        half: Whether it takes half the width of a desk.
        shown: Tables that stand open.
        data: Tables that can be opened: the figures behind the pictures.
    """

    key: str
    short: str
    heading: str
    caption: str
    panels: tuple[Panel, ...] = ()
    wide: bool = False
    half: bool = False
    shown: tuple[Table, ...] = ()
    data: tuple[Table, ...] = ()


def sections_of(run: Run, scores: Scores) -> tuple[Section, ...]:
    """Return the sections of a run; to be called inside `drawing.style`."""
    ranked = sorted(scores.standings(), key=lambda standing: -standing.whole.mean)
    return (
        _league(scores, ranked),
        _by_day(run),
        _lost(run),
        _worlds(scores, ranked),
        _coverage(scores),
        _violations(run, scores),
        _allocation(run, scores),
        _worst(run, scores),
    )


def unit_of(goal: Goal, currency: str) -> str:
    """Return in what unit a goal is counted."""
    return {
        "conversions": "conversions",
        "value": currency,
        "incremental": "incremental conversions",
        "incremental-value": f"incremental {currency}",
    }[goal]


def count(number: int, one: str, many: str = "") -> str:
    """Return `1 world`, `1,200 worlds`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _league(scores: Scores, ranked: list[Standing]) -> Section:
    best, first, close = ranked[0].policy, scores.policies[0], _close(scores, ranked)
    heading = f"{best} comes nearest to the oracle: {percent(ranked[0].whole.mean)}%"
    behind = (
        f" Too close to {best} to tell (by less than two of its standard errors, or one world): {', '.join(close)}."
    )
    return Section(
        key="league",
        short="League table",
        heading=f"{heading}; {count(len(close), 'other')} too close to tell" if close else heading,
        caption=f"The best first. Over {first}: the difference in the same world, in points of percent."
        f"{behind if close else ''} Intervals are those of campaigns' conversions that a policy states; {tables.NONE}: "
        "none.",
        shown=(tables.league(ranked, first),),
    )


def _close(scores: Scores, ranked: list[Standing]) -> list[str]:
    """The policies that the best one does not surely beat, world by world."""
    leads = {other.policy: scores.lead(ranked[0].policy, other.policy) for other in ranked[1:]}
    return [policy for policy, (lead, error) in leads.items() if not lead > 2.0 * error]


def _by_day(run: Run) -> Section:
    names, first = run.spec.policies, run.spec.policies[0]
    shares = {name: series.band(series.day_shares(run, name)) for name in names}
    spends = {name: series.band(series.spend_shares(run, name)) for name in names}
    least = _below_all(shares), _below_all(spends)
    panels = tuple(
        Panel(
            name,
            figures.by_day(
                f"day-{name}",
                name,
                drawing.look(i),
                shares[name],
                spends[name],
                None if name == first else shares[first].mean,
                least,
            ),
        )
        for i, name in enumerate(names)
    )
    week = min(7, run.spec.days)
    begun, ended = (float(part.mean()) for part in (shares[first].mean[:week], shares[first].mean[-week:]))
    dotted = f" Dotted: {first}." if len(names) > 1 else ""
    return Section(
        key="days",
        short="Value and spend by day",
        heading=f"{first} begins with {begun:.0%} of the oracle and ends with {ended:.0%}, day by day",
        caption="Above: the expected outcome of a day's budgets as a share of the oracle's on that day; below: what "
        "the platform charged as a share of the total. Lines are means over worlds, bands hold the middle 80% of "
        f"worlds, dashes are the oracle and the total.{dotted} The heading compares the first and last {week} days.",
        panels=panels,
        data=(
            tables.bands("% of the oracle by day: mean over worlds (10th to 90th percentile)", shares),
            tables.bands("Spend by day, % of the total: mean over worlds (10th to 90th percentile)", spends),
        ),
    )


def _lost(run: Run) -> Section:
    curves = {name: series.lost_so_far(run, name).mean(axis=0) for name in run.spec.policies}
    ends = {name: f"{percent(float(curve[-1]))}%" for name, curve in curves.items()}
    first, least = run.spec.policies[0], min(curves, key=lambda name: float(curves[name][-1]))
    also = "" if least == first else f"; {first} misses {ends[first]}"
    return Section(
        key="regret",
        short="Cumulative regret",
        heading=f"{least} misses {ends[least]} of what the oracle brings{also}",
        caption="Regret up to each day: what the oracle's budgets bring more in expectation, summed up over days, as "
        "a share of all that they bring over the whole run; mean over worlds. A line that flattens out has learnt.",
        panels=(Panel("", figures.lost("regret", curves)),),
        wide=True,
        half=True,
        data=(tables.curves("Cumulative regret, % of all that the oracle brings", _hundredfold(curves)),),
    )


def _worlds(scores: Scores, ranked: list[Standing]) -> Section:
    places = {standing.policy: scores.policies.index(standing.policy) for standing in ranked}
    first = scores.whole[0]
    return Section(
        key="worlds",
        short="World by world",
        heading=f"World by world, {scores.policies[0]} brings {_range(first.min(), first.max())} of the oracle",
        caption="One mark for each world, the share over all days; the stroke is the mean. Best policy on top.",
        panels=(Panel("", figures.worlds("worlds", {name: (p, scores.whole[p]) for name, p in places.items()})),),
        wide=True,
        half=True,
        data=(tables.by_world(scores),),
    )


def _coverage(scores: Scores) -> Section:
    stating = [standing for standing in scores.standings() if standing.stated]
    if not stating:
        return Section(
            "coverage", "Coverage of intervals", "No policy states how sure it is", "There are no intervals.", half=True
        )
    errors = {s.policy: (s.coverage_error, sqrt(s.coverage * (1.0 - s.coverage) / s.stated)) for s in stating}
    held = {
        s.policy: (scores.policies.index(s.policy), s.coverage, next(filter(isfinite, errors[s.policy])))
        for s in stating
    }
    shares = [s.coverage for s in stating]
    return Section(
        key="coverage",
        short="Coverage of intervals",
        heading=f"Intervals that should hold 90% of the time hold {_range(min(shares), max(shares))}",
        caption="Intervals of each campaign's eventual conversions of the day. Bars are two standard errors either "
        "way, worlds taken as clusters (binomial where there is one world). Policies that state none are left out.",
        panels=(Panel("", figures.coverage("coverage", held)),),
        wide=True,
        half=True,
        data=(tables.intervals(scores, errors),),
    )


def _allocation(run: Run, scores: Scores) -> Section:
    first = run.spec.policies[0]
    known, panels, data = campaign_names(run.spec.scenario.channels), [], []
    for what, world in series.median_and_worst(scores).items():
        oracle = run.oracles[world]
        order = np.argsort(-oracle.budgets.sum(axis=0), kind="stable")
        names = tuple(known[k] for k in order)
        shares = tuple(series.budget_shares(run, trace)[:, order] for trace in (run.traces[first][world], oracle))
        pair = shares[0], shares[1]
        title = f"The {what} world: seed {run.spec.seeds[world]}, {percent(scores.whole[0, world])}%"
        panels.append(Panel(title, figures.heat(f"heat-{what}", names, (first, "oracle"), pair)))
        data.append(tables.allocation(f"{title}: share of the total, mean over days", names, first, pair))
    return Section(
        key="allocation",
        short="Allocation",
        heading=f"Where {first} puts the money, and where the oracle does",
        caption="Each campaign's budget as a share of the total, by day: the brighter the more. Campaigns stand in "
        "the order of what the oracle gives them over the whole run, which is free of the limit on daily steps.",
        panels=tuple(panels),
        wide=True,
        data=tuple(data),
    )


def _worst(run: Run, scores: Scores) -> Section:
    found = series.cases(run, scores)
    columns = {}
    for case in found:
        columns[f"{case.policy}, seed {case.seed}"] = run.traces[case.policy][case.world].expected
        columns[f"the oracle, seed {case.seed}"] = run.oracles[case.world].best
    unit = unit_of(run.spec.goal, run.spec.scenario.currency)
    least = min(found, key=lambda case: case.share)
    return Section(
        key="worst",
        short="The worst worlds",
        heading=f"The worst of all: {least.policy} in world {least.seed}, {percent(least.share)}% of the oracle",
        caption=f"The worst worlds of {run.spec.policies[0]}, and the worst one of every other policy: expected {unit} "
        "by day, the oracle's dashed. The command, given in the folder of this file, steps into the day that lost "
        "most and tells why.",
        panels=tuple(_case(run, case, unit) for case in found),
        data=(tables.curves(f"Expected {unit} by day", columns),),
    )


def _case(run: Run, case: Case, unit: str) -> Panel:
    place = run.spec.policies.index(case.policy)
    picture = figures.against(
        f"case-{case.policy}-{case.seed}",
        case.policy,
        drawing.look(place),
        run.traces[case.policy][case.world].expected,
        run.oracles[case.world].best,
        unit,
        case.day,
    )
    command = shlex.join(
        ["outlay", "replay", ".", "--policy", case.policy, "--seed", str(case.seed), "--day", str(case.day)]
    )
    return Panel(f"{case.policy}, seed {case.seed}: {percent(case.share)}%", picture, command)


def _violations(run: Run, scores: Scores) -> Section:
    total = int(scores.violations.sum())
    if not total:
        return Section(
            "violations", "Limits broken", "No policy broke a limit", "Every proposal kept to all limits.", half=True
        )
    table = tables.broken(run)
    counts: dict[str, dict[str, int]] = {}
    for name, traces in run.traces.items():
        kinds = [violation.kind for trace in traces for violation in trace.violations]
        if kinds:
            counts[name] = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    most = max(counts, key=lambda name: sum(counts[name].values()))
    return Section(
        key="violations",
        short="Limits broken",
        heading=f"{count(total, 'limit was', 'limits were')} broken, most often by {most}",
        caption="Proposals beyond a limit by more than a minor unit per campaign; each was brought within the limits "
        "before it counted. Policies that broke none are left out.",
        panels=(Panel("", figures.violations("violations", counts)),),
        wide=True,
        half=True,
        data=(table,),
    )


def _below_all(shares: Mapping[str, Band]) -> float:
    return min(0.9, min(float(band.low.min()) for band in shares.values()) - 0.02)


def _hundredfold(curves: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    return {name: 100.0 * curve for name, curve in curves.items()}


def _range(low: float, high: float) -> str:
    below, above = percent(low), percent(high)
    return f"{below}%" if below == above else f"{below} to {above}%"
