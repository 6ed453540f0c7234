"""From an approval to live budgets and ads: apply, read back, verify, roll back.

Only the process that leads writes; how one write is made stands in `sending`. Nothing here decides; it asks
`optimizer.approval` what comes next and does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from connectors.changes import Change
from connectors.contract import EntityStatus
from connectors.money import Money
from optimizer import approval
from optimizer.agent import sending, switch
from optimizer.agent.breaker import Resting
from optimizer.agent.cycle import House, Refused, commit
from optimizer.agent.watching import clock_stands
from optimizer.plan.recommendation import LineKey
from optimizer.plan.record import Intent, IntentState, Record, State, Transition
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import Braked, SnapshotQuery

_PATIENCE: Final = 40  # looks, or throttled attempts, before a person is asked
_WAIT: Final = approval.Waiting(())
_REHEARSABLE: Final = frozenset({State.PROPOSED, State.APPROVED})


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a platform says of one write that was not made; `problem` is empty when it would go through."""

    key: LineKey
    base: Money | EntityStatus
    target: Money | EntityStatus
    problem: str


def apply(house: House, rec_id: str) -> Record:
    """Write what was approved; take up a revision where an earlier run was stopped; retry one that failed.

    A revision of which some writes wait for the kill switch, a window or the next start of the agent stays in
    `applying`.

    Raises:
        Refused: It may not be written as things stand (not approved, expired, drifted, another is under way, writes
            are paused, outside of the windows, or another process leads).
        Fenced: Another process took over in the middle; it settles what is open.
        ClockWentBack: The clock says an earlier time than what was written last.
    """
    record = _reachable(house, rec_id)
    clock_stands(house.store, house.guards, house.clock.now())
    with _leading(house):
        switch.lift(house.store, house.guards, house.clock.now())
        live = sending.look(house, record)
        seen = _seen(house, record)
        if record.state is not State.APPLYING:
            record = commit(house, _ready(house, record, live, seen))
        stopped = _write(house, record, seen)
        concluded = approval.conclude(record, _intents(house, record), house.clock.now())
        if concluded is not None:
            return commit(house, concluded)  # under the lead, so that the fence holds for this step too
    if stopped is not None:
        raise Refused(stopped)
    return record


@contextmanager
def _leading(house: House) -> Iterator[None]:
    """Hold the lead for one act, unless this process has it anyway.

    Raises:
        Refused: Another process leads.
    """
    if house.tenure.epoch is not None:
        yield
        return
    if not house.tenure.take():
        raise Refused(_led(house))
    try:
        yield
    finally:
        house.tenure.leave()


def _led(house: House) -> approval.Refusal:
    leader = house.store.leader()
    who = "Another process" if leader is None else leader.holder
    mend = "It writes what is approved by itself: look at `outlay status`, or stop it first."
    return approval.Refusal(approval.Code.NOT_LEADING, f"{who} leads and is the only one that writes.", mend)


def rehearse(house: House, rec_id: str) -> tuple[Rehearsal, ...]:
    """Ask the platforms about each write of a revision without making any.

    Raises:
        Refused: It is neither proposed nor approved, or could not be begun as things stand.
    """
    record = _reachable(house, rec_id)
    refusal = _not_rehearsable(record) or approval.lapsed(record, house.clock.now())
    if refusal is None and record.state is State.APPROVED:
        outcome = _ready(house, record, sending.look(house, record), _seen(house, record))
        refusal = outcome if isinstance(outcome, approval.Refusal) else None
    if refusal is not None:
        raise Refused(refusal)
    lines = approval.chosen(record)
    return tuple(Rehearsal(line.key, line.current, line.proposed, sending.objection(house, line)) for line in lines)


def verify(house: House, rec_id: str) -> Record:
    """Read every written budget and ad back and compare; of accounts that are not read, later.

    Raises:
        Refused: It is not applied.
    """
    record = _reachable(house, rec_id)
    if record.state is not State.APPLIED:
        raise Refused(_not_applied(record))
    live, now = sending.look(house, record), house.clock.now()
    for intent in _intents(house, record):
        if intent.state is IntentState.ACKNOWLEDGED and live.tells(intent.key):
            sending.advance(
                house, intent, sending.named(house, record, approval.verify(intent, live.of(intent.key), now))
            )
    done = approval.verified(record, _intents(house, record), now)
    if done is None:
        return record
    house.store.commit((done, *_of_parent(house, done.record, now)), house.tenure.epoch)
    return done.record


def rollback(house: House, rec_id: str, actor: str) -> Record:
    """Propose to restore exactly what stood before; it is approved and applied like any other.

    Raises:
        Refused: Nothing of it was written, or a budget is no longer what was written.
    """
    record = _reachable(house, rec_id)
    live = sending.look(house, record)
    outcome = approval.rollback(
        record,
        _intents(house, record),
        live.budgets,
        house.clock.now(),
        author=actor,
        valid_for=house.valid_for,
        code_version=house.code_version,
        ads=live.ads,
    )
    return commit(house, outcome)


def _reachable(house: House, rec_id: str) -> Record:
    """Return a record whose budgets and ads are all of connectors that the settings name.

    Raises:
        NotFound: There is no such recommendation.
        Refused: A connector was renamed or removed.
    """
    record = house.store.record(rec_id)
    missing = sorted({line.key.connector for line in approval.chosen(record)} - set(house.connectors))
    if missing:
        message = f"{rec_id} changes budgets of connector {missing[0]!r}, which the settings do not name any more."
        mend = f"Write [connectors.{missing[0]}] in config.toml again, or make a new plan."
        raise Refused(approval.Refusal(approval.Code.UNREADABLE, message, mend))
    return record


def _seen(house: House, record: Record) -> Snapshot:
    """Who draws on which budget now, and our own moves, for the day that was planned; one day of history will do."""
    day = record.recommendation.decision.as_of
    return house.store.snapshot(SnapshotQuery(house.clock.now(), day, 1, house.goals.currency, house.time_zone))


def _ready(house: House, record: Record, live: sending.Live, seen: Snapshot) -> Transition | approval.Refusal:
    """The step that begins (or retries) the writes, unless the world or the limits are no longer what they were."""
    clock_stands(house.store, house.guards, house.clock.now())
    keys = [line.key for line in approval.chosen(record)]
    if (stop := _stopped(house) or approval.disbelieved(keys, seen)) is not None:
        return stop
    earlier = _intents(house, record)
    outcome = _begun(house, record, earlier, live, approval.NO_CHANGES)
    if isinstance(outcome, approval.Refusal):
        # Asked once more where somebody's change can be named.
        told = sending.told_of(house, record, [drift.key for drift in outcome.drifts])
        return _begun(house, record, earlier, live, told) if told else outcome
    limits = _limits(house, record, (*earlier, *outcome.intents), live, seen)
    return limits if isinstance(limits, approval.Refusal) else outcome


def _begun(
    house: House, record: Record, earlier: tuple[Intent, ...], live: sending.Live, changes: tuple[Change, ...]
) -> Transition | approval.Refusal:
    now, others = house.clock.now(), house.store.open_intents()
    if record.state is State.FAILED:
        return approval.retry(record, earlier, live.budgets, now, open_intents=others, ads=live.ads, changes=changes)
    return approval.begin(record, live.budgets, now, open_intents=others, ads=live.ads, changes=changes)


def _limits(
    house: House, record: Record, intents: tuple[Intent, ...], live: sending.Live, seen: Snapshot
) -> tuple[approval.Bounds, ...] | approval.Refusal:
    """The limits on sums as they are now; or why what is planned must not be written, budgets or ads."""
    now = house.clock.now()
    refusal = approval.disbelieved(approval.ahead(intents), seen)
    refusal = refusal or approval.forbidden(record, intents, seen, house.goals, house.rotation, now)
    return refusal or approval.recheck(record, intents, live.budgets, seen, house.goals, house.guards, now)


def _stopped(house: House) -> approval.Refusal | None:
    """Why nothing may be sent at this moment, whatever the plan: the kill switch, or the windows.

    A pause that is over counts no more here; none is sent before the history says so (`switch.lift`).
    """
    brake, now = house.store.brake(), house.clock.now()
    if brake is not None and brake.on and not brake.is_over(now):
        return _paused(Braked(brake))
    return approval.closed(house.windows, house.time_zone, now)


def _resting(house: House, intent: Intent) -> approval.Refusal | None:
    """Why a write is not sent though it might: its account failed so often that it is not called for a while."""
    circuit = None if house.breakers is None else house.breakers.resting(intent.key)
    if circuit is None:
        return None
    words = str(Resting(circuit, house.clock.now()))
    mend = "It is tried again by itself; look at the platform, and at `outlay status`."
    return approval.Refusal(approval.Code.RESTING, f"{words}.", mend)


def _paused(braked: Braked) -> approval.Refusal:
    words = str(braked)
    return approval.Refusal(approval.Code.PAUSED, f"{words[0].upper()}{words[1:]}.", "`outlay resume` lets them go on.")


def _write(house: House, record: Record, seen: Snapshot) -> approval.Refusal | None:
    """Send one write after the other until none is left that can be sent; return what stopped it before, if anything.

    While nothing may be sent, what is under way is settled, and what is planned on an approval whose time has passed is
    given up, which sends nothing; no more than that is done.
    """
    live, waits, asked = sending.look(house, record), 0, set[str]()
    while waits < _PATIENCE and not house.tenure.leaving:
        house.tenure.renew()
        intents = _settled(house, record, live)
        stop = _stopped(house)
        if stop is not None and not any(intent.state is IntentState.SENDING for intent in intents):
            if (late := approval.lapsed(record, house.clock.now())) is not None:
                _give_up(house, intents, late)
            return stop
        match _WAIT if stop is not None else _following(house, record, intents, live, seen):
            case None:
                return None
            case approval.Blocked(left, refusal):
                _give_up(house, left, refusal)
                pause = 0.0  # what is under way is still waited for
            case approval.Waiting():
                pause = sending.PAUSE
            case intent:
                if (rests := _resting(house, intent)) is not None:
                    return rests
                if sending.judged(house, record, intent, asked):
                    live = sending.look(house, record)  # a judgement takes its time: what is live is read once more
                    continue
                try:
                    pause = sending.send(house, record, intent, live, seen)
                except Braked as braked:
                    return _paused(braked)
        waits = waits + 1 if pause else 0
        house.clock.sleep(pause)
        live = sending.look(house, record)
    return None


def _give_up(house: House, intents: Iterable[Intent], why: approval.Refusal) -> None:
    """Cancel those that are still planned."""
    for intent in intents:
        if intent.state is IntentState.PLANNED:
            sending.advance(house, intent, approval.cancel(intent, why.message, house.clock.now()))


def _following(
    house: House, record: Record, intents: tuple[Intent, ...], live: sending.Live, seen: Snapshot
) -> Intent | approval.Waiting | approval.Blocked | None:
    """What is to be done next, by the limits and the doubts of this moment: a write just made may have raised one."""
    now = house.clock.now()
    clock_stands(house.store, house.guards, now)
    limits = _limits(house, record, intents, live, replace(seen, doubts=house.store.doubts(now)))
    if not isinstance(limits, approval.Refusal):
        keep = house.rotation.keep_running
        return approval.sendable(record, intents, live.budgets, now, limits=limits, ads=live.ads, keep=keep)
    left = tuple(intent for intent in intents if intent.state is IntentState.PLANNED)
    return approval.Blocked(left, limits) if left else approval.sendable(record, intents, live.budgets, now)


def _settled(house: House, record: Record, live: sending.Live) -> tuple[Intent, ...]:
    """The intents, after those whose outcome is not known have been settled from what is live."""
    found, same = _intents(house, record), True
    for intent in found:
        if intent.state is IntentState.SENDING and live.tells(intent.key):
            touched = sending.touched(house, record, intent, live)
            after = approval.recover(intent, live.of(intent.key), house.clock.now(), touched=touched)
            if after != intent:
                sending.advance(house, intent, sending.named(house, record, after))
                same = False
    return found if same else _intents(house, record)


def _not_rehearsable(record: Record) -> approval.Refusal | None:
    if record.state in _REHEARSABLE:
        return None
    message = f"{record.recommendation.rec_id} is {record.state.value}; only what may yet be written can be rehearsed."
    return approval.Refusal(approval.Code.WRONG_STATE, message, "Make a new plan.")


def _not_applied(record: Record) -> approval.Refusal:
    return approval.Refusal(
        approval.Code.WRONG_STATE,
        f"{record.recommendation.rec_id} is {record.state.value}; only what was applied can be read back.",
        "Apply it first." if record.state is State.APPROVED else "Look at its history with `outlay show --history`.",
    )


def _of_parent(house: House, child: Record, now: datetime) -> tuple[Transition, ...]:
    """The step that marks the parent of a verified rollback, to be committed together with the child's."""
    if child.recommendation.parent_id is None:
        return ()
    parent = house.store.record(child.recommendation.parent_id)
    step = approval.rolled_back(parent, _intents(house, parent), child, now)
    return () if step is None else (step,)


def _intents(house: House, record: Record) -> tuple[Intent, ...]:
    return house.store.intents(record.recommendation.rec_id, record.recommendation.revision)
