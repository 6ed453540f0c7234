"""The cycle on a platform where everything goes wrong that can: at most one effect, never over the cap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from connectors.contract import BudgetChange, BudgetTarget, Connector, Receipt
from connectors.errors import AskMarketer, OutcomeUnknown, RetryLater
from connectors.money import Money
from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent.bootstrap import open_house
from optimizer.agent.clock import SetClock
from optimizer.agent.cycle import House, Refused
from optimizer.agent.store import MemoryStore
from optimizer.agent.tenure import Tenure
from optimizer.goals import Goals, Limit, Pin, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan.record import IntentState, Record, State, Transition
from optimizer.plan.snapshot import Panel
from optimizer.ports import ApprovalStands, SnapshotQuery, StateConflict, Store, StoreError
from simulations.platform import faults
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import named

SOCIAL = Limit(Scope.parse("channel:social"), share_ceiling=0.3)
YEN_4000 = Money.of(4000, "JPY")
EAGER = Guardrails(min_gain_probability=0.0, min_gain_share=0.0, minimum_conversions=0.0, minimum_days=0)


@dataclass
class Told:
    """A notifier that remembers."""

    messages: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, title: str, body: str, about: str = "", page: str = "") -> None:
        self.messages.append((title, body))


@dataclass
class Watched:
    """A connector that notes every effect on the platform, and what the budgets summed to after it."""

    inner: SimulatedConnector
    effects: list[str] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def set_budget(self, change: BudgetChange) -> Receipt:
        before = self.amounts()
        receipt = self.inner.set_budget(change)
        if self.amounts() != before:
            self.effects.append(change.idempotency_key)
        self.sums.append(sum(self.amounts()))
        return receipt

    def amounts(self) -> list[int]:
        return [budget.amount.micros for budget in self.inner.budgets()]


@dataclass
class Rig:
    """A wired house over a small market in yen with 30 days of history."""

    house: House
    platform: Watched
    told: Told

    @property
    def today(self) -> date:
        return self.platform.inner.today

    def proposed(self) -> Record:
        record = cycle.plan(self.house, self.today, seed=1)
        assert record.state is State.PROPOSED
        return record

    def approved(self) -> Record:
        record = self.proposed().recommendation
        return cycle.settle(self.house, record.rec_id, approval.Approve("ada", record.plan_hash))

    def states(self, record: Record) -> set[IntentState]:
        return {i.state for i in self.house.store.intents(record.recommendation.rec_id, record.recommendation.revision)}

    def targets(self, record: Record) -> dict[str, Money]:
        return {line.key.budget_id: line.proposed for line in record.recommendation.decision.lines}

    def live(self) -> dict[str, Money]:
        return {budget.budget_id: budget.amount for budget in self.platform.inner.budgets()}


def rig(wrap: Callable[[Connector], Connector] = lambda c: c, store: Store | None = None) -> Rig:
    scenario = named("tiny-yen", history_days=30)
    market = SimulatedConnector(scenario, seed=4, start=date(2025, 9, 1))
    platform, told = Watched(market), Told()
    kept, clock = store or MemoryStore(), SetClock(market.now)
    house = House(
        name="test",
        store=kept,
        connectors={market.name: wrap(platform)},
        goals=Goals("JPY"),
        guards=EAGER,
        policy=approval.Policy(),
        autonomy=approval.Autonomy(),
        windows=(),
        tenure=Tenure(kept, clock, "test"),
        clock=clock,
        notifier=told,
        time_zone="Asia/Tokyo",
        history_days=60,
        valid_for=timedelta(hours=24),
        code_version="test",
    )
    cycle.pull(house, market.today)
    return Rig(house, platform, told)


def test_a_proposal_is_told_with_how_to_look_at_it() -> None:
    it = rig()
    record = it.proposed()
    ((title, body),) = it.told.messages
    assert record.recommendation.rec_id in title
    assert f"outlay show {record.recommendation.rec_id}" in body


def test_pulling_twice_changes_nothing() -> None:
    it = rig()
    (again,) = cycle.pull(it.house, it.today)
    assert (again.rows.new, again.rows.restated) == (0, 0)
    assert again.rows.unchanged == again.rows.rows > 0


def test_planning_writes_to_no_platform() -> None:
    it = rig()
    before = it.live()
    it.proposed()
    assert it.live() == before
    assert it.platform.effects == []


def test_an_approved_plan_is_written_once_cuts_first_and_verified() -> None:
    it = rig()
    cap = sum(it.platform.amounts())
    record = it.approved()
    applied = writing.apply(it.house, record.recommendation.rec_id)
    assert applied.state is State.APPLIED
    assert it.live() == it.targets(record)
    assert len(it.platform.effects) == len(set(it.platform.effects))
    assert max(it.platform.sums) <= cap
    it.house.clock.sleep(600)
    assert writing.verify(it.house, record.recommendation.rec_id).state is State.VERIFIED


def test_nothing_is_written_without_an_approval() -> None:
    it = rig()
    record = it.proposed()
    with pytest.raises(Refused, match="only one that is approved"):
        writing.apply(it.house, record.recommendation.rec_id)
    assert it.platform.effects == []


def test_an_answer_lost_after_the_effect_is_found_by_reading_back() -> None:
    it = rig(lambda c: faults.TimesOutAfterCommit(c, faults.always))
    record = it.approved()
    assert writing.apply(it.house, record.recommendation.rec_id).state is State.APPLIED
    assert it.live() == it.targets(record)
    assert len(it.platform.effects) == len(set(it.platform.effects))


def test_an_answer_lost_before_the_effect_is_sent_again_after_a_wait() -> None:
    it = rig(lambda c: faults.TimesOutBeforeCommit(c, faults.on_calls(1, 3)))
    record = it.approved()
    began = it.house.clock.now()
    assert writing.apply(it.house, record.recommendation.rec_id).state is State.APPLIED
    assert it.live() == it.targets(record)
    assert it.house.clock.now() - began >= approval.RESEND_AFTER


def test_throttled_reads_and_writes_are_waited_out() -> None:
    it = rig(lambda c: faults.Throttled(c, faults.on_calls(1, 5, 7, 8, 11)))
    record = it.approved()
    assert writing.apply(it.house, record.recommendation.rec_id).state is State.APPLIED
    assert it.live() == it.targets(record)
    assert len(it.platform.effects) == len(set(it.platform.effects))


@dataclass
class Busy:
    """A connector whose writes are throttled until the platform is well again."""

    inner: Connector
    well: bool = False

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def set_budget(self, change: BudgetChange) -> Receipt:
        if not self.well:
            raise RetryLater("busy", retry_after_seconds=30)
        return self.inner.set_budget(change)


def test_writes_that_are_throttled_for_long_stay_planned_and_are_taken_up_later() -> None:
    it = rig(Busy)
    record = it.approved()
    name = record.recommendation.rec_id
    assert writing.apply(it.house, name).state is State.APPLYING
    assert it.platform.effects == []
    it.house.connectors["simulated"].well = True
    assert writing.apply(it.house, name).state is State.APPLIED
    assert it.live() == it.targets(record)


def test_a_refused_cut_keeps_the_raise_that_it_would_have_paid_for_unsent() -> None:
    it = rig(lambda c: faults.Refuses(c, faults.on_calls(1)))
    cap = sum(it.platform.amounts())
    record = it.approved()
    failed = writing.apply(it.house, record.recommendation.rec_id)
    assert failed.state is State.FAILED
    assert IntentState.REFUSED in it.states(record)
    assert sum(it.platform.amounts()) <= cap
    assert writing.apply(it.house, record.recommendation.rec_id).state is State.APPLIED, "a second apply retries"
    assert it.live() == it.targets(record)


def test_a_person_who_edits_in_between_is_never_overwritten() -> None:
    it = rig(lambda c: faults.EditedBehind(c, faults.on_calls(1)))
    record = it.approved()
    failed = writing.apply(it.house, record.recommendation.rec_id)
    assert failed.state is State.FAILED
    assert IntentState.DRIFT in it.states(record)
    drifted = [key for key, amount in it.live().items() if amount != it.targets(record)[key]]
    assert drifted


def test_a_person_who_edits_before_apply_ends_the_approval() -> None:
    it = rig()
    record = it.approved()
    budget = it.platform.inner.budgets()[0]
    it.platform.inner.edit(budget.budget_id, budget.amount + Money.of(100, "JPY"))
    with pytest.raises(Refused, match="Somebody changed"):
        writing.apply(it.house, record.recommendation.rec_id)
    assert it.house.store.record(record.recommendation.rec_id).state not in {State.APPROVED, State.APPLYING}
    assert it.platform.effects == []


@pytest.mark.parametrize(
    ("goals", "words"),
    [
        (Goals("JPY", pins=(Pin(Scope.parse("all"), "ada", "audit"),)), "pinned by ada: audit"),
        (Goals("JPY", largest_step=0.01), "the largest step is 1%"),
        (Goals("JPY", total=Money.of(51_000, "JPY")), "above its ceiling of 51,000 JPY"),
        (Goals("JPY", total=Money.of(55_000, "JPY"), limits=(SOCIAL,)), "at most 30% of the total"),
    ],
)
def test_limits_that_were_tightened_after_the_approval_stop_the_write(goals: Goals, words: str) -> None:
    it = rig()
    it.house = replace(it.house, goals=Goals("JPY", total=Money.of(55_000, "JPY")))
    record = it.approved()
    it.house = replace(it.house, goals=goals)
    with pytest.raises(Refused, match=words):
        writing.apply(it.house, record.recommendation.rec_id)
    assert it.platform.effects == []
    assert it.house.store.record(record.recommendation.rec_id).state is State.APPROVED


class Killed(BaseException):
    """Stands for the process ending here and now."""


@dataclass
class Dying:
    """A connector under which the process dies at the n-th set, before or after the effect."""

    inner: Connector
    at: int
    after: bool
    calls: int = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def set_budget(self, change: BudgetChange) -> Receipt:
        self.calls += 1
        if self.calls == self.at and not self.after:
            raise Killed
        receipt = self.inner.set_budget(change)
        if self.calls == self.at:
            raise Killed
        return receipt


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_died_in_the_middle_of_a_write_is_taken_up_without_a_second_effect(at: int, after: bool) -> None:
    it = rig(lambda c: Dying(c, at, after))
    cap = sum(it.platform.amounts())
    record = it.approved()
    name = record.recommendation.rec_id
    try:
        writing.apply(it.house, name)
    except Killed:
        assert it.house.store.record(name).state is State.APPLYING
        assert writing.apply(it.house, name).state is State.APPLIED
    assert it.live() == it.targets(record)
    assert len(it.platform.effects) == len(set(it.platform.effects))
    assert max(it.platform.sums, default=0) <= cap


PINNED = Goals("JPY", pins=(Pin(Scope.parse("all"), "ada", "audit"),))


def test_a_run_that_is_taken_up_writes_nothing_that_the_limits_of_now_forbid() -> None:
    it = rig(lambda c: Dying(c, 2, after=False))
    record = it.approved()
    name = record.recommendation.rec_id
    with pytest.raises(Killed):
        writing.apply(it.house, name)
    assert len(it.platform.effects) == 1
    it.house.clock.sleep(120)
    it.house = replace(it.house, goals=PINNED)
    assert writing.apply(it.house, name).state is State.FAILED
    assert len(it.platform.effects) == 1
    ended = [i for i in it.house.store.intents(name, 1) if i.state is IntentState.CANCELLED]
    assert ended
    assert all("pinned by ada: audit" in intent.note for intent in ended)


def test_a_write_under_way_is_settled_when_the_rest_is_cancelled() -> None:
    it = rig(lambda c: Dying(c, 1, after=True))
    name = it.approved().recommendation.rec_id
    with pytest.raises(Killed):
        writing.apply(it.house, name)
    it.platform.inner.edit(it.house.store.intents(name, 1)[0].key.budget_id, it.house.store.intents(name, 1)[0].base)
    it.house = replace(it.house, goals=PINNED)
    assert writing.apply(it.house, name).state is State.FAILED
    written, *others = it.house.store.intents(name, 1)
    assert written.state is IntentState.DRIFT, "the platform's history tells that it took effect and was undone"
    assert {other.state for other in others} == {IntentState.CANCELLED}
    assert len(it.platform.effects) == 1


def test_every_step_of_every_write_is_told_in_the_history() -> None:
    it = rig(lambda c: faults.TimesOutBeforeCommit(c, faults.on_calls(1)))
    record = it.approved()
    name = record.recommendation.rec_id
    writing.apply(it.house, name)
    writing.verify(it.house, name)
    told = [event for event in it.house.store.events(name) if event.action.startswith("write-")]
    first = it.house.store.intents(name, 1)[0]
    mine = [event.action for event in told if f"{first.key}: {first.base} -> {first.target}; " in event.detail]
    assert mine == [
        "write-sent", "write-unanswered", "write-postponed", "write-sent", "write-acknowledged", "write-verified",
    ]  # fmt: skip
    assert {event.actor for event in told} == {"outlay"}
    assert all(event.at.tzinfo is not None for event in told)


@dataclass
class Hiding:
    """A connector that can be told to hide a budget, as when somebody removed it on the platform."""

    inner: Connector
    hidden: str = ""

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def budgets(self) -> Sequence[BudgetTarget]:
        return tuple(budget for budget in self.inner.budgets() if budget.budget_id != self.hidden)


def test_a_budget_that_left_the_platform_keeps_no_later_plan_from_being_written() -> None:
    it = rig(Hiding)
    gone = min(it.live())
    it.house.connectors["simulated"].hidden = gone
    it.house.clock.sleep(60)
    cycle.pull(it.house, it.today)
    record = it.approved()
    assert gone not in it.targets(record)
    assert writing.apply(it.house, record.recommendation.rec_id).state is State.APPLIED


def test_a_plan_for_tomorrow_is_not_begun_today() -> None:
    it = rig()
    record = cycle.plan(it.house, it.today + timedelta(days=1), seed=1).recommendation
    cycle.settle(it.house, record.rec_id, approval.Approve("ada", record.plan_hash))
    with pytest.raises(Refused, match="Begin it on that day"):
        writing.apply(it.house, record.rec_id)
    assert it.house.store.record(record.rec_id).state is State.APPROVED
    it.house.clock.sleep(20 * 3600)
    assert writing.apply(it.house, record.rec_id).state is State.APPLIED


def test_a_drifted_line_keeps_the_others_from_no_second_try() -> None:
    it = rig(lambda c: faults.Refuses(c, faults.on_calls(1)))
    proposal = it.proposed().recommendation
    amounts = {line.key: line.current for line in proposal.decision.lines}
    drifted, refused, raised = sorted(amounts)  # the largest cut is written first: of the others one is refused
    cuts = {drifted: amounts[drifted] - Money.of(3000, "JPY"), refused: amounts[refused] - Money.of(2000, "JPY")}
    edited = cycle.edit(it.house, proposal.rec_id, cuts | {raised: amounts[raised] + YEN_4000}, "ada").recommendation
    record = cycle.settle(it.house, edited.rec_id, approval.Approve("ada", edited.plan_hash))
    name = edited.rec_id
    begun = approval.begin(record, cycle.live_budgets(it.house), it.house.clock.now(), open_intents=())
    it.house.store.commit((begun,))
    halved = Money.of(8_000, "JPY")
    it.platform.inner.edit(drifted.budget_id, halved)  # a person, meanwhile
    assert writing.apply(it.house, name).state is State.FAILED
    assert {IntentState.DRIFT, IntentState.REFUSED} <= it.states(record)
    assert writing.apply(it.house, name).state is State.FAILED, "the drifted line stays as it is"
    assert it.live() == it.targets(record) | {drifted.budget_id: halved}


def test_a_refused_cut_pays_for_no_raise_under_a_limit_that_was_tightened_since() -> None:
    it = rig(lambda c: faults.Refuses(c, faults.on_calls(1)))
    it.house = replace(it.house, goals=Goals("JPY", total=Money.of(55_000, "JPY")))
    lines = it.proposed().recommendation
    amounts = {line.key: line.current for line in lines.decision.lines}
    cut, kept, raised = sorted(amounts)
    fixed = {cut: amounts[cut] - Money.of(3000, "JPY"), kept: amounts[kept], raised: amounts[raised] + YEN_4000}
    record = cycle.edit(it.house, lines.rec_id, fixed, "ada").recommendation
    cycle.settle(it.house, record.rec_id, approval.Approve("ada", record.plan_hash))
    present = sum(it.platform.amounts())
    it.house = replace(it.house, goals=Goals("JPY", total=Money(present, "JPY") + Money.of(1000, "JPY")))
    assert writing.apply(it.house, record.rec_id).state is State.FAILED
    assert sum(it.platform.amounts()) == present, "the raise alone would have fitted the old total only"
    assert writing.apply(it.house, record.rec_id).state is State.APPLIED
    assert sum(it.platform.amounts()) == present + Money.of(1000, "JPY").micros


def test_a_plan_that_is_held_supersedes_nothing() -> None:
    it = rig()
    record = it.approved()
    it.house = replace(it.house, goals=PINNED)
    assert cycle.plan(it.house, it.today, seed=2).state is State.HELD
    assert it.house.store.record(record.recommendation.rec_id).state is State.APPROVED
    it.house = replace(it.house, goals=Goals("JPY"))
    it.house.clock.sleep(1)
    assert cycle.plan(it.house, it.today, seed=3).state is State.PROPOSED
    assert it.house.store.record(record.recommendation.rec_id).state is State.SUPERSEDED


def test_a_person_plans_in_place_of_the_approvals_that_stood_then_and_of_no_later_one() -> None:
    it = rig()
    record = it.approved()

    def approving[J, R](do: Callable[[J], R], job: J) -> R:
        newest = it.house.store.records(limit=1)[0].recommendation
        cycle.settle(it.house, newest.rec_id, approval.Approve("bob", newest.plan_hash))
        return do(job)

    it.house.clock.sleep(1)
    second = cycle.plan(it.house, it.today, seed=2)
    assert second.state is State.PROPOSED
    assert it.house.store.record(record.recommendation.rec_id).state is State.SUPERSEDED
    it.house.clock.sleep(1)
    with pytest.raises(ApprovalStands, match="waits to be written"):
        cycle.plan(replace(it.house, call=approving), it.today, seed=3)
    assert it.house.store.record(second.recommendation.rec_id).state is State.APPROVED


def test_a_second_edit_keeps_the_first_and_starts_from_the_live_budgets() -> None:
    it = rig()
    record = it.proposed().recommendation
    first, second, *_ = record.decision.lines
    one = Money.of(round(first.current.micros / 1e6 * 0.9), "JPY")
    other = Money.of(round(second.current.micros / 1e6 * 0.95), "JPY")
    cycle.edit(it.house, record.rec_id, {first.key: one}, "ada")
    left = next(line for line in record.decision.lines if line.key not in (first.key, second.key))
    it.platform.inner.edit(left.key.budget_id, left.current + Money.of(100, "JPY"))
    edited = cycle.edit(it.house, record.rec_id, {second.key: other}, "bob").recommendation
    lines = {line.key: line for line in edited.decision.lines}
    assert (lines[first.key].proposed, lines[second.key].proposed) == (one, other)
    assert dict(edited.fixed) == {first.key: one, second.key: other}
    assert lines[left.key].current == left.current + Money.of(100, "JPY")
    changed = cycle.edit(it.house, record.rec_id, {first.key: first.current}, "ada").recommendation
    assert dict(changed.fixed) == {first.key: first.current, second.key: other}


def test_who_edited_an_earlier_revision_is_not_the_second_of_two_people() -> None:
    it = rig()
    it.house = replace(it.house, policy=approval.Policy(Money(0, "JPY")))
    record = it.proposed().recommendation
    first, second, *_ = record.decision.lines
    cycle.edit(it.house, record.rec_id, {first.key: Money.of(round(first.current.micros / 1e6 * 0.9), "JPY")}, "ann")
    edited = cycle.edit(it.house, record.rec_id, {}, "bob", keep=[second.key]).recommendation
    cycle.settle(it.house, record.rec_id, approval.Approve("bob", edited.plan_hash))
    with pytest.raises(Refused) as refused:
        cycle.settle(it.house, record.rec_id, approval.Approve("ann", edited.plan_hash))
    assert refused.value.refusal.code is approval.Code.SAME_PERSON
    assert cycle.settle(it.house, record.rec_id, approval.Approve("cay", edited.plan_hash)).state is State.APPROVED


class Mortal(MemoryStore):
    """A store whose process dies right after the next commit, once told to."""

    dying = False

    def commit(self, transitions: Sequence[Transition], epoch: int | None = None) -> None:
        super().commit(transitions, epoch)
        if self.dying:
            self.dying = False
            raise Killed


def test_a_rollback_and_its_parent_are_closed_in_one_transaction() -> None:
    store = Mortal()
    it = rig(store=store)
    name = it.approved().recommendation.rec_id
    writing.apply(it.house, name)
    writing.verify(it.house, name)
    child = writing.rollback(it.house, name, "ada").recommendation
    cycle.settle(it.house, child.rec_id, approval.Approve("ada", child.plan_hash))
    writing.apply(it.house, child.rec_id)
    store.dying = True
    with pytest.raises(Killed):
        writing.verify(it.house, child.rec_id)
    assert (store.record(child.rec_id).state, store.record(name).state) == (State.VERIFIED, State.ROLLED_BACK)


def test_only_what_may_yet_be_written_is_rehearsed() -> None:
    it = rig()
    record = it.proposed().recommendation
    assert all(row.problem == "" for row in writing.rehearse(it.house, record.rec_id))
    held = cycle.plan(replace(it.house, goals=PINNED), it.today).recommendation
    with pytest.raises(Refused, match="is held; only what may yet be written"):
        writing.rehearse(it.house, held.rec_id)
    it.house.clock.sleep(25 * 3600)
    with pytest.raises(Refused, match="was valid until"):
        writing.rehearse(it.house, record.rec_id)
    cycle.settle(it.house, record.rec_id, approval.Reject("ada", "no"))
    with pytest.raises(Refused, match="is rejected"):
        writing.rehearse(it.house, record.rec_id)
    assert it.platform.effects == []


def test_a_connector_that_was_renamed_is_told_with_its_mend() -> None:
    it = rig()
    name = it.approved().recommendation.rec_id
    renamed = replace(it.house, connectors={"other": it.house.connectors["simulated"]})
    words = r"connector 'simulated', which the settings do not name.*Write \[connectors\.simulated\]"
    for act in (writing.rehearse, writing.apply):
        with pytest.raises(Refused, match=words):
            act(renamed, name)
    assert writing.apply(it.house, name).state is State.APPLIED
    for act in (writing.verify, lambda house, rec_id: writing.rollback(house, rec_id, "ada")):
        with pytest.raises(Refused, match=words):
            act(renamed, name)
    assert writing.verify(it.house, name).state is State.VERIFIED


def test_a_database_address_is_refused_without_its_password(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[store]\nurl = "mysql://me:hidden@localhost/outlay"\n', encoding="utf-8")
    with pytest.raises(StoreError, match="names no SQLite file") as caught, open_house(config):
        pass
    assert "hidden" not in str(caught.value)


def test_a_stale_reading_of_the_budgets_never_leads_to_a_second_effect() -> None:
    rng = np.random.default_rng(3)
    it = rig(lambda c: faults.StaleBudgets(c, faults.with_chance(0.4, rng)))
    record = it.approved()
    cap = sum(it.platform.amounts())
    writing.apply(it.house, record.recommendation.rec_id)
    assert len(it.platform.effects) == len(set(it.platform.effects))
    assert max(it.platform.sums, default=0) <= cap


def test_a_rollback_restores_to_the_micro_and_marks_the_parent() -> None:
    it = rig()
    before = it.live()
    record = it.approved()
    name = record.recommendation.rec_id
    writing.apply(it.house, name)
    writing.verify(it.house, name)
    child = writing.rollback(it.house, name, "ada").recommendation
    cycle.settle(it.house, child.rec_id, approval.Approve("ada", child.plan_hash))
    writing.apply(it.house, child.rec_id)
    assert writing.verify(it.house, child.rec_id).state is State.VERIFIED
    assert it.live() == before
    assert it.house.store.record(name).state is State.ROLLED_BACK


def test_what_nobody_approved_in_time_expires() -> None:
    it = rig()
    record = it.proposed()
    it.house.clock.sleep(25 * 3600)
    (expired,) = cycle.expire(it.house)
    assert expired.state is State.EXPIRED
    assert cycle.expire(it.house) == ()
    late = approval.Approve("ada", record.recommendation.plan_hash)
    with pytest.raises(Refused):
        cycle.settle(it.house, record.recommendation.rec_id, late)


def test_of_two_verdicts_on_one_proposal_one_wins() -> None:
    it = rig()
    record = it.proposed()
    now = it.house.clock.now()
    yes = approval.judge(record, approval.Approve("ada", record.recommendation.plan_hash), now, it.house.policy)
    no = approval.judge(record, approval.Reject("bob", "no"), now, it.house.policy)
    it.house.store.commit((yes,))
    with pytest.raises(StateConflict):
        it.house.store.commit((no,))


def test_a_lost_answer_is_never_taken_for_a_refusal() -> None:
    class Mute:
        def __init__(self, inner: Connector) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def set_budget(self, change: BudgetChange) -> Receipt:
            raise OutcomeUnknown("no answer")

        def budgets(self) -> Sequence[BudgetTarget]:
            return self.inner.budgets()

    it = rig(Mute)
    record = it.approved()
    left = writing.apply(it.house, record.recommendation.rec_id)
    assert left.state is State.APPLYING
    assert IntentState.SENDING in it.states(record) or IntentState.PLANNED in it.states(record)


def test_a_rollback_is_not_edited() -> None:
    it = rig()
    name = it.approved().recommendation.rec_id
    writing.apply(it.house, name)
    writing.verify(it.house, name)
    child = writing.rollback(it.house, name, "ada").recommendation
    with pytest.raises(Refused, match="restores what stood before"):
        cycle.edit(it.house, child.rec_id, {}, "ada", keep=[child.decision.lines[0].key])


def test_to_keep_a_budget_is_to_keep_what_it_is_now() -> None:
    it = rig()
    record = it.proposed()
    live = it.platform.inner.budgets()[0]
    it.platform.inner.edit(live.budget_id, live.amount + Money.of(100, "JPY"))
    edited = cycle.edit(it.house, record.recommendation.rec_id, {}, "ada", keep=[live.key])
    line = next(line for line in edited.recommendation.decision.lines if line.key == live.key)
    assert line.proposed == line.current == live.amount + Money.of(100, "JPY")


def _known(it: Rig) -> Panel:
    query = SnapshotQuery(it.house.clock.now(), it.today, 60, "JPY", it.house.time_zone)
    return it.house.store.snapshot(query).panel


def _same(one: Panel, other: Panel) -> bool:
    names = ("spend", "conversions", "value", "impressions", "clicks")
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in names)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda c: faults.PartialPull(c, faults.on_calls(1, 2), rows=20),
        lambda c: faults.OutOfOrder(c, faults.always, np.random.default_rng(6), repeated=0.5),
        lambda c: faults.OutOfOrder(
            faults.PartialPull(c, faults.on_calls(2), rows=5), faults.always, np.random.default_rng(6)
        ),
    ],
)
def test_a_reading_in_pieces_or_in_any_order_is_taken_in_whole_and_once(
    wrap: Callable[[Connector], Connector],
) -> None:
    it, other = rig(wrap), rig()
    assert _same(_known(it), _known(other))
    (again,) = cycle.pull(it.house, it.today)
    assert (again.rows.new, again.rows.restated) == (0, 0)


def test_a_reading_of_yesterday_is_made_good_by_the_next() -> None:
    it, other = rig(lambda c: faults.StaleRows(c, faults.on_calls(2))), rig()
    for day in range(2):
        for one in (it, other):
            one.platform.inner.advance()
            one.house.clock.at = one.platform.inner.now
            cycle.pull(one.house, one.today)
        assert _same(_known(it), _known(other)) is (day == 1)


def test_a_platform_that_stores_less_than_was_asked_is_left_as_it_is() -> None:
    it = rig(lambda c: faults.PartialSet(c, faults.always, 7_000_000_000))
    before = it.live()
    record = it.approved()
    assert writing.apply(it.house, record.recommendation.rec_id).state is State.FAILED
    assert IntentState.DRIFT in it.states(record)
    stored = {key: amount.quantize(7_000_000_000, "down") for key, amount in it.targets(record).items()}
    changed = {key for key, amount in it.live().items() if amount != before[key]}
    assert changed
    assert {it.live()[key] == stored[key] for key in changed} == {True}
    assert len(it.platform.effects) == len(set(it.platform.effects)) == len(changed)
    assert max(it.platform.sums) <= sum(amount.micros for amount in before.values())


def test_an_expired_token_asks_the_marketer_and_the_rest_is_written_once_it_is_renewed() -> None:
    gates: list[faults.TokenExpired] = []

    def gate(inner: Connector) -> Connector:
        gates.append(faults.TokenExpired(inner, faults.on_calls(9)))
        return gates[0]

    it = rig(gate)
    record = it.approved()
    name = record.recommendation.rec_id
    with pytest.raises(AskMarketer, match="expired"):
        writing.apply(it.house, name)
    gates[0].renew()
    assert writing.apply(it.house, name).state is State.APPLIED
    assert it.live() == it.targets(record)
    assert len(it.platform.effects) == len(set(it.platform.effects))
