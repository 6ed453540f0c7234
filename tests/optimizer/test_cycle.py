"""The cycle on a platform where everything goes wrong that can: at most one effect, never over the cap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np
import pytest

from connectors.contract import BudgetChange, BudgetTarget, Connector, Receipt
from connectors.errors import OutcomeUnknown, RetryLater
from connectors.money import Money
from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent.clock import SetClock
from optimizer.agent.cycle import House, Refused
from optimizer.agent.store import MemoryStore
from optimizer.goals import Goals, Pin, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan.recommendation import IntentState, Record, State
from optimizer.ports import StateConflict
from simulations import faults
from simulations.connector import SimulatedConnector
from simulations.scenarios import named

EAGER = Guardrails(min_gain_probability=0.0, min_gain_share=0.0, minimum_conversions=0.0, minimum_days=0)


@dataclass
class Told:
    """A notifier that remembers."""

    messages: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, title: str, body: str) -> None:
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


def rig(wrap: Callable[[Connector], Connector] = lambda c: c) -> Rig:
    scenario = named("tiny-yen", history_days=30)
    market = SimulatedConnector(scenario, seed=4, start=date(2025, 9, 1))
    platform, told = Watched(market), Told()
    house = House(
        name="test",
        store=MemoryStore(),
        connectors={market.name: wrap(platform)},
        goals=Goals("JPY"),
        guards=EAGER,
        policy=approval.Policy(),
        clock=SetClock(market.now),
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
    ],
)
def test_limits_that_were_tightened_after_the_approval_stop_the_write(goals: Goals, words: str) -> None:
    it = rig()
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
