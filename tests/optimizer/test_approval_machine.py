"""The whole workflow under random verdicts, clocks, drift and faults, on a tiny platform in memory.

The machine keeps its own account of what was rightly approved and of every change on the platform, and judges the
house by it. The fake platform does not compare before it sets, so that the guards of the house stand alone; people's
edits fall between calls, never between the read just before a set and the set itself (docs/safety.md says why).
The second half takes single guards away and asserts that the machine notices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from connectors.contract import BudgetKey, Receipt
from connectors.money import Money
from optimizer import approval
from optimizer.approval import applying, intents, restoring, verdicts
from optimizer.plan.record import Intent, IntentState, Record, State, Transition
from tests.optimizer.approval_world import NOW, decision, envelope, key, target

PEOPLE = ("ann", "bob", "bea")
POLICY = approval.Policy(Money(25_000_000, "USD"), frozenset(PEOPLE))
NAMES = "abcd"
UNIT = 10_000_000
UNIT_MONEY = Money(UNIT, "USD")
LIMITS = (
    envelope("total", "abcd", ceiling=420, floor=300),
    envelope("search", "ab", ceiling=220),
    envelope("social", "cd", floor=120),
)
ROWS = {(step.before, step.action.value, step.after) for step in approval.TRANSITIONS}

picks = st.integers(0, 1000)
moves = st.lists(st.integers(-3, 3), min_size=4, max_size=4)
shifts = moves | st.permutations((-2, 0, 0, 2)) | st.permutations((-3, 1, 1, 1))
parts = st.none() | st.sets(st.sampled_from(NAMES), min_size=1)
lasts = st.sampled_from((0, 1, 2, 3, 4, 5, 5, 5))
SMOOTH = ("none",) * 6
FAULTS = (
    "none",
    "none",
    "none",
    "lost-after",
    "lost-before",
    "delayed",
    "lie",
    "stale",
    "throttled",
    "refused",
    "killed",
)
troubles = (
    st.just(SMOOTH)
    | st.sampled_from([(*SMOOTH[:n], fault, *SMOOTH[n:]) for n in range(4) for fault in ("refused", "delayed")])
    | st.lists(st.sampled_from(FAULTS), min_size=6)
)


@dataclass
class Effect:
    """A change of ours on the platform."""

    intent: Intent
    before: int


@dataclass
class Account:
    """What the machine itself knows of a revision: what was shown, and who rightly approved which lines of it."""

    record: Record
    makers: tuple[str, ...] = ()
    approvals: list[tuple[str, frozenset[BudgetKey]]] = field(default_factory=list)
    turned_down: bool = False

    def lines(self, members: Iterable[BudgetKey]) -> dict[BudgetKey, tuple[int, int]]:
        shown = self.record.recommendation.decision.lines
        return {line.key: (line.current.micros, line.proposed.micros) for line in shown if line.key in members}

    def granted(self, members: Iterable[BudgetKey]) -> bool:
        """Whether enough people approved exactly these lines."""
        changes = [new - old for old, new in self.lines(members).values()]
        moved = max(sum(c for c in changes if c > 0), sum(-c for c in changes if c < 0))
        people = [person for person, chosen in self.approvals if chosen == frozenset(members)]
        if moved <= POLICY.second_approver_above.micros:
            return bool(people)
        return any(person not in (people[0], *self.makers) for person in people)

    def covers(self, intent: Intent) -> bool:
        """Whether a granted approval shows this very change."""
        return any(
            self.lines(chosen).get(intent.key) == (intent.base.micros, intent.target.micros) and self.granted(chosen)
            for _, chosen in self.approvals
        )


class Workflow(RuleBasedStateMachine):
    """Everything that can happen, in any order."""

    seen: ClassVar[Counter[tuple[State | None, str, State]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.amounts = {key(name): 10 * UNIT for name in NAMES}
        self.records: dict[tuple[str, int], Record] = {}
        self.intents: dict[str, Intent] = {}
        self.accounts: dict[tuple[str, int], Account] = {}
        self.effects: list[Effect] = []
        self.in_flight: list[Intent] = []
        self.undo: dict[BudgetKey, int] = {}
        self.edits = 0

    # The store, the platform and the clock.

    def commit(self, *steps: Transition) -> None:
        for step in steps:
            identity = (step.record.recommendation.rec_id, step.record.recommendation.revision)
            stored = self.records.get(identity)
            assert (stored.state if stored else None) is step.before
            assert (step.before, step.event.action, step.record.state) in ROWS
            for intent in step.intents:
                assert intent.idempotency_key not in self.intents, "an idempotency key was used twice (invariant 5)"
                self.intents[intent.idempotency_key] = intent
            self.records[identity] = step.record
            made = step.record.recommendation
            before = self.accounts.get((made.rec_id, made.revision - 1))
            makers = (*(before.makers if before else ()), made.author)
            self.accounts.setdefault(identity, Account(step.record, makers))
            self.seen[step.before, step.event.action, step.record.state] += 1

    def live(self):
        return {each: target(each.budget_id, self.read(each)) for each in self.amounts}

    def read(self, budget: BudgetKey) -> Money:
        return Money(self.amounts[budget], "USD")

    def land(self, intent: Intent) -> None:
        """The platform carries out a call."""
        before = self.amounts[intent.key]
        if before == intent.target.micros:
            return
        identity = (intent.rec_id, intent.revision)
        account = self.accounts[identity]
        assert account.covers(intent), "a write without a live approval (invariant 1)"
        assert not account.turned_down, "a write after the approval was withdrawn (invariant 1)"
        assert before == intent.base.micros, "somebody's change was overwritten (invariant 7)"
        self.amounts[intent.key] = intent.target.micros
        self.effects.append(Effect(intent, before))
        if intent.target > intent.base:
            self.check_ceilings(account.record, intent.key)

    def check_ceilings(self, record: Record, written: BudgetKey) -> None:
        plan = record.recommendation.decision
        base = {line.key: line.current.micros for line in plan.lines}
        for limit in plan.envelopes:
            if limit.ceiling is not None and written in limit.keys:
                top = max(limit.ceiling.micros, sum(base[each] for each in limit.keys))
                assert sum(self.amounts[each] for each in limit.keys) <= top, "a ceiling was passed (invariant 2)"

    def pick(self, number: int, *states: State) -> Record | None:
        found = [record for record in self.records.values() if not states or record.state in states]
        return found[number % len(found)] if found else None

    def own(self, record: Record) -> tuple[Intent, ...]:
        recommendation = record.recommendation
        return tuple(
            intent
            for intent in self.intents.values()
            if (intent.rec_id, intent.revision) == (recommendation.rec_id, recommendation.revision)
        )

    def open(self) -> tuple[Intent, ...]:
        return tuple(intent for intent in self.intents.values() if intent.state in approval.OPEN)

    def keep(self, intent: Intent) -> Intent:
        self.intents[intent.idempotency_key] = intent
        return intent

    def settle_flight(self, landing: bool) -> None:
        """A call lands within its timeout or never."""
        calls, self.in_flight = self.in_flight, []
        for intent in calls if landing else ():
            self.land(intent)

    # What people and the clock do.

    @initialize(changes=shifts)
    def first_plan(self, changes):
        self.plan(changes, superseding=True)

    def _decision(self, changes):
        shifts = {
            name: (self.amounts[key(name)] / 1e6, max(self.amounts[key(name)] + change * UNIT, 0) / 1e6)
            for name, change in zip(NAMES, changes, strict=True)
        }
        return decision(shifts, *LIMITS)

    @rule(changes=shifts, superseding=st.booleans())
    def plan(self, changes, superseding):
        self._plan(changes, superseding)

    def _plan(self, changes, superseding):
        self.now += timedelta(seconds=1)
        step = approval.issue(
            self._decision(changes), now=self.now, valid_for=timedelta(hours=8), seed=1, code_version="0"
        )
        older = approval.supersede(self.records.values(), step.record.recommendation, self.now) if superseding else ()
        self.commit(*older, step)
        return step.record

    @rule(number=picks, changes=shifts, author=st.sampled_from(PEOPLE))
    def edit(self, number, changes, author):
        record = self.pick(number, State.PROPOSED)
        if record is None:
            return
        outcome = approval.revise(
            record,
            self._decision(changes),
            now=self.now,
            valid_for=timedelta(hours=8),
            seed=1,
            code_version="0",
            author=author,
        )
        if not isinstance(outcome, approval.Refusal):
            self.commit(*outcome)

    @rule(number=picks, by=st.sampled_from((*PEOPLE, "mallory", "")), stale=st.booleans(), part=parts)
    def approve(self, number, by, stale, part):
        record = self.pick(number)
        shown = self.pick(number + 1).recommendation.plan_hash if stale else record.recommendation.plan_hash
        self._approve(record, by, shown, part)

    def _approve(self, record, by, shown, part):
        chosen = None if part is None else tuple(key(name) for name in sorted(part))
        account = self.accounts[record.recommendation.rec_id, record.recommendation.revision]
        changing = {line.key for line in record.recommendation.decision.lines if line.changes}
        members = frozenset(chosen or record.approved_lines or changing)
        rightly = (
            shown == record.recommendation.plan_hash
            and by in PEOPLE
            and self.now < record.recommendation.valid_until
            and members <= changing
        )
        if rightly:
            account.approvals.append((by, members))
        outcome = approval.judge(
            record, approval.Approve(by, shown, chosen), self.now, POLICY, earlier=account.makers[:-1]
        )
        if isinstance(outcome, Transition):
            assert rightly, "an approval that does not count was taken (invariant 1)"
            granted = outcome.record.state is State.APPROVED
            assert granted == account.granted(outcome.record.approved_lines), "the wrong people (invariant 1)"
        self._take(outcome)

    def _take(self, outcome):
        step = outcome.step if isinstance(outcome, approval.Refusal) else outcome
        if step is not None:
            self.commit(step)

    @rule(number=picks, by=st.sampled_from(PEOPLE), reason=st.sampled_from(("", "no")))
    def turn_down(self, number, by, reason):
        record = self.pick(number, State.PROPOSED, State.APPROVED)
        if record is not None:
            self._turn_down(record, by, reason)

    def _turn_down(self, record, by, reason):
        verdict = approval.Reject if record.state is State.PROPOSED else approval.Revoke
        outcome = approval.judge(record, verdict(by, reason), self.now, POLICY)
        if isinstance(outcome, Transition):
            self.accounts[record.recommendation.rec_id, record.recommendation.revision].turned_down = True
            self.commit(outcome)

    @rule(seconds=st.sampled_from((5, 70, 70, 9 * 3600)), landing=st.booleans())
    def wait(self, seconds, landing):
        if seconds > 30:
            self.settle_flight(landing)
        self.now += timedelta(seconds=seconds)

    @rule(number=picks)
    def notice_drift(self, number):
        record = self.pick(number, State.PROPOSED, State.APPROVED)
        if record is not None:
            self._take(approval.outdate(record, self.live(), self.now))

    @rule(name=st.sampled_from(NAMES), size=st.integers(0, 25), landing=st.booleans())
    def somebody_edits(self, name, size, landing):
        self.settle_flight(landing)
        self.edits += 1  # an amount that no plan and no earlier edit had
        self.undo[key(name)] = self.amounts[key(name)]
        self.amounts[key(name)] = size * UNIT + self.edits * 10_000

    @rule(name=st.sampled_from(NAMES))
    def somebody_undoes_an_edit(self, name):
        sending = {intent.key for intent in self.open() if intent.state is IntentState.SENDING}
        if key(name) in self.undo and key(name) not in sending:
            self.amounts[key(name)] = self.undo.pop(key(name))

    # What the cycle does.

    @rule(number=picks)
    def begin(self, number):
        record = self.pick(number, State.APPROVED) or self.pick(number)
        self._take(approval.begin(record, self.live(), self.now, open_intents=self.open()))

    @rule(number=picks, faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=5))
    def send(self, number, faults):
        record = self.pick(number, State.APPLYING)
        if record is not None:
            self._send(record, faults)

    def _send(self, record, faults):
        for fault in faults if record.state is State.APPLYING else ():
            following = approval.sendable(record, self.own(record), self.live(), self.now)
            if isinstance(following, approval.Blocked):
                for intent in following.intents:
                    self.keep(approval.cancel(intent, following.refusal.message, self.now))
            elif isinstance(following, Intent):
                self._call(following, fault)

    def _call(self, intent, fault):
        intent = self.keep(approval.sending(intent, self.read(intent.key), self.now))
        if intent.state is not IntentState.SENDING:
            return
        before = self.read(intent.key)
        if fault in ("none", "lost-after", "stale"):
            self.land(intent)
        if fault == "delayed":
            self.in_flight.append(intent)
        receipt = Receipt(intent.key, intent.target, "req", self.now)
        match fault:
            case "none" | "lie":
                self.keep(approval.acknowledged(intent, receipt, self.read(intent.key), self.now))
            case "stale":
                self.keep(approval.acknowledged(intent, receipt, before, self.now))
            case "lost-after" | "lost-before" | "delayed":
                self.keep(approval.unknown(intent, "timeout", self.now))
            case "throttled":
                self.keep(approval.postponed(intent, "429", self.now))
            case "refused":
                self.keep(approval.refused(intent, "learning phase", self.now))

    @rule(chore=st.sampled_from(("recover", "conclude", "verify", "expire")))
    def look_after_all(self, chore):
        for record in list(self.records.values()):
            match chore:
                case "recover":
                    self._recover(record)
                case "conclude":
                    self._conclude(record)
                case "verify":
                    self._verify(record)
                case "expire":
                    self._take(approval.expire(record, self.now))
        self.notice_rollbacks()

    def _recover(self, record):
        for intent in self.own(record):
            if intent.state is IntentState.SENDING:
                self.keep(approval.recover(intent, self.read(intent.key), self.now))

    def _conclude(self, record):
        if record.state is State.APPLYING:
            self._take(approval.conclude(record, self.own(record), self.now))

    def _verify(self, record):
        if record.state is not State.APPLIED:
            return
        for intent in self.own(record):
            if intent.state is IntentState.ACKNOWLEDGED:
                self.keep(approval.verify(intent, self.read(intent.key), self.now))
        self._take(approval.verified(record, self.own(record), self.now))

    @rule(number=picks)
    def retry(self, number):
        record = self.pick(number, State.FAILED)
        if record is not None:
            self._retry(record)

    def _retry(self, record):
        self._take(approval.retry(record, self.own(record), self.live(), self.now, open_intents=self.open()))

    @rule(number=picks, part=parts, author=st.sampled_from(PEOPLE))
    def roll_back(self, number, part, author):
        record = self.pick(number, State.VERIFIED, State.APPLIED, State.FAILED)
        if record is not None:
            self._roll_back(record, part, author)

    def _roll_back(self, record, part, author):
        self.now += timedelta(seconds=1)
        step = approval.rollback(
            record,
            self.own(record),
            self.live(),
            self.now,
            author=author,
            valid_for=timedelta(hours=8),
            code_version="0",
            lines=None if part is None else tuple(key(name) for name in sorted(part)),
        )
        if isinstance(step, Transition):
            self.check_child(record, step.record)
            self.commit(step)

    def check_child(self, parent: Record, child: Record) -> None:
        ours = {effect.intent.key: effect for effect in self.effects if effect.intent in self._written(parent)}
        for line in child.recommendation.decision.lines:
            if line.changes:
                effect = ours[line.key]
                assert line.current == effect.intent.target, "a rollback hides drift (invariant 13)"
                assert line.proposed.micros == effect.before, "a rollback restores something else (invariant 13)"

    def _written(self, record: Record) -> list[Intent]:
        keys = {intent.idempotency_key for intent in self.own(record)}
        return [effect.intent for effect in self.effects if effect.intent.idempotency_key in keys]

    def notice_rollbacks(self):
        for child in list(self.records.values()):
            parents = [r for r in self.records.values() if r.recommendation.rec_id == child.recommendation.parent_id]
            for parent in parents:
                self._take(approval.rolled_back(parent, self.own(parent), child, self.now))

    @rule(
        changes=shifts,
        faults=troubles,
        last=lasts,
        then=st.sampled_from(("turn down", "sleep", "edit", "resend", "retry", "retry", "restore", "restore")),
    )
    def a_day(self, changes, faults, last, then):
        """Many steps in the usual order, so that the late states are often reached."""
        for chore in ("recover", "conclude", "verify"):
            self.look_after_all(chore)
        record = self._day(self._plan(changes, superseding=True), faults, last)
        match then:
            case "turn down":
                self._turn_down(record, "ann", "no")
            case "edit":
                self.somebody_edits("a", 3, landing=False)
                self._send(record, SMOOTH)
                self._verify(record)
            case "sleep":
                self.wait(9 * 3600, landing=True)
                self.look_after_all("expire")
            case "resend":
                self._recover(record)
                self._send(record, ("refused",))
                self.settle_flight(landing=True)
            case "retry" if record.state is State.FAILED:
                self._retry(record)
                self._day(record, SMOOTH, 5)
            case "retry" | "restore":
                self._restore(record)

    def _restore(self, record):
        known = set(self.records)
        self._roll_back(record, None, "bea")
        for identity in set(self.records) - known:
            self._day(self.records[identity], SMOOTH, 5)

    def _day(self, record, faults, last):
        identity = (record.recommendation.rec_id, record.recommendation.revision)
        stages = (
            lambda now: self._approve(now, "ann", record.recommendation.plan_hash, None),
            lambda now: self._approve(now, "bob", record.recommendation.plan_hash, None),
            lambda now: self._take(approval.begin(now, self.live(), self.now, open_intents=self.open())),
            lambda now: self._send(now, faults),
            self._conclude,
            self._verify,
        )
        for stage in stages[: last + 1]:
            stage(self.records[identity])
        self.notice_rollbacks()
        return self.records[identity]

    # What must hold after every step.

    @invariant()
    def one_open_intent_per_budget(self):
        counts = Counter(intent.key for intent in self.open())
        assert all(count == 1 for count in counts.values()), "two open intents on one budget (invariant 4)"

    @invariant()
    def one_effect_per_idempotency_key(self):
        counts = Counter(effect.intent.idempotency_key for effect in self.effects)
        assert all(count == 1 for count in counts.values()), "a write took effect twice (invariant 5)"

    @invariant()
    def every_change_is_told(self):
        """Each effect has its intent; once nothing is open, the intents say exactly which writes took effect."""
        written = {effect.intent.idempotency_key for effect in self.effects}
        assert written <= set(self.intents), "a change without an intent (invariant 6)"
        for intent in self.intents.values():
            told = intent.state in approval.DONE
            silent = intent.state in approval.UNRESOLVED
            if intent.idempotency_key in written:
                assert not silent, f"a change that its intent denies (invariant 6): {intent}"
                assert intent.attempts, "a change by an intent that was never sent (invariant 6)"
            else:
                assert not told, f"an intent that claims a change there was not (invariant 6): {intent}"


SETTINGS = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_workflow_keeps_its_invariants_and_walks_the_table():
    """The rarest rows, such as a rollback that is verified, need a long walk: three may be missed.

    Hypothesis takes constants from the source, so that which walks it takes changes with any edit. Every row has a
    test of its own besides.
    """
    Workflow.seen.clear()
    run_state_machine_as_test(Workflow, settings=SETTINGS)
    assert set(Workflow.seen) <= ROWS
    assert len(ROWS - set(Workflow.seen)) <= 3


def _nothing(*_args, **_kwargs):
    return None


def _hopeful(intent, _live):
    """As if every call that was begun had gone through."""
    return intent.target.micros if intent.attempts else intent.base.micros


def _send_blindly(intent, _live, now):
    return replace(intent, state=IntentState.SENDING, attempts=intent.attempts + 1, updated_at=now)


def _believe(intent, _receipt, _live, now):
    return replace(intent, state=IntentState.ACKNOWLEDGED, updated_at=now)


MUTATIONS = {
    "1: any hash": ([(verdicts, "_hash", _nothing)], "invariant 1"),
    "1: any person": ([(verdicts, "_role", _nothing)], "invariant 1"),
    "2: parts are not checked": (
        [(verdicts, "_infeasible", _nothing), (applying, "_infeasible", _nothing), (applying, "_overrun", _nothing)],
        "invariant 2",
    ),
    "2: open cuts count as done": ([(applying, "most", _hopeful)], "invariant 2"),
    "4: two plans at once": ([(applying, "_busy", _nothing)], "invariant 4"),
    "5: keys of the budget alone": ([(intents, "_unique", lambda _r, k, _n: str(k))], "invariant 5"),
    "6: receipts are believed": ([(approval, "acknowledged", _believe)], "invariant 6"),
    "7: no comparison with the live budget": (
        [(approval, "sending", _send_blindly), (applying, "drifts", lambda *_: ())],
        "invariant 7",
    ),
    "13: rollback without comparison": ([(restoring, "_changed", _nothing)], "invariant 13"),
    "13: rollback to other than the prior": (
        [
            (
                restoring,
                "_line",
                lambda line, t, prior: replace(
                    line, current=t.amount, proposed=line.proposed + UNIT_MONEY if prior else t.amount
                ),
            )
        ],
        "invariant 13",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_machine_notices_a_guard_that_is_gone(name, monkeypatch):
    changes, words = MUTATIONS[name]
    for module, attribute, replacement in changes:
        monkeypatch.setattr(module, attribute, replacement)
    searching = settings(SETTINGS, max_examples=1500, phases=[Phase.generate], print_blob=False)
    with pytest.raises(AssertionError, match=words):
        run_state_machine_as_test(Workflow, settings=searching)
