"""What to do next to know what conversions and customers are worth: pure, from the settings and what is kept."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from optimizer.agent.settings import Settings
from optimizer.agent.web import words as w
from optimizer.goals import Counting, Goals, Valuing
from optimizer.measure.counting import Comparison
from optimizer.plan.appraisal import Appraisal, Subject
from optimizer.plan.snapshot import Snapshot

_TOUCHES: Final = frozenset({"touches", "touches_query"})
_LINES: Final[Mapping[str, str]] = {
    "files": 'touches = "touches.csv", orders = "orders.csv"',
    "warehouse": 'touches_query = "SELECT ...", orders_query = "SELECT ..."',
}
"""What connectors of these kinds are told to tell touches and orders; docs/attribution.md has the columns."""

_MODEL: Final = '[attribution] model = "markov"'


class About(StrEnum):
    """What a step is about."""

    CREDIT = "credit"
    LIFT = "lift"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do.

    Attributes:
        about: What it is about.
        words: Why, and what it does; one of `words`, so that it can be put into the reader's language.
        commands: What to type, in this order: commands, or lines of the settings.
    """

    about: About
    words: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """What steps follow from.

    Attributes:
        settings: Of the portfolio.
        goals: That its plans follow.
        seen: What is known.
        found: The ways of counting beside one another.
        tested: The last day of the newest test that still counts, by channel.
        now: Aware UTC.
    """

    settings: Settings
    goals: Goals
    seen: Snapshot
    found: Comparison
    tested: Mapping[str, date]
    now: datetime

    def kept(self, subject: Subject) -> Appraisal | None:
        """The newest appraisal of a subject."""
        return next((each for each in self.seen.appraisals if each.subject is subject), None)

    def due_at(self, made_at: datetime) -> datetime:
        """When what was made then is due to be made again."""
        return made_at + timedelta(days=self.settings.refit.every_days)

    def is_due(self, made_at: datetime) -> bool:
        """Whether it is due by now, as the agent sees it."""
        return self.due_at(made_at) <= self.now


def next_steps(here: Situation) -> tuple[Step, ...]:
    """Return what to do next, in the order of `About`; nothing where all is known, young and counted."""
    return (*_credit(here), *_lift(here), *_customers(here))


def _credit(here: Situation) -> Iterator[Step]:
    asked, kept = here.settings.attribution, here.kept(Subject.CREDIT)
    if asked.chosen is None:
        if kept is None:
            yield Step(About.CREDIT, w.NO_MODEL, (*_books(here), "outlay attribution", _MODEL, "outlay appraise"))
        return
    if kept is None:
        yield Step(About.CREDIT, w.NO_CREDIT, (*_books(here), "outlay appraise"))
    elif kept.model.rpartition("/")[0] != asked.knobs.named(asked.chosen):
        yield Step(About.CREDIT, w.OTHER_MODEL, ("outlay appraise",))
    elif here.is_due(kept.made_at):
        yield Step(About.CREDIT, w.CREDIT_DUE, ("outlay appraise",))
    if kept is not None and here.goals.counts is Counting.ATTRIBUTED:
        yield Step(About.CREDIT, w.CREDIT_UNUSED, ('[goal] counts = "credited"',))


def _books(here: Situation) -> tuple[str, ...]:
    """The line of the settings that is missing where no connector tells touches."""
    tables = here.settings.connectors
    if any(not _TOUCHES.isdisjoint(table.options) for table in tables.values()):
        return ()
    named = (
        f"[connectors.{name}] {line}"
        for kind, line in _LINES.items()
        for name, table in tables.items()
        if table.kind == kind
    )
    return (next(named, f'[connectors.books] kind = "files", folder = "exports", {_LINES["files"]}'),)


def _lift(here: Situation) -> Iterator[Step]:
    yield from _open_tests(here)
    known = Counting.INCREMENTAL in here.found.whole.ways
    if _unlearnt(here, known=known):
        yield Step(About.LIFT, w.LIFT_UNLEARNT, ("outlay refit",))
    elif not known and here.found.rows:
        yield Step(About.LIFT, w.NO_LIFT, (_design(here, here.found.rows[0].name),))
    untested = [row.name for row in here.found.rows if known and not row.ways[Counting.INCREMENTAL].told]
    if untested:
        yield Step(About.LIFT, w.LIFT_OF_SOME, (_design(here, untested[0]),))
    if known and here.goals.counts is not Counting.INCREMENTAL:
        yield Step(About.LIFT, w.LIFT_UNUSED, ('[goal] counts = "incremental"',))


def _open_tests(here: Situation) -> Iterator[Step]:
    for record in here.seen.lift_tests:
        if record.end is None and record.plan.last_day < here.seen.today:
            yield Step(About.LIFT, w.LIFT_UNREAD, (f"outlay lift read {record.lift_id}",))
        elif record.end is None:
            yield Step(About.LIFT, w.LIFT_RUNS, (f"outlay lift status {record.lift_id}",))


def _unlearnt(here: Situation, *, known: bool) -> bool:
    """Whether a test was read since the priors were fitted, or one counts and they hold none."""
    fitted = None if here.seen.priors is None else here.seen.priors.fitted_at
    if fitted is None or not known:
        return bool(here.tested)
    ends = (record.end for record in here.seen.lift_tests)
    return any(end is not None and end.reading is not None and end.at > fitted for end in ends)


def _design(here: Situation, channel: str) -> str:
    outcomes = "" if here.settings.lift.outcomes_file is not None else " --outcomes FILE"
    return f"outlay lift design {shlex.quote(f'channel:{channel}')}{outcomes}"


def _customers(here: Situation) -> Iterator[Step]:
    kept, asked = here.kept(Subject.CUSTOMER), here.goals.value is Valuing.LIFETIME
    if asked:
        if kept is None:
            yield Step(About.CUSTOMER, w.NO_LIFETIME, ("outlay appraise",))
        elif kept.currency != here.goals.currency:
            yield Step(About.CUSTOMER, w.LIFETIME_CURRENCY, ("outlay appraise",))
        elif here.is_due(kept.made_at):
            yield Step(About.CUSTOMER, w.LIFETIME_DUE, ("outlay appraise",))
        return
    objective = () if here.goals.counts_value else ('[goal] objective = "revenue"',)
    wanted = (*objective, '[goal] value = "lifetime"')
    if kept is None:
        yield Step(About.CUSTOMER, w.LIFETIME_UNASKED, ("outlay lifetime", *wanted, "outlay appraise"))
    else:
        yield Step(About.CUSTOMER, w.LIFETIME_UNUSED, wanted)
