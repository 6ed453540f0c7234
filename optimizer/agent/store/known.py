"""What a store hands to the assembly: what it knew at one instant, and the totals it can be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.contract import AdState, BudgetKey, BudgetTarget, Entity, EntityKind, Series
from optimizer.plan.appraisal import Appraisal
from optimizer.plan.doubts import Doubt
from optimizer.plan.experiments import ExperimentRecord
from optimizer.plan.lift_tests import LiftRecord
from optimizer.plan.priors import AdPriors, ResponsePriors
from optimizer.plan.snapshot import AdSwitch, BudgetMove, FloatArray, IntArray

EntityKey = tuple[str, str, EntityKind, str]
"""Connector, account, kind and id."""

ALL_EXPERIMENTS = 1_000_000
"""More than anybody has."""

UNREPORTED = -(2**63)
"""What stands for a measure that a row does not report, among whole numbers."""

Groups = Mapping[int, int]
"""By a series' number in the store, the number of the group that its rows are added to."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days to be read, as ordinals; `until` is left out."""

    since: int
    until: int


@dataclass(frozen=True, slots=True)
class KnownSeries:
    """A series of which a row was known, with the last day before `today` that had one."""

    number: int
    series: Series
    last_day: int


@dataclass(frozen=True, slots=True)
class Known:
    """What was known at one instant, less the facts.

    Attributes:
        budgets: Each budget as read last.
        amounts: The readings of each budget in the history, and that in force before it, as (instant, daily micros) by
            instant; None where it was not daily.
        moves: Our acknowledged changes in the window that a snapshot tells of.
        priors: Those of the last refit that passed.
        ad_priors: Those of the last refit of ads that passed.
        ads: Each ad whose status can be set, as read last.
        switches: Our acknowledged pauses and resumes in the window that a snapshot tells of.
        experiments: All that were ever registered; which of them were open then is seen from their times.
        doubts: What stood in doubt then.
        appraisals: The newest of each subject.
        lift_tests: All that were ever registered, the newest first, as `experiments`.
    """

    series: Sequence[KnownSeries]
    budgets: Sequence[BudgetTarget]
    amounts: Mapping[BudgetKey, Sequence[tuple[int, int | None]]]
    entities: Mapping[EntityKey, Entity]
    moves: Sequence[BudgetMove]
    priors: ResponsePriors | None
    ad_priors: AdPriors | None
    ads: Sequence[AdState] = ()
    switches: Sequence[AdSwitch] = ()
    experiments: Sequence[ExperimentRecord] = ()
    doubts: Sequence[Doubt] = ()
    appraisals: Sequence[Appraisal] = ()
    lift_tests: Sequence[LiftRecord] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Totals by group and day; a group and day may stand more than once, then its cells add up.

    Attributes:
        group: The group's number, shape (N,).
        day: The day's ordinal, shape (N,).
        measures: Spend, conversions, value, impressions and clicks in micros, shape (N, 5); nan if not reported.
    """

    group: IntArray
    day: IntArray
    measures: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Revisions:
    """Changes of the known conversions, summed over the series of a group whose first statement is of one instant.

    Attributes:
        group, day: As in `Cells`, shape (N,).
        first: The instant at which these series and this day were first stated, shape (N,).
        known_from: The instant of the change, shape (N,).
        change: By how many conversions, in micros, shape (N,).
    """

    group: IntArray
    day: IntArray
    first: IntArray
    known_from: IntArray
    change: FloatArray


class Facts(Protocol):
    """The facts as known at one instant, summed by groups of series."""

    def totals(self, groups: Groups, span: Span) -> Cells:
        """Return the totals of groups and days that have rows."""
        ...

    def auctions(self, groups: Groups, span: Span) -> Cells:
        """Return impressions to be had and those lost to the budget, micros, shape (N, 2), where they are told."""
        ...

    def revisions(self, groups: Groups, span: Span) -> Revisions:
        """Return how the conversions of groups and days came to be known."""
        ...

    def restated(self, groups: Groups, span: Span, then: int) -> Cells:
        """Return by how much spend and conversions of rows that were known were changed after an earlier instant.

        Micros, shape (N, 2); a group and day may stand more than once, then its changes add up.
        """
        ...
