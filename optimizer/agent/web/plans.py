"""A recommendation as its page shows it: pure, from records and pictures to what the template asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from connectors.contract import EntityStatus
from connectors.money import Money
from optimizer import approval
from optimizer.agent.web.drawn import Scale
from optimizer.agent.web.words import STATES
from optimizer.decide import Picture
from optimizer.plan.recommendation import AdLine, Binding, Decision, Effect, Line, LineKey
from optimizer.plan.record import Record, State

_SHOWN = 25
"""So many budgets, and so many ads, are shown at once; the smaller moves are folded."""
_OPEN = (State.PROPOSED, State.APPROVED)
_RESTORABLE = (State.APPLIED, State.VERIFIED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Row:
    """One line with what is known around it.

    Attributes:
        number: Its place in the plan, by which forms name it.
        line: The line.
        picture: What stands behind it; None where nothing was decided, or for ads.
        fixed: Whether a person set its amount.
        approved: Whether it is among the approved lines.
        earlier: What the recommendation before this one wanted to change it to; None where that is the same or nothing.
    """

    number: int
    line: Line
    picture: Picture | None
    fixed: bool
    approved: bool
    earlier: Money | None

    @property
    def raised(self) -> bool:
        """Whether the budget goes up."""
        return self.line.proposed.micros > self.line.current.micros


@dataclass(frozen=True, slots=True)
class AdRow:
    """One switch of an ad; its number goes on from those of the budgets."""

    number: int
    line: AdLine
    budget: str
    approved: bool

    @property
    def resumes(self) -> bool:
        """Whether the ad is to run again."""
        return self.line.proposed is EntityStatus.ACTIVE


@dataclass(frozen=True)
class Plan:
    """A revision with all that its page shows.

    Attributes:
        record: As it stands.
        pictures: By key as text.
        earlier: The recommendation before it; None for none.
        is_newest: Whether no newer revision stands.
    """

    record: Record
    pictures: Mapping[str, Picture]
    earlier: Record | None
    is_newest: bool

    @property
    def decision(self) -> Decision:
        """What was decided."""
        return self.record.recommendation.decision

    @property
    def rec_id(self) -> str:
        """The recommendation's id."""
        return self.record.recommendation.rec_id

    @property
    def state_words(self) -> str:
        """Where it stands, in words."""
        if self.record.state is State.PROPOSED and self.record.approvals:
            return f"Approved by {self.record.approvals[0]}, waits for a second person"
        return STATES[self.record.state]

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The budgets, the largest moves first."""
        then = _amounts(self.earlier)
        fixed = {key for key, _ in self.record.recommendation.fixed}
        approved = set(self.record.approved_lines)
        return tuple(
            Row(
                number=number,
                line=line,
                picture=self.pictures.get(str(line.key)),
                fixed=line.key in fixed,
                approved=line.key in approved,
                earlier=then[line.key] if then.get(line.key, line.proposed) != line.proposed else None,
            )
            for number, line in enumerate(self.decision.lines)
        )

    @cached_property
    def ads(self) -> tuple[AdRow, ...]:
        """The ads to be paused and resumed."""
        names = {line.key: line.name for line in self.decision.lines}
        approved, first = set(self.record.approved_lines), len(self.decision.lines)
        return tuple(
            AdRow(first + n, line, names.get(line.target, str(line.target)), line.key in approved)
            for n, line in enumerate(self.decision.ads)
        )

    @cached_property
    def changed(self) -> tuple[Row, ...]:
        """The budgets that move."""
        return tuple(row for row in self.rows if row.line.changes)

    @property
    def largest(self) -> tuple[Row, ...]:
        """The budgets that move most: what is shown first."""
        return self.changed[:_SHOWN]

    @property
    def smaller(self) -> tuple[Row, ...]:
        """The budgets that move, too, and are folded."""
        return self.changed[_SHOWN:]

    @property
    def largest_ads(self) -> tuple[AdRow, ...]:
        """The switches that move most."""
        return self._ads_by_size[:_SHOWN]

    @property
    def smaller_ads(self) -> tuple[AdRow, ...]:
        """The other switches, which are folded."""
        return self._ads_by_size[_SHOWN:]

    @property
    def unchanged(self) -> tuple[Row, ...]:
        """The budgets that stay."""
        return tuple(row for row in self.rows if not row.line.changes)

    @cached_property
    def scale(self) -> Scale:
        """The axis of the lines' intervals."""
        return Scale.of([*(row.line.effect for row in self.changed), *self._ad_effects])

    @cached_property
    def moved(self) -> Money:
        """What moves a day, as the threshold of a second approver counts it."""
        lines = [line for line in self.decision.all_lines if line.changes]
        return approval.moved(lines, self.decision.currency)

    def moved_by(self, rows: Sequence[Row | AdRow]) -> Money:
        """Return what some of the lines move a day, counted alike."""
        return approval.moved([row.line for row in rows], self.decision.currency)

    @property
    def now(self) -> Money:
        """All budgets as they are."""
        return Money(sum(line.current.micros for line in self.decision.lines), self.decision.currency)

    @property
    def then(self) -> Money:
        """All budgets as proposed."""
        return Money(sum(line.proposed.micros for line in self.decision.lines), self.decision.currency)

    @property
    def can_decide(self) -> bool:
        """Whether it waits for a decision."""
        return self.is_newest and self.record.state is State.PROPOSED

    @property
    def can_edit(self) -> bool:
        """Whether lines may be set by hand."""
        return self.can_decide and self.record.recommendation.parent_id is None and bool(self.decision.lines)

    @property
    def can_revoke(self) -> bool:
        """Whether an approval may be withdrawn."""
        return self.is_newest and self.record.state is State.APPROVED

    @property
    def can_roll_back(self) -> bool:
        """Whether what stood before may be restored."""
        return self.is_newest and self.record.state in _RESTORABLE

    @property
    def is_open(self) -> bool:
        """Whether its time still counts."""
        return self.record.state in _OPEN

    @property
    def differences(self) -> int:
        """How many lines the recommendation before this one saw otherwise."""
        return sum(row.earlier is not None for row in self.rows)

    @property
    def limits(self) -> tuple[Binding, ...]:
        """What holds the whole plan back."""
        return self.decision.bindings

    @cached_property
    def _ads_by_size(self) -> tuple[AdRow, ...]:
        return tuple(sorted(self.ads, key=lambda row: -row.line.moved.micros))

    @property
    def _ad_effects(self) -> list[Effect]:
        return [row.line.effect for row in self.ads if row.line.effect is not None]


def alone(record: Record) -> Plan:
    """Return the newest revision of a recommendation by itself, as lists show it."""
    return Plan(record, {}, None, is_newest=True)


def _amounts(record: Record | None) -> dict[LineKey, Money]:
    if record is None:
        return {}
    return {line.key: line.proposed for line in record.recommendation.decision.lines if line.changes}
