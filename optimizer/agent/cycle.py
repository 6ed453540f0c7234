"""The cycle: pull, snapshot, decide, record, notify, settle. What follows an approval stands in `writing`.

Each step is a function of the house; each disk write is one transaction of the store.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from connectors.contract import AdKey, AdState, BudgetKey, BudgetTarget, Connector, zone
from connectors.errors import ConnectorError, RetryLater
from connectors.money import Money
from optimizer import approval
from optimizer.agent.breaker import Breakers, Resting
from optimizer.agent.calendar import Calendar
from optimizer.agent.deciding import Request, Surroundings, asked, decided
from optimizer.agent.secrecy import discreetly
from optimizer.agent.tenure import Tenure
from optimizer.agent.watching import Watch, believed, clock_stands, left_unread
from optimizer.agent.workers import here
from optimizer.goals import Goals
from optimizer.guardrails import Guardrails
from optimizer.plan.basis import Basis
from optimizer.plan.canonical import to_json
from optimizer.plan.recommendation import Finding
from optimizer.plan.record import Record, State, Transition
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import Braked, Call, Clock, IngestReport, Notifier, NotTold, SnapshotQuery, Store
from optimizer.rotation import Rotation

_OPEN: Final = frozenset({State.PROPOSED, State.APPROVED})
_UNWRITTEN: Final = frozenset({State.APPROVED, State.APPLYING})
_WRITTEN: Final = frozenset({State.APPLIED, State.VERIFIED, State.FAILED, State.ROLLED_BACK})
_SENT: Final = "write-sent"
_DAY: Final = timedelta(hours=23)
"""A day's run is considered a moment before it is written: of 24 hours, yesterday's would always count as today's."""
_ALL: Final = 1_000_000
_READS: Final = 4
_PAUSE_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 60.0


class Refused(Exception):  # noqa: N818 - it is the act that was refused
    """What was asked is not allowed as things stand; nothing was changed.

    Attributes:
        refusal: The code, the reason and the mend.
    """

    def __init__(self, refusal: approval.Refusal) -> None:
        super().__init__(f"{refusal.message} {refusal.mend}".strip())
        self.refusal = refusal


class Unread(ConnectorError):  # noqa: N818 - named as the families are
    """Several connectors could not be read; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class House:
    """Everything that a cycle works with, wired once in `bootstrap`.

    Attributes:
        name: The portfolio's, for messages.
        connectors: By their names in the settings.
        autonomy: What the agent may approve by itself.
        windows: When writes may be sent; at all times without any.
        tenure: This process's right to write.
        history_days: How many days of history are read and learnt from.
        valid_for: How long a proposal may be approved and applied.
        rotation: The written limits of switching ads.
        hold_back: Share of the lines that may move which are left as they are by lot.
        calendar: Days that are known not to be ordinary.
        breakers: Which accounts are not called at present; None where nobody counts failures.
        call: Where plans are worked out.
    """

    name: str
    store: Store
    connectors: Mapping[str, Connector]
    goals: Goals
    guards: Guardrails
    policy: approval.Policy
    autonomy: approval.Autonomy
    windows: tuple[approval.Window, ...]
    tenure: Tenure
    clock: Clock
    notifier: Notifier
    time_zone: str
    history_days: int
    valid_for: timedelta
    code_version: str
    rotation: Rotation = field(default_factory=Rotation)
    hold_back: float = 0.0
    calendar: Calendar = field(default_factory=Calendar)
    breakers: Breakers | None = None
    call: Call = here

    def today(self) -> date:
        """The current day in the portfolio's zone."""
        return self.clock.now().astimezone(zone(self.time_zone)).date()


@dataclass(frozen=True, slots=True)
class PullReport:
    """What one pull brought from one connector."""

    connector: str
    since: date
    until: date
    rows: IngestReport
    budgets: int


def pull(house: House, today: date, *, days: int | None = None, last: date | None = None) -> tuple[PullReport, ...]:
    """Read rows, names and budgets from every connector into the store (doors 1 and 2).

    Args:
        house: The wired house.
        today: Rows of this day and later are not asked for.
        days: How far back to read; by default the whole history.
        last: The day for which all was read last with these settings, if it was: then what may have been restated since
            is enough.

    Raises:
        ConnectorError: A connector could not be read; the others were, and what they brought is kept.
        ClockWentBack: The clock says an earlier time than what was written last.
    """
    clock_stands(house.store, house.guards, house.clock.now())
    first, until = today - timedelta(days=days or house.history_days), today - timedelta(days=1)
    found: list[PullReport] = []
    failed: dict[str, ConnectorError] = {}
    for name, connector in house.connectors.items():
        try:
            found.append(_pull_one(house, name, connector, first, until, last))
        except ConnectorError as error:
            failed[name] = error
    if len(failed) > 1:
        raise Unread("; ".join(f"{name}: {error}" for name, error in failed.items()))
    for alone in failed.values():
        raise alone
    return tuple(found)


def snapshot(house: House, today: date, known_at: datetime | None = None) -> Snapshot:
    """Return what is known now (or was at `known_at`), for planning `today`, the events of the calendar included."""
    at = known_at or house.clock.now()
    zone_, doubt = house.time_zone, house.guards.doubt
    query = SnapshotQuery(at, today, house.history_days, house.goals.currency, zone_, restated_within=doubt)
    return house.calendar.fill(house.store.snapshot(query))


def plan(house: House, today: date, *, seed: int | None = None) -> Record:
    """Propose what a person asks for, and tell people; whoever is not reached is logged.

    It takes the place of approvals, too, that stand as it begins; one that is given meanwhile it leaves.

    Raises: as `propose`.
    """
    record = propose(house, today, seed=seed, instead_of=house.store.records(_OPEN, limit=_ALL))
    with suppress(NotTold):
        announce(house, record)
    return record


def propose(
    house: House, today: date, *, seed: int | None = None, instead_of: Collection[Record] = frozenset()
) -> Record:
    """Decide on what the store knows, and record the decision.

    A new proposal supersedes older ones in the same transaction. A plan that is held proposes nothing, and leaves them
    as they are.

    Args:
        house: The wired house.
        today: The day that is planned.
        seed: Of the decision; drawn by default.
        instead_of: Recommendations that it takes the place of also if they are approved as they stand here.

    Raises:
        ApprovalStands: Another recommendation is approved by now, by one person of two at least; nothing is proposed.
        Fenced: This process led, and another one does by now: it proposes nothing.
        GoalsError: The goals cannot hold with the budgets as they are.
        CallRaised, CallLost: The plan could not be worked out where `house.call` has it worked out.
        ClockWentBack: The clock says an earlier time than what was written last.
    """
    seed = secrets.randbits(32) if seed is None else seed
    now = house.clock.now()
    clock_stands(house.store, house.guards, now)
    seen = snapshot(house, today, now)
    around = _surroundings(house, seen, _doubts_of_intervals(house, seen))
    decision = asked(house.call, Request(seen, house.goals, house.guards, around, now, seed))
    step = approval.issue(decision, now=now, valid_for=house.valid_for, seed=seed, code_version=house.code_version)
    found = house.store.records(_OPEN, limit=_ALL) if step.record.state is State.PROPOSED else ()
    older = [record for record in found if not record.approval_stands or record in instead_of]
    house.store.commit(
        (*approval.supersede(older, step.record.recommendation, now), _with_basis(house, step, around, now)),
        house.tenure.epoch,
    )
    return step.record


def edit(
    house: House, rec_id: str, amounts: Mapping[BudgetKey, Money], actor: str, *, keep: Iterable[BudgetKey] = ()
) -> Record:
    """Fix some lines, solve the rest around them, and record it as a new revision of the recommendation.

    The live budgets are read first. Lines that were fixed by an earlier edit stay so, unless they are named again.

    Args:
        house: The wired house.
        rec_id: A proposal.
        amounts: What single budgets are set to.
        actor: Who edits.
        keep: Budgets that stay at what they are now.

    Raises:
        Refused: The recommendation can no longer be edited.
        GoalsError: An amount breaks a limit of its own, or a line is unknown.
        ConnectorError: The live budgets cannot be read.
    """
    record = house.store.record(rec_id)
    live = live_budgets(house)
    live_ads(house)  # into the store, from where the decision takes them
    now = house.clock.now()
    old = record.recommendation
    fixed = dict(old.fixed) | {key: live[key].amount for key in keep if key in live} | dict(amounts)
    seen = snapshot(house, old.decision.as_of, now)
    around = _surroundings(house, seen, ())  # a person decides on it
    decision = decided(seen, house.goals, house.guards, around, now, old.seed, fixed)
    outcome = approval.revise(
        record,
        decision,
        now=now,
        valid_for=house.valid_for,
        seed=old.seed,
        code_version=house.code_version,
        author=actor,
        fixed=fixed,
    )
    if isinstance(outcome, approval.Refusal):
        raise Refused(outcome)
    house.store.commit((*outcome[:-1], _with_basis(house, outcome[-1], around, now)))
    return outcome[-1].record


def settle(house: House, rec_id: str, verdict: approval.Verdict) -> Record:
    """Take a person's (or a policy's) verdict; the web page and the command line both call this and no more.

    Raises:
        Refused: The verdict is not allowed as things stand.
    """
    record = house.store.record(rec_id)
    before = range(1, record.recommendation.revision)
    earlier = tuple(house.store.record(rec_id, revision).recommendation.author for revision in before)
    return commit(house, approval.judge(record, verdict, house.clock.now(), house.policy, earlier=earlier))


def approve_by_policy(house: House, record: Record) -> Record | approval.Waits:
    """Let the written policy approve a proposal, or say why it waits for a person.

    While the kill switch is on the policy approves nothing: whoever threw it decides what may go on afterwards.
    """
    brake = house.store.brake()
    if brake is not None and brake.on:
        return approval.Waits(str(Braked(brake)))
    now = house.clock.now()
    verdict = approval.consider(record, house.autonomy, house.policy, moved_lately(house, now))
    if isinstance(verdict, approval.Waits):
        return verdict
    approvers = (house.policy.approvers or frozenset()) | {approval.AUTOPILOT}
    outcome = approval.judge(record, verdict, now, replace(house.policy, approvers=approvers))
    if isinstance(outcome, approval.Refusal):
        return approval.Waits(outcome.message)
    if outcome.record.state is not State.APPROVED:
        return approval.Waits("it needs two people")  # the policy's word is never the first of two
    return commit(house, outcome)


def moved_lately(house: House, now: datetime) -> tuple[Record, ...]:
    """Return what sent a write in the last day, whenever it was planned, or is approved and may yet send one."""
    since = now - _DAY
    known = house.store.records(_UNWRITTEN | _WRITTEN, limit=_ALL)
    return tuple(r for r in known if r.state in _UNWRITTEN or _sent_since(house, r, since))


def _sent_since(house: House, record: Record, since: datetime) -> bool:
    if record.recommendation.valid_until <= since:
        return False  # nothing is sent on it any more since then
    events = house.store.events(record.recommendation.rec_id)
    return any(event.action == _SENT and event.at > since for event in events)


def expire(house: House) -> tuple[Record, ...]:
    """Close every proposal and approval whose time has passed."""
    now = house.clock.now()
    steps = [approval.expire(record, now) for record in house.store.records(_OPEN, limit=_ALL)]
    found = tuple(step for step in steps if step is not None)
    if found:
        house.store.commit(found, house.tenure.epoch)
    return tuple(step.record for step in found)


def commit(house: House, outcome: Transition | approval.Refusal) -> Record:
    """Write a step down; a refusal that closes the record (expiry, drift) is written down too, and then raised.

    Raises:
        Refused: The outcome is a refusal.
        Fenced: This process led, and another one does by now.
    """
    if isinstance(outcome, approval.Refusal):
        if outcome.step is not None:
            house.store.commit((outcome.step,), house.tenure.epoch)
        raise Refused(outcome)
    house.store.commit((outcome,), house.tenure.epoch)
    return outcome.record


def patiently[T](house: House, read: Callable[[], T]) -> T:
    """Read from a platform, waiting as it asks when it throttles; for reads only, a write is never repeated blindly.

    Raises:
        RetryLater: It still throttles after as many attempts as are polite.
        ConnectorError: Whatever else the read raises, at once; without secrets in its words.
    """
    for _ in range(_READS):
        try:
            return discreetly(read)
        except Resting:
            raise  # no call was made, and none is for a while
        except RetryLater as later:
            house.clock.sleep(min(later.retry_after_seconds or _PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS))
    return discreetly(read)


def live_budgets(house: House) -> dict[BudgetKey, BudgetTarget]:
    """Read the budgets of every connector now, and note them in the store.

    Those of an account that is not taken in are as they were read last: its money counts on in every limit.
    """
    found: dict[BudgetKey, BudgetTarget] = {}
    for name, connector in house.connectors.items():
        unread = left_unread(house.store, name, house.clock.now())
        found |= {budget.key: budget for budget in _budgets(house, name, connector, unread)}
        if unread:
            known = house.store.budgets(name, house.clock.now())
            found |= {budget.key: budget for budget in known if budget.account.account_id in unread}
    return found


def live_ads(house: House) -> dict[AdKey, AdState]:
    """Read the statuses of the ads of every connector now, and note them in the store."""
    found: dict[AdKey, AdState] = {}
    for name, connector in house.connectors.items():
        unread = left_unread(house.store, name, house.clock.now())
        found |= {ad.key: ad for ad in _ads(house, name, connector, unread)}
    return found


def read_from(first: date, today: date, last: date | None, restatement_days: int) -> date:
    """Return the first day that a reading asks for.

    At first, and once a calendar week, that is all of the history: platforms restate beyond their own word now and
    then, and more of the history may be wanted than before. Else it is what may have been restated since the last
    reading, however long ago that was, with a day to spare since accounts have zones of their own.

    Args:
        first: Of the history.
        today: The day of this reading.
        last: The day of the last one; None: there was none.
        restatement_days: How many days back the platform restates.
    """
    if last is None or last > today or last.isocalendar()[:2] != today.isocalendar()[:2]:
        return first
    return max(first, last - timedelta(days=restatement_days + 1))


def _pull_one(house: House, name: str, connector: Connector, first: date, until: date, last: date | None) -> PullReport:
    watch = patiently(house, lambda: Watch(house.store, house.guards, connector, name, house.clock))
    watch.keep()
    last = None if watch.afresh else last
    since = read_from(first, until + timedelta(days=1), last, connector.capabilities.restatement_days)
    try:
        report = patiently(house, lambda: house.store.ingest(watch.rows(connector.pull(since, until))))
        patiently(house, lambda: house.store.note_entities(watch.entities(connector.entities()), house.clock.now()))
        _ads(house, name, connector, watch.unread)
        return PullReport(name, since, until, report, len(_budgets(house, name, connector, watch.unread)))
    finally:
        watch.keep()


def _budgets(house: House, name: str, connector: Connector, unread: frozenset[str]) -> Sequence[BudgetTarget]:
    read, now = patiently(house, connector.budgets), house.clock.now()
    budgets = believed(read, unread)
    house.store.note_budgets(name, budgets, now, unread)
    return budgets


def _ads(house: House, name: str, connector: Connector, unread: frozenset[str]) -> Sequence[AdState]:
    read = patiently(house, connector.ads) if connector.capabilities.writes_status else ()
    ads = believed(read, unread)
    house.store.note_ads(name, ads, house.clock.now(), unread)
    return ads


def _surroundings(house: House, seen: Snapshot, doubts: tuple[Finding, ...]) -> Surroundings:
    watches_only = house.autonomy.mode is approval.Mode.OBSERVE
    return Surroundings(house.rotation, seen.occasions, watches_only, house.hold_back, doubts)


def _doubts_of_intervals(house: House, seen: Snapshot) -> tuple[Finding, ...]:
    """Where the policy may approve: why it should not, by how past intervals held."""
    if house.autonomy.mode is not approval.Mode.AUTOPILOT:
        return ()
    # Loaded here: what learns takes long to load, and nothing else of the cycle needs it.
    from optimizer.agent.foretelling import doubts_of_intervals  # noqa: PLC0415

    return doubts_of_intervals(house.store, house.calendar, seen, house.history_days)


def _with_basis(house: House, step: Transition, around: Surroundings, known_at: datetime) -> Transition:
    """Have kept with a new revision what it was decided from, so that it can be computed again."""
    said = (to_json(house.goals), to_json(house.guards), to_json(around))
    return replace(step, basis=Basis(known_at, house.history_days, *said))


def announce(house: House, record: Record) -> None:
    """Tell people of a proposal, or that the policy has approved it; of anything else there is nothing to tell.

    Raises:
        NotTold: Somebody was not reached; to do it again reaches those only.
    """
    if record.state is State.PROPOSED:
        stands = "waits for approval"
    elif record.state in _UNWRITTEN | _WRITTEN and record.approved_by == approval.AUTOPILOT:
        stands = "is approved by the policy"  # also where it was written meanwhile: who had this has it once
    else:
        return
    recommendation, decision = record.recommendation, record.recommendation.decision
    changed = approval.counted(approval.chosen(record))
    by_ads = "" if decision.by_ads is None else f", {decision.by_ads:+,.2f} by ads"
    house.notifier.tell(
        f"{house.name}: {recommendation.rec_id} {stands}",
        f"{changed}, {decision.total.mean:+,.2f} {decision.unit} expected{by_ads}; "
        f"outlay show {recommendation.rec_id}; valid until {recommendation.valid_until:%Y-%m-%d %H:%M} UTC",
        recommendation.rec_id,
    )
