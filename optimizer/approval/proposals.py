"""A plan becomes an immutable revision; older ones are edited, superseded, expire, or are found out of date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from connectors.changes import Change
from connectors.contract import AdKey, AdState, BudgetKey, BudgetTarget, EntityStatus
from connectors.money import Money
from optimizer.approval.hands import NO_CHANGES, by_whom
from optimizer.approval.intents import Standing
from optimizer.approval.names import no_person
from optimizer.approval.refusal import Code, Drift, Refusal
from optimizer.approval.table import PROGRAM, Action, take, title, unready
from optimizer.plan.canonical import content_hash
from optimizer.plan.recommendation import AdLine, Decision, Line, LineKey, Recommendation
from optimizer.plan.record import Event, Record, State, Transition
from optimizer.plan.running import NO_ADS

_NOTHING_FIXED: Final[Mapping[BudgetKey, Money]] = MappingProxyType({})


def issue(
    decision: Decision,
    *,
    now: datetime,
    valid_for: timedelta,
    seed: int,
    code_version: str,
    author: str = PROGRAM,
    parent: Record | None = None,
    revises: Record | None = None,
    fixed: Mapping[BudgetKey, Money] = _NOTHING_FIXED,
) -> Transition:
    """Make a new revision: proposed if there is money to move or an ad to switch and nothing blocks, else held.

    Args:
        decision: What is proposed.
        now: Aware; it is kept in UTC.
        valid_for: How long it may be approved and begun.
        seed: Of the generator that made the decision.
        code_version: Of the program.
        author: Who made this revision.
        parent: The recommendation that it rolls back; only for a first revision.
        revises: The revision that it takes the place of.
        fixed: The lines that people set by hand, in this revision and those before.

    Raises:
        ValueError: `now` has no zone, `valid_for` is not positive, or both `parent` and `revises` are given.
    """
    if now.tzinfo is None or valid_for <= timedelta(0):
        raise ValueError(f"a recommendation needs an aware time and a positive validity, not {now!r}, {valid_for!r}")
    if parent is not None and revises is not None:
        raise ValueError("a revision keeps the parent of what it revises; give one of the two")
    created = now.astimezone(UTC)
    draft = Recommendation(
        rec_id="" if revises is None else revises.recommendation.rec_id,
        revision=1 if revises is None else revises.recommendation.revision + 1,
        parent_id=_parent_id(parent, revises),
        created_at=created,
        valid_until=created + valid_for,
        author=author,
        seed=seed,
        code_version=code_version,
        decision=decision,
        plan_hash="",
        fixed=tuple(sorted(fixed.items())),
    )
    if revises is None:
        draft = replace(draft, rec_id=f"R-{created:%Y%m%d}-{content_hash(draft)[:10]}")
    recommendation = replace(draft, plan_hash=content_hash(draft))
    return _enter(recommendation, author, created)


def revise(
    record: Record,
    decision: Decision,
    *,
    now: datetime,
    valid_for: timedelta,
    seed: int,
    code_version: str,
    author: str,
    fixed: Mapping[BudgetKey, Money] = _NOTHING_FIXED,
) -> tuple[Transition, Transition] | Refusal:
    """Replace a proposal by an edited one: the old revision is closed, a new one with its own hash is proposed.

    Approvals that the old revision had do not carry over, since they were of another hash.
    """
    refusal = unready(record, Action.EDITED) or no_person(author) or lapsed(record, now) or _restores(record)
    if refusal is not None:
        return refusal
    new = issue(decision, now=now, valid_for=valid_for, seed=seed, code_version=code_version, author=author,
                revises=record, fixed=fixed)  # fmt: skip
    if new.record.state is State.HELD:
        return Refusal(
            Code.NOTHING_TO_DO,
            f"The edited plan cannot be proposed: {new.event.detail}",
            "Edit it otherwise, or reject it.",
        )
    revision = new.record.recommendation.revision
    old = take(record, Action.EDITED, at=now, actor=author, detail=f"replaced by revision {revision}")
    return old, new


def _restores(record: Record) -> Refusal | None:
    """Refuse to edit a rollback: what it restores is exact, or it is no rollback."""
    if record.recommendation.parent_id is None:
        return None
    return Refusal(
        Code.NOTHING_TO_DO,
        f"{title(record)} restores what stood before, and that is not edited.",
        "Approve some of its lines, or reject it.",
    )


def supersede(open_records: Iterable[Record], by: Recommendation, now: datetime) -> tuple[Transition, ...]:
    """Close every other plan that is proposed or approved but not begun, because a newer one was made."""
    return tuple(
        take(record, Action.SUPERSEDED, at=now, actor=PROGRAM, detail=f"superseded by {by.rec_id}")
        for record in open_records
        if record.recommendation.rec_id != by.rec_id and unready(record, Action.SUPERSEDED) is None
    )


def expire(record: Record, now: datetime) -> Transition | None:
    """Close a proposal or an approval whose time has passed; None if it has not, or if it is neither."""
    until = record.recommendation.valid_until
    if now < until or unready(record, Action.EXPIRED) is not None:
        return None
    return take(record, Action.EXPIRED, at=now, actor=PROGRAM, detail=f"it was valid until {until:%Y-%m-%d %H:%M} UTC")


def lapsed(record: Record, now: datetime) -> Refusal | None:
    """Refuse what is past its time; the refusal carries the expiry, where the table has it."""
    until = record.recommendation.valid_until
    if now < until:
        return None
    return Refusal(
        Code.EXPIRED,
        f"{title(record)} was valid until {until:%Y-%m-%d %H:%M} UTC.",
        "Make a new plan.",
        step=expire(record, now),
    )


def chosen(record: Record) -> tuple[Line | AdLine, ...]:
    """The lines that count, budgets before ads: those that were approved, else all that change."""
    lines = record.recommendation.decision.all_lines
    picked = set(record.approved_lines)
    return tuple(line for line in lines if line.changes and (not picked or line.key in picked))


def budget_lines(lines: Iterable[Line | AdLine]) -> tuple[Line, ...]:
    """Those that change a budget."""
    return tuple(line for line in lines if isinstance(line, Line))


def ad_lines(lines: Iterable[Line | AdLine]) -> tuple[AdLine, ...]:
    """Those that switch an ad."""
    return tuple(line for line in lines if isinstance(line, AdLine))


def drifts(
    lines: Sequence[Line | AdLine],
    live: Mapping[BudgetKey, BudgetTarget],
    ads: Mapping[AdKey, AdState] = NO_ADS,
    changes: Sequence[Change] = NO_CHANGES,
) -> tuple[Drift, ...]:
    """Tell each line whose live budget or ad is not the one that the plan was made from, and by whose change."""
    found = [Drift(line.key, line.name, line.current, standing(line.key, live, ads)) for line in lines]
    return tuple(replace(drift, by=by_whom(drift.key, changes)) for drift in found if drift.live != drift.expected)


def outdate(
    record: Record,
    live: Mapping[BudgetKey, BudgetTarget],
    now: datetime,
    *,
    ads: Mapping[AdKey, AdState] = NO_ADS,
    changes: Sequence[Change] = NO_CHANGES,
) -> Transition | None:
    """Close a proposal or an approval because a budget or ad that it changes has drifted; None if none has."""
    found = drifts(chosen(record), live, ads, changes)
    if not found or unready(record, Action.DRIFTED) is not None:
        return None
    return take(record, Action.DRIFTED, at=now, actor=PROGRAM, detail=listed(found))


def listed(found: Iterable[Drift]) -> str:
    """Drifted budgets and ads, told one by one."""
    return "; ".join(str(drift) for drift in found)


def standing(key: LineKey, live: Mapping[BudgetKey, BudgetTarget], ads: Mapping[AdKey, AdState]) -> Standing:
    """A live budget's amount or a live ad's status; None where it is gone."""
    if isinstance(key, AdKey):
        return ads[key].status if key in ads else None
    return live[key].amount if key in live else None


def moved(lines: Iterable[Line | AdLine], currency: str) -> Money:
    """The money a day that lines move: the larger of what they raise and what they cut, so that a shift counts once.

    Of ads it is the larger of what the paused ones give up and the resumed ones get, on top of that.
    """
    given = tuple(lines)
    changes = [line.proposed.micros - line.current.micros for line in budget_lines(given)]
    ads = [line.moved.micros if resumes(line) else -line.moved.micros for line in ad_lines(given)]
    return Money(_larger(changes) + _larger(ads), currency)


def resumes(line: AdLine) -> bool:
    """Whether a line sets an ad running."""
    return line.proposed is EntityStatus.ACTIVE


def counted(lines: Iterable[Line | AdLine]) -> str:
    """How many budgets and ads there are, such as `2 budgets and 1 ad`."""
    given = tuple(lines)
    return tally(len(budget_lines(given)), len(ad_lines(given)))


def tally(budgets: int, ads: int) -> str:
    """The same of two numbers; ads are told only where there are some."""
    words = [f"{budgets} budgets"] if budgets or not ads else []
    return " and ".join([*words, *([f"{ads} ad{'s' if ads > 1 else ''}"] if ads else [])])


def _larger(changes: Sequence[int]) -> int:
    return max(sum(c for c in changes if c > 0), -sum(c for c in changes if c < 0))


def _parent_id(parent: Record | None, revises: Record | None) -> str | None:
    if revises is not None:
        return revises.recommendation.parent_id
    return None if parent is None else parent.recommendation.rec_id


def _enter(recommendation: Recommendation, author: str, at: datetime) -> Transition:
    decision = recommendation.decision
    held = bool(decision.blocked) or not decision.acts
    action, state = (Action.HELD, State.HELD) if held else (Action.PROPOSED, State.PROPOSED)
    event = Event(recommendation.rec_id, recommendation.revision, at, author, action.value, _summary(decision))
    return Transition(Record(recommendation, state), None, event)


def _summary(decision: Decision) -> str:
    if decision.blocked:
        return " ".join(finding.message for finding in decision.blocked)
    changing = budget_lines(line for line in decision.lines if line.changes)
    switched = ad_lines(line for line in decision.ads if line.changes)
    if not changing and not switched:
        return "no budget changes"
    total = moved((*changing, *switched), decision.currency)
    ads = f" and {tally(0, len(switched))}" if switched else ""
    return f"{len(changing)} of {len(decision.lines)} budgets{ads} change, {total} a day is moved"
