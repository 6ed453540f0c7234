"""Everything that can happen in the whole workflow, in any order, and a judge that keeps its own account of it.

The judge knows what was shown, who rightly approved which lines of it and what stands on the platform; of the house it
reads the store only. Edits of people fall between the read just before a set and the set itself only where the platform
compares and sets (docs/safety.md says why). The numbers are those of the invariants in docs/safety.md.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from connectors.contract import AdKey, BudgetChange, BudgetKey, EntityStatus, StatusChange
from connectors.errors import ConnectorError
from connectors.money import Money
from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent.cycle import House, Refused
from optimizer.agent.store import open_sql
from optimizer.approval.table import PROGRAM
from optimizer.goals import GoalsError
from optimizer.plan.audit import GENESIS
from optimizer.plan.recommendation import AdLine
from optimizer.plan.record import AdIntent, BudgetIntent, Intent, IntentState, Record, State
from optimizer.ports import StateConflict
from tests.machine.ground import CALL_FAULTS, PEOPLE, TRAPS, Ground, Mishap

ABOVE = Money.of(9000, "JPY")
DAWN, DUSK = '["05:00-09:00"]', '["18:00-20:00"]'

picks = st.integers(0, 20)
wishes = st.tuples(*[st.sampled_from((-1.0, -0.4, 0.0, 0.3, 0.9))] * 3)
shifts = wishes | st.permutations((-0.9, 0.3, 0.3)).map(tuple) | st.permutations((-0.4, 0.9, 0.0)).map(tuple)
parts = st.none() | st.sets(st.integers(0, 2), min_size=1)
agents = st.sampled_from("aaab")
faults_ = st.lists(st.sampled_from(CALL_FAULTS + ("none",) * 4), max_size=4)
traps = (
    st.none()
    | st.builds(Mishap, st.sampled_from(TRAPS), st.integers(1, 9))
    | st.builds(Mishap, st.just("kill"), st.integers(2, 7))
)
SCRIPTS = (
    "none", "none", "retry", "restore", "restore an edit", "edit", "late", "part", "lost", "lie", "slow", "brake",
    "breather", "stall", "beside", "small step", "pinned", "dusk", "autopilot", "generous autopilot",
    "modest autopilot", "undone", "refused",
)  # fmt: skip
"""What may happen on a day besides the usual."""


DAY = {
    "wish": shifts,
    "ads": st.booleans(),
    "who": agents,
    "faults": faults_,
    "trap": traps,
    "then": st.integers(0, 2**16),
    "once_more": faults_,
}


@dataclass(frozen=True)
class Effect:
    """A change of ours on the platform."""

    intent: Intent
    before: Any


@dataclass
class Account:
    """What the judge itself knows of a revision."""

    record: Record
    makers: tuple[str, ...] = ()
    approvals: list[tuple[str, frozenset[Any]]] = field(default_factory=list)
    turned_down: bool = False

    def lines(self, members: Iterable[Any]) -> dict[Any, tuple[Any, Any]]:
        shown = self.record.recommendation.decision.all_lines
        return {line.key: (line.current, line.proposed) for line in shown if line.key in members}

    def granted(self, members: Iterable[Any]) -> bool:
        """Whether enough people approved exactly these lines."""
        money = [pair for key, pair in self.lines(members).items() if isinstance(key, BudgetKey)]
        changes = [new.micros - old.micros for old, new in money]
        shown = self.record.recommendation.decision.all_lines
        ads = [line for line in shown if isinstance(line, AdLine) and line.key in members]
        switched = [(1 if line.proposed is EntityStatus.ACTIVE else -1) * line.moved.micros for line in ads]
        moved = _larger(changes) + _larger(switched)
        people = [person for person, chosen in self.approvals if chosen == frozenset(members)]
        if moved <= ABOVE.micros:
            return bool(people)
        return any(person not in (people[0], *self.makers) for person in people[:2])

    def covers(self, intent: Intent) -> bool:
        """Whether a granted approval shows this very change."""
        change = (intent.base, intent.target)
        return any(self.lines(c).get(intent.key) == change and self.granted(c) for _, c in self.approvals)


def _larger(changes: Sequence[int]) -> int:
    """The larger of what is raised and what is cut."""
    return max(sum(c for c in changes if c > 0), sum(-c for c in changes if c < 0))


@cache
def template() -> Path:
    """An SQLite file of the newest version, to be copied."""
    folder = Path(tempfile.mkdtemp(prefix="outlay-machine-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    open_sql(f"sqlite:///{folder / 'new.sqlite'}").close()
    return folder / "new.sqlite"


class Workflow(RuleBasedStateMachine):
    """The whole workflow."""

    stores: ClassVar[tuple[str, ...]] = ("memory",) * 5 + ("sqlite",)
    scripts: ClassVar[tuple[str, ...]] = SCRIPTS
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="outlay-walk-"))
        self.accounts: dict[tuple[str, int], Account] = {}
        self.begun: set[tuple[str, int]] = set()
        self.effects: list[Effect] = []
        self.undo: dict[int, Money] = {}
        self.last: tuple[int, str] = (0, GENESIS)
        self.grounds: list[Ground] = []

    @property
    def ground(self) -> Ground:
        return self.grounds[0]

    def teardown(self) -> None:
        for ground in self.grounds:
            ground.close()
        shutil.rmtree(self.folder)

    @initialize(store=st.integers(0, 5), compares=st.booleans(), reports=st.booleans(), wish=shifts, ads=st.booleans())
    def open(self, store, compares, reports, wish, ads):
        kind = self.stores[store]
        new = template() if kind == "sqlite" else None
        self.grounds.append(Ground(self.folder, new, compares=compares, reports=reports))
        self.ground.called = self.judge_call
        ground = self.ground
        ground.platform.landed = lambda change, before: ground.judged(self.judge_effect, change, before)
        self.ground.wishes, self.ground.wishes_ads = wish, ads
        self.look("a", [], None)
        assert self.ground.desks["a"].seen.trouble == ""

    # What is done

    @rule(who=agents, faults=faults_, trap=traps)
    def look(self, who, faults, trap):
        self.ground.armed, self.ground.mishap = list(faults), None if trap is None else replace(trap)
        self.seen["killed" if not self.ground.look(who) else "looked"] += 1
        self.ground.armed, self.ground.mishap = [], None
        self.after()

    @rule(wish=shifts, ads=st.booleans(), who=agents)
    def morning(self, wish, ads, who):
        """The next day, a few minutes after six."""
        self.ground.wishes, self.ground.wishes_ads = wish, ads
        if not self.pass_time(timedelta(days=1), to_morning=True):
            return
        self.look(who, [], None)

    @rule(seconds=st.sampled_from((5, 62, 62, 95, 31 * 60, 31 * 60, 4 * 3600)))
    def wait(self, seconds):
        self.pass_time(timedelta(seconds=seconds))
        self.after()

    def pass_time(self, span: timedelta, *, to_morning: bool = False) -> bool:
        """Move the clock, and the world with it; False at the end of the world."""
        ground = self.ground
        inner, then = ground.platform.inner, ground.clock.now() + span
        if to_morning:
            then = max(inner.now + timedelta(days=1, minutes=5), ground.clock.now())
        if (then - inner.now) // timedelta(days=1) + inner.world.index_of(inner.today) > 100:
            return False
        ground.clock.at = then
        ground.platform.deliver()
        while inner.now + timedelta(days=1) <= then:
            inner.advance(1)
        return True

    @rule(wish=shifts, ads=st.booleans())
    def plan_by_hand(self, wish, ads):
        self.ground.wishes, self.ground.wishes_ads = wish, ads
        self.ground.clock.sleep(1)
        self.told(lambda house: cycle.plan(house, house.today()))

    @rule(number=picks, by=st.sampled_from((*PEOPLE, *PEOPLE, "mallory", "")), stale=st.booleans(), part=parts)
    def approve(self, number, by, stale, part):
        record = self.pick(number)
        if record is not None:
            other = self.pick(number + 1) if stale else record
            self._approve(record, by, other.recommendation.plan_hash, part)

    def _approve(self, record: Record, by: str, shown: str, part: Any = None) -> None:
        decision, account = record.recommendation.decision, self.accounts[self.name(record)]
        changing = [line.key for line in decision.all_lines if line.changes]
        lines = None if part is None else tuple(decision.lines[n % len(decision.lines)].key for n in sorted(part))
        members = frozenset(lines or record.approved_lines or changing)
        rightly = (
            shown == record.recommendation.plan_hash
            and by in PEOPLE
            and self.ground.clock.now() < record.recommendation.valid_until
            and members <= set(changing)
        )
        verdict = approval.Approve(by, shown, lines)
        after = self.told(lambda house: cycle.settle(house, record.recommendation.rec_id, verdict))
        if after is None:
            return
        account.approvals.append((by, members))
        assert rightly, "an approval that does not count was taken (invariant 1)"
        assert (after.state is State.APPROVED) == account.granted(members), "the wrong people (invariant 1)"

    @rule(number=picks, by=st.sampled_from(PEOPLE), reason=st.sampled_from(("", "no", "no")))
    def turn_down(self, number, by, reason):
        record = self.pick(number, State.PROPOSED, State.APPROVED)
        if record is None:
            return
        verdict = approval.Reject if record.state is State.PROPOSED else approval.Revoke
        rec_id = record.recommendation.rec_id
        if self.told(lambda house: cycle.settle(house, rec_id, verdict(by, reason))) is not None:
            self.accounts[self.name(record)].turned_down = True

    @rule(number=picks, by=st.sampled_from(PEOPLE), place=st.integers(0, 2), cut=st.integers(0, 6))
    def edit_a_proposal(self, number, by, place, cut):
        record = self.pick(number, State.PROPOSED)
        if record is None:
            return
        line = record.recommendation.decision.lines[place]
        fixed = {line.key: Money.of(int(line.current.micros * (1 - cut / 20) / 1e6), "JPY")}
        self.told(lambda house: cycle.edit(house, record.recommendation.rec_id, fixed, by))

    @rule(number=picks)
    def apply_by_hand(self, number):
        record = self.pick(number, State.APPROVED, State.FAILED, State.APPLYING)
        if record is not None:
            self.told(lambda house: writing.apply(house, record.recommendation.rec_id))

    @rule(number=picks, by=st.sampled_from(PEOPLE))
    def roll_back(self, number, by):
        record = self.pick(number, State.VERIFIED, State.APPLIED, State.FAILED)
        if record is not None:
            self._roll_back(record, by)

    def _roll_back(self, record: Record, by: str) -> Record | None:
        self.ground.clock.sleep(1)
        child = self.told(lambda house: writing.rollback(house, record.recommendation.rec_id, by))
        if child is not None:
            self.judge_child(record, child)
        return child

    @rule(place=st.integers(0, 2), quanta=st.integers(0, 40))
    def somebody_edits(self, place, quanta):
        self.undo[place] = self.ground.platform.inner.budgets()[place].amount
        self.ground.hand(place, quanta)

    @rule(place=st.integers(0, 2))
    def somebody_undoes_an_edit(self, place):
        """Not while a write is under way, unless the platform tells of its changes.

        What then went there and back cannot be told from what was never done.
        """
        platform = self.ground.platform
        budget = platform.inner.budgets()[place]
        sent = {intent.key for intent in self.ground.store.open_intents() if intent.attempts}
        if place in self.undo and (budget.key not in sent or platform.capabilities.reports_changes):
            self.ground.arrive()
            platform.inner.edit(budget.budget_id, self.undo.pop(place))

    @rule(place=st.integers(0, 8))
    def somebody_switches(self, place):
        self.ground.arrive()
        ad = self.ground.platform.inner.ads()[place]
        sent = {intent.key for intent in self.ground.store.open_intents() if intent.attempts}
        if ad.key not in sent:
            other = EntityStatus.PAUSED if ad.status is EntityStatus.ACTIVE else EntityStatus.ACTIVE
            self.ground.platform.inner.switch(ad.ad_id, other)

    @rule(on=st.booleans(), minutes=st.none() | st.integers(1, 180))
    def switch(self, on, minutes):
        self.ground.throw(on=on, lasts=timedelta(minutes=minutes) if on and minutes else None)

    @rule(
        kind=st.sampled_from(
            ("plain", "plain", "small step", "pinned", "tight", "dawn", "dusk", "autopilot", "nonsense")
        )
    )
    def settings(self, kind):
        before = self.ground.wanted
        budgets = self.ground.platform.inner.budgets()
        together = sum(budget.amount.micros for budget in budgets) / 1e6
        edited = {
            "plain": replace(before, step=0.3, pinned=None, total=None, windows="[]", mode="recommend"),
            "small step": replace(before, step=0.03),
            "pinned": replace(before, pinned=budgets[1].covers[0]),
            "tight": replace(before, total=int(together * 0.97)),
            "dawn": replace(before, windows=DAWN),
            "dusk": replace(before, windows=DUSK),
            "autopilot": replace(before, mode="autopilot"),
            "generous autopilot": replace(before, mode="autopilot", total=int(together * 1.2)),
            "nonsense": replace(before, sense=False),
        }[kind]
        self.ground.set(edited)

    @rule(kind=st.sampled_from(("stands still", "tracking", "well", "well")))
    def data(self, kind):
        platform = self.ground.platform
        today = platform.inner.today
        platform.rows_until = today - timedelta(days=1) if kind == "stands still" else None
        platform.silent_from = today if kind == "tracking" else None

    def _a_day(self, then, **drawn):
        self._scripted(self.scripts[then % len(self.scripts)], **drawn)

    def _scripted(self, then, wish, ads, who, faults, trap, once_more):
        """Many steps in the usual order, so that the late states are often reached; and one that is out of it."""
        before = {
            "autopilot": lambda: self.settings("autopilot"),
            "modest autopilot": lambda: self.settings("autopilot"),
            "generous autopilot": lambda: self.settings("generous autopilot"),
        }.get(then)
        if before is not None:
            before()
        wish = {"generous autopilot": (0.3, 0.3, 0.0), "modest autopilot": (-0.3, 0.2, 0.0)}.get(then, wish)
        self.morning(wish, ads and then != "modest autopilot", who)
        record = self.pick(0, State.PROPOSED)
        if record is None:
            return
        self._sign(record, {"part": self._raises, "beside": self._a_cut}.get(then, _whole)(record))
        amid: Callable[[], Any] = {
            "edit": lambda: self.somebody_edits(self._moving(record), 3),
            "late": lambda: self.wait(11 * 3600),
            "small step": lambda: self.settings("small step"),
            "pinned": lambda: self.settings("pinned"),
            "dusk": lambda: self.settings("dusk"),
        }.get(then, lambda: None)
        amid()
        first: Any = {
            "lost": ["lost-before"],
            "lie": ["lie"],
            "slow": ["late"],
            "undone": ["lost-after"],
            "refused": ["refused"],
        }
        first = first.get(then, faults)
        springs = {
            "brake": Mishap("brake", 3),
            "breather": Mishap("breather", 3),
            "stall": Mishap("stall", 4),
            "beside": Mishap("kill", 4),
            "undone": Mishap("kill", 5),
        }.get(then, trap)
        self.look(who, first, springs)
        self._afterwards(record, who, then, once_more)

    def _afterwards(self, record, who, then, once_more):
        """How the day goes on once something was written, or not."""
        if then == "slow":
            self.somebody_edits(self._moving(record), 5)
        if then == "undone":
            self._undo_what_was_sent()
            self.wait(95)
            self.look(who, [], None)
        if then == "beside" and (earlier := self.pick(0, State.VERIFIED)) is not None:
            self.wait(95)  # the lease of whoever was killed ends
            self._by_hand(self._roll_back(earlier, "bea"))
        if then in ("brake", "small step", "pinned", "dusk") or then.endswith("autopilot"):
            self.ground.throw(on=False)
            self.settings("plain")
        self.wait(62)
        self.look(who, once_more if then == "retry" else [], None)
        if then == "retry":
            self.apply_by_hand(0)
        self.wait(31 * 60)
        self.look(who, [], None)
        if then == "restore an edit":
            self.somebody_edits(self._moving(record), 4)
        if then in ("restore", "restore an edit"):
            self._restore(self.ground.store.record(record.recommendation.rec_id), who, once_more)

    def _undo_what_was_sent(self) -> None:
        """Somebody restores what stood before a write whose answer is lost; only where the platform tells of it."""
        for intent in self.ground.store.open_intents():
            told = self.ground.platform.capabilities.reports_changes
            if told and intent.attempts and isinstance(intent, BudgetIntent):
                self.ground.arrive()
                self.ground.platform.inner.edit(intent.key.budget_id, intent.base)

    def _moving(self, record: Record) -> int:
        """The place of the first budget that a plan changes."""
        keys = [line.key for line in record.recommendation.decision.lines if line.changes]
        budgets = [budget.key for budget in self.ground.platform.inner.budgets()]
        return budgets.index(keys[0]) if keys else 0

    def _raises(self, record: Record) -> set[int]:
        lines = record.recommendation.decision.lines
        return {place for place, line in enumerate(lines) if line.proposed > line.current}

    def _a_cut(self, record: Record) -> set[int]:
        """One cut of a budget of which no write is open; it can stand by itself."""
        lines = record.recommendation.decision.lines
        busy = {intent.key for intent in self.ground.store.open_intents()}
        free = [n for n, line in enumerate(lines) if line.proposed < line.current and line.key not in busy]
        return set(free[:1])

    def _sign(self, record: Record, part: set[int] | None = None) -> None:
        """Let those try who may not; then those who may, until it is enough."""
        whole, other = record.recommendation.plan_hash, self.pick(1) or record
        for person, shown in (
            ("mallory", whole), ("ann", other.recommendation.plan_hash), ("ann", whole), ("ann", whole), ("bob", whole),
        ):  # fmt: skip
            stands = self.ground.store.record(record.recommendation.rec_id)
            if stands.state is State.PROPOSED:
                self._approve(stands, person, shown, part or None)

    def _by_hand(self, record: Record | None) -> None:
        """Approve and apply a plan at the command line."""
        if record is not None:
            self._sign(record, self._a_cut(record))
            self.told(lambda house: writing.apply(house, record.recommendation.rec_id))

    def _restore(self, record: Record, who: str, faults: list[str]) -> None:
        child = self._roll_back(record, "bea")
        if child is None:
            return
        self._sign(child)
        for faults_now in (faults, []):
            self.look(who, faults_now, None)
            self.wait(31 * 60)
        self.look(who, [], None)

    @rule(**DAY)
    def a_day(self, **drawn):
        self._a_day(**drawn)

    @rule(**DAY)
    def one_more_day(self, **drawn):
        self._a_day(**drawn)

    @rule(**DAY)
    def a_third_day(self, **drawn):
        self._a_day(**drawn)

    @rule(wish=shifts)
    def days_without_data(self, wish):
        self.data("stands still")
        for _ in range(5):
            self.morning(wish, False, "a")
        self.data("well")

    # Help

    def told(self, act: Callable[[House], Record]) -> Record | None:
        """What a command brings; None where it is refused, or somebody was faster."""
        with self.ground.people() as house:
            try:
                found = act(house)
            except (Refused, StateConflict, GoalsError, ConnectorError):
                found = None
        self.after()
        return found

    def pick(self, number: int, *states: State) -> Record | None:
        found = self.ground.store.records(frozenset(states) if states else None, limit=1000)
        return found[number % len(found)] if found else None

    def name(self, record: Record) -> tuple[str, int]:
        return record.recommendation.rec_id, record.recommendation.revision

    def after(self) -> None:
        """Take notice of what is new."""
        store = self.ground.store
        for entry in store.audit(self.last[0], 10_000):
            sound = entry.hash == entry.computed_hash() and entry.previous == self.last[1]
            assert sound, "the history does not hold (invariant 10)"
            self.last = (entry.number, entry.hash)
            event = entry.event
            self.seen[event.action] += 1
            if event.actor == approval.AUTOPILOT:
                self.seen[f"{event.action} by the policy"] += 1
            name = (event.rec_id, event.revision)
            match event.action:
                case "proposed" | "held":
                    made = store.record(*name)
                    before = self.accounts.get((event.rec_id, event.revision - 1))
                    makers = (*(before.makers if before else ()), made.recommendation.author)
                    self.accounts[name] = Account(made, makers)
                    self.judge_data(self.accounts[name].record)
                case "begun" | "retried":
                    self.begun.add(name)
                case "approved" | "awaits-second" if event.actor == approval.AUTOPILOT:
                    self.judge_policy(self.accounts[name])

    # What must hold when something new is seen

    def judge_policy(self, account: Account) -> None:
        """What the policy approved, by what it may."""
        decision = account.record.recommendation.decision
        assert self.ground.wanted.mode == "autopilot", "the policy approved though nobody lets it (invariant 1)"
        brake = self.ground.store.brake()
        assert brake is None or not brake.on, "the policy approved while writes are paused (invariant 9)"
        changing = [line for line in decision.lines if line.changes]
        assert not any(line.changes for line in decision.ads), "the policy switched an ad (invariant 1)"
        for line in changing:
            step = abs(line.proposed.micros - line.current.micros)
            assert step <= 0.15 * line.current.micros, "the policy went beyond its step (invariant 1)"
        raised = sum(line.proposed.micros - line.current.micros for line in changing)
        assert raised <= 0, "the policy raised the sum (invariant 1)"
        account.approvals.append((approval.AUTOPILOT, frozenset(line.key for line in changing)))

    def judge_data(self, record: Record) -> None:
        """No row of the last days: nothing may be proposed."""
        until, made = self.ground.platform.rows_until, record.recommendation
        if until is None or record.state is State.HELD or made.author != "outlay":
            return
        missing = (made.decision.as_of - until).days - 1
        assert missing <= 3, "proposed on data that stand still (invariant 8)"

    # What must hold of each call as it leaves, and of each effect

    def judge_call(self, who: str, change: BudgetChange | StatusChange) -> None:
        store, now = self.ground.store, self.ground.clock.now()
        brake, lease = store.brake(), store.leader()
        assert brake is None or not brake.on, "a call while writes are paused (invariant 9)"
        minutes = (now + timedelta(hours=9)).hour * 60
        opens, shuts = {DAWN: (300, 540), DUSK: (1080, 1200)}.get(self.ground.wanted.windows, (0, 1440))
        assert opens <= minutes < shuts, "a call outside of the windows (invariant 9)"
        leads = lease is not None and lease.holder.startswith("agent") == (who != "people")
        assert leads, "a call by a process that does not lead (invariant 9)"
        assert who == "people" or lease.holder == f"agent {who}", "a call by a process that leads no more (invariant 9)"
        self.after()
        self.one_plan_at_a_time()
        self.one_open_intent_per_budget()
        intent = self.intent(change)
        account = self.accounts[intent.rec_id, intent.revision]
        assert intent.state is IntentState.SENDING, "a call that the store does not know of (invariant 6)"
        assert account.covers(intent), "a call without a live approval (invariant 1)"
        assert not account.turned_down, "a call after the approval was withdrawn (invariant 1)"
        assert now < account.record.recommendation.valid_until, "a call on an approval of yesterday (invariant 1)"
        if isinstance(intent, BudgetIntent):
            self.judge_line(account.record, intent)

    def judge_line(self, record: Record, intent: BudgetIntent) -> None:
        """The limits of this moment on one budget."""
        wanted = self.ground.wanted
        pinned = wanted.pinned is not None and intent.key.budget_id == f"b{wanted.pinned}"
        assert not pinned, "a pinned budget was moved (invariant 3)"
        if record.recommendation.parent_id is None:
            step = abs(intent.target.micros - intent.base.micros)
            assert step <= wanted.step * intent.base.micros + 2_000_000, "a step too large (invariant 3)"

    def judge_effect(self, change: BudgetChange | StatusChange, before: Any) -> None:
        intent = self.intent(change)
        record = self.accounts[intent.rec_id, intent.revision].record
        keys = {effect.intent.idempotency_key for effect in self.effects}
        self.effects.append(Effect(intent, before))
        assert intent.idempotency_key not in keys, "a write took effect twice (invariant 5)"
        assert before == intent.base, "somebody's change was overwritten (invariant 7)"
        if isinstance(intent, BudgetIntent):
            if intent.target > intent.base:
                self.judge_ceilings(record, intent.key)
        else:
            self.judge_crew(intent.key)

    def judge_ceilings(self, record: Record, written: BudgetKey) -> None:
        decision = record.recommendation.decision
        base = {line.key: line.current.micros for line in decision.lines}
        live = {budget.key: budget.amount.micros for budget in self.ground.platform.inner.budgets()}
        ceilings = [(e.keys, e.ceiling.micros) for e in decision.envelopes if e.ceiling is not None]
        if self.ground.wanted.total is not None:
            ceilings.append((tuple(base), self.ground.wanted.total * 1_000_000))
        for keys, ceiling in ceilings:
            if written in keys:
                top = max(ceiling, sum(base[key] for key in keys))
                assert sum(live[key] for key in keys) <= top, "a ceiling was passed (invariant 2)"

    def judge_crew(self, key: AdKey) -> None:
        campaign = next(ad.campaign_id for ad in self.ground.platform.inner.ads() if ad.key == key)
        crew = [ad.status for ad in self.ground.platform.inner.ads() if ad.campaign_id == campaign]
        assert EntityStatus.ACTIVE in crew, "a budget went dark by our hand (invariant 3)"

    def judge_child(self, parent: Record, child: Record) -> None:
        ours = {
            effect.intent.key: effect
            for effect in self.effects
            if (effect.intent.rec_id, effect.intent.revision) == self.name(parent)
        }
        for line in child.recommendation.decision.all_lines:
            if line.changes:
                assert line.key in ours, "a rollback of what was never written (invariant 13)"
                assert line.current == ours[line.key].intent.target, "a rollback hides drift (invariant 13)"
                assert line.proposed == ours[line.key].before, "a rollback restores something else (invariant 13)"

    def intent(self, change: BudgetChange | StatusChange) -> Intent:
        rec_id, revision, *_ = change.idempotency_key.split(".")
        for intent in self.ground.store.intents(rec_id, int(revision)):
            if intent.idempotency_key == change.idempotency_key and intent.key == change.key:
                return intent
        raise AssertionError("a call that no intent tells of (invariant 6)")

    # What must hold after every step

    @invariant()
    def one_open_intent_per_budget(self):
        for ground in self.grounds:
            counts = Counter(intent.key for intent in ground.store.open_intents())
            assert all(count == 1 for count in counts.values()), "two open intents on one budget (invariant 4)"

    @invariant()
    def pauses_end_when_it_was_said(self):
        for ground in self.grounds:
            for pause, end in pairwise(ground.store.brakes()):
                if end.actor == PROGRAM:
                    in_time = pause.until is not None and end.at >= pause.until
                    assert in_time, "a pause ended before its time (invariant 9)"

    @invariant()
    def one_plan_at_a_time(self):
        for ground in self.grounds:
            plans = {(intent.rec_id, intent.revision) for intent in ground.store.open_intents()}
            assert len(plans) <= 1, "two plans are written at once (invariant 4)"

    @invariant()
    def every_change_is_told(self):
        written = {effect.intent.idempotency_key for effect in self.effects}
        for ground in self.grounds:
            late = {change.idempotency_key for _, change in ground.platform.late}
            others = set(ground.platform.others)
            for name in self.begun:
                for intent in ground.store.intents(*name):
                    if intent.idempotency_key in written:
                        denies = intent.state in approval.UNRESOLVED or not intent.attempts
                        assert not denies, f"a change that its intent denies (invariant 6): {intent}"
                    elif isinstance(intent, AdIntent) and (intent.key, intent.target) in others:
                        pass  # somebody switched it as we were about to: of two statuses, theirs looks like ours
                    elif intent.idempotency_key not in late:
                        claims = intent.state in approval.DONE
                        assert not claims, f"an intent that claims a change there was not (invariant 6): {intent}"

    @invariant()
    def no_approval_is_lost(self):
        for ground in self.grounds:
            for name, account in self.accounts.items():
                if not account.approvals:
                    continue
                kept = ground.store.record(*name)
                given = tuple(dict.fromkeys(person for person, _ in account.approvals))
                assert kept.approvals == given, "an approval was lost (invariant 1)"
                same = kept.recommendation == account.record.recommendation
                assert same, "a revision was changed (invariant 1)"

    @invariant()
    def rollbacks_restore(self):
        """What is marked as rolled back was set to where it stood before, budget by budget that we had set."""
        for ground in self.grounds:
            for record in ground.store.records(frozenset({State.ROLLED_BACK}), limit=1000):
                set_by_us = {
                    i.idempotency_key for i in ground.store.intents(*self.name(record)) if i.state in approval.DONE
                }
                for effect in self.effects:
                    if effect.intent.idempotency_key in set_by_us:
                        later = [e.intent.target for e in self.effects if e.intent.key == effect.intent.key]
                        later += [target for key, target in ground.platform.others if key == effect.intent.key]
                        assert effect.before in later, "a rollback is marked as done and was not (invariant 13)"


def _whole(_record: Record) -> None:
    """All lines of a plan."""
