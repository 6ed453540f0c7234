"""A run as an HTML page that needs nothing but itself: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from simulations.policies.contract import bounds_of
from simulations.report import drawing
from simulations.report.sections import count, sections_of, unit_of
from simulations.report.tables import percent
from simulations.runs.record import Run, RunSpec
from simulations.runs.scores import Scores, certified_gap
from simulations.scenarios.files import write_scenario

ORACLE: Final = (
    "The oracle knows every campaign's true curve and each day's demand, and sets each day's budgets anew to bring the "
    "most in expectation within the total and every campaign's floor and ceiling, free of the limit on daily steps. "
    "A policy's percentage is what its own budgets bring in expectation over the days, as a share of what the oracle's "
    "bring: the luck of single days enters neither."
)


def render(run: Run, scores: Scores) -> str:
    """Return the page of a run.

    Args:
        run: Complete.
        scores: Of the run.
    """
    spec = run.spec
    with drawing.style():
        sections = sections_of(run, scores)
    rooms = Environment(
        loader=PackageLoader("simulations.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return rooms.get_template("page.html.j2").render(
        title=f"{spec.scenario.name}: {count(len(spec.policies), 'policy', 'policies')} in "
        f"{count(len(spec.seeds), 'world')} of {count(spec.days, 'day')}",
        summary=spec.scenario.summary,
        sections=sections,
        facts=_facts(run),
        scenario=write_scenario(spec.scenario),
    )


def _facts(run: Run) -> tuple[tuple[str, str], ...]:
    """What the run is, as terms and their descriptions."""
    spec, scenario, gap = run.spec, run.spec.scenario, percent(certified_gap(run), 3)
    return (
        ("% of the oracle", ORACLE),
        ("Certified gap", f"No such budgets bring more than {gap}% beyond the oracle's, by proof, in any world."),
        ("Scenario", f"{scenario.name}, {count(scenario.campaigns, 'campaign')}"),
        ("Counted", f"expected {unit_of(spec.goal, scenario.currency)}"),
        ("Worlds", _seeds(spec.seeds)),
        ("Days", _days(spec)),
        ("Limits", _limits(spec)),
        ("Code", spec.code),
    )


def _seeds(seeds: tuple[int, ...]) -> str:
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[-1] + 1)):
        return f"{len(seeds):,}, seeds {seeds[0]} to {seeds[-1]}"
    return f"{len(seeds):,}, {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _days(spec: RunSpec) -> str:
    history = spec.scenario.history.history_days
    begin = spec.start + timedelta(days=history)
    end = begin + timedelta(days=spec.days - 1)
    return f"{spec.days}, {begin} to {end}, numbered from 0, after {count(history, 'day')} of history"


def _limits(spec: RunSpec) -> str:
    bounds, currency = bounds_of(spec.scenario), spec.scenario.currency
    return (
        f"{bounds.total:,.2f} {currency} a day for all campaigns; each from {bounds.lower.min():,.2f} to "
        f"{bounds.upper.max():,.2f}, and at most {bounds.step:.0%} up or down from one day to the next"
    )
