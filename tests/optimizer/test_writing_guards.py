"""Nothing is sent while paused, outside of the windows, or by a process that does not lead."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.contract import BudgetChange, Receipt, zone
from connectors.errors import AskMarketer, ConnectorError, Drifted, OutcomeUnknown, RetryLater, Stop
from connectors.money import Money
from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent.cycle import Refused
from optimizer.agent.tenure import Tenure
from optimizer.goals import Goals, Pin, Scope
from optimizer.plan.office import Brake
from optimizer.plan.record import IntentState, State
from optimizer.ports import Fenced
from tests.optimizer.test_cycle import Rig, rig


def approved(it: Rig) -> str:
    return it.approved().recommendation.rec_id


def two_cuts(it: Rig) -> str:
    """Approve a plan of which the second write need not wait for the first."""
    plan = it.proposed().recommendation
    now = {line.key: line.current for line in plan.decision.lines}
    cuts = sorted(now)[:2]
    fixed = now | {key: now[key] - Money.of(2000 + 1000 * k, "JPY") for k, key in enumerate(cuts)}
    edited = cycle.edit(it.house, plan.rec_id, fixed, "ada").recommendation
    cycle.settle(it.house, edited.rec_id, approval.Approve("ada", edited.plan_hash))
    return edited.rec_id


def throw(it: Rig, *, on: bool) -> None:
    it.house.store.throw_brake(Brake(on, it.house.clock.now(), "mia", "checkout is down"))


def refusal(it: Rig, name: str) -> approval.Refusal:
    with pytest.raises(Refused) as refused:
        writing.apply(it.house, name)
    return refused.value.refusal


def test_a_pause_whose_time_has_passed_is_over_for_who_writes_by_hand_and_not_before() -> None:
    it = rig()
    name = approved(it)
    now = it.house.clock.now()
    it.house.store.throw_brake(Brake(True, now, "mia", "sale", now + timedelta(hours=1)))
    it.house.clock.sleep(3599)
    assert refusal(it, name).code is approval.Code.PAUSED
    it.house.clock.sleep(1)
    assert all(row.problem == "" for row in writing.rehearse(it.house, name))
    assert it.house.store.brake().on
    assert writing.apply(it.house, name).state is State.APPLIED
    assert [brake.on for brake in it.house.store.brakes()] == [True, False]


def test_a_pause_keeps_an_approval_from_being_begun() -> None:
    it = rig()
    name = approved(it)
    throw(it, on=True)
    found = refusal(it, name)
    assert found.code is approval.Code.PAUSED
    assert "by mia: checkout is down" in found.message
    assert it.platform.effects == []
    assert it.house.store.record(name).state is State.APPROVED
    throw(it, on=False)
    assert writing.apply(it.house, name).state is State.APPLIED


def test_a_pause_that_outlasts_the_approval_ends_what_was_begun_and_sends_nothing_more() -> None:
    it = rig()
    name = approved(it)
    inner = it.platform.set_budget

    def pause_after(change: BudgetChange) -> Receipt:
        receipt = inner(change)
        throw(it, on=True)
        return receipt

    it.platform.set_budget = pause_after  # type: ignore[method-assign]
    assert refusal(it, name).code is approval.Code.PAUSED
    it.house.clock.sleep(it.house.valid_for.total_seconds() + 1)
    assert writing.apply(it.house, name).state is State.FAILED
    first, *others = it.house.store.intents(name, 1)
    assert first.state is IntentState.ACKNOWLEDGED
    assert {intent.state for intent in others} == {IntentState.CANCELLED}
    assert all("was valid until" in intent.note for intent in others)
    assert len(it.platform.effects) == 1
    assert it.house.store.open_intents() == ()
    assert it.proposed().state is State.PROPOSED


def test_a_pause_in_the_middle_stops_the_next_write_and_the_rest_goes_on_after_it() -> None:
    it = rig()
    name = approved(it)
    inner = it.platform.set_budget

    def pause_after(change: BudgetChange) -> Receipt:
        receipt = inner(change)
        throw(it, on=True)
        return receipt

    it.platform.set_budget = pause_after  # type: ignore[method-assign]
    assert refusal(it, name).code is approval.Code.PAUSED
    assert len(it.platform.effects) == 1
    assert it.house.store.record(name).state is State.APPLYING
    it.platform.set_budget = inner  # type: ignore[method-assign]
    throw(it, on=False)
    assert writing.apply(it.house, name).state is State.APPLIED
    assert len(it.platform.effects) == len(set(it.platform.effects)) == len(it.house.store.intents(name, 1))


def test_a_pause_between_the_commit_and_the_call_stops_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    it = rig()
    name = approved(it)
    confirm = Tenure.confirm

    def pause_first(tenure: Tenure) -> None:
        throw(it, on=True)
        confirm(tenure)

    with monkeypatch.context() as patched:
        patched.setattr(Tenure, "confirm", pause_first)
        assert refusal(it, name).code is approval.Code.PAUSED
    assert it.platform.effects == []
    states = {intent.state for intent in it.house.store.intents(name, 1)}
    assert states == {IntentState.PLANNED}, "it is planned again, since no call was made"
    throw(it, on=False)
    assert writing.apply(it.house, name).state is State.APPLIED


def test_without_the_last_look_the_call_would_have_been_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above: take the guard away and the write goes out while paused."""
    it = rig()
    name = approved(it)
    monkeypatch.setattr(Tenure, "confirm", lambda _tenure: throw(it, on=True))
    with pytest.raises(Refused):
        writing.apply(it.house, name)
    assert len(it.platform.effects) == 1


def test_outside_of_the_windows_nothing_is_begun() -> None:
    it = rig()
    name = approved(it)
    shut = (it.house.clock.now() + timedelta(hours=9 + 2)).strftime("%H:00-%H:30")  # two hours from now in Tokyo
    house = replace(it.house, windows=(approval.Window.parse(shut),))
    with pytest.raises(Refused) as refused:
        writing.apply(house, name)
    assert refused.value.refusal.code is approval.Code.WINDOW
    assert it.platform.effects == []


def test_once_the_window_has_shut_what_is_under_way_is_settled_and_nothing_else_is_sent() -> None:
    it = rig()
    name = two_cuts(it)
    local = it.house.clock.now().astimezone(zone(it.house.time_zone))
    opens, shuts = (f"{local + timedelta(minutes=step):%H:%M}" for step in (0, 2))
    house = replace(it.house, windows=(approval.Window.parse(f"{opens}-{shuts}"),))
    inner, calls = it.platform.set_budget, []

    def lost(change: BudgetChange) -> Receipt:
        calls.append(change.key)
        it.house.clock.sleep(180)
        raise OutcomeUnknown("no answer")

    it.platform.set_budget = lost  # type: ignore[method-assign]
    with pytest.raises(Refused) as refused:
        writing.apply(house, name)
    assert refused.value.refusal.code is approval.Code.WINDOW
    assert len(calls) == 1, "the other write waits for the window"
    assert {intent.state for intent in it.house.store.intents(name, 2)} == {IntentState.PLANNED}
    it.platform.set_budget = inner  # type: ignore[method-assign]
    assert writing.apply(it.house, name).state is State.APPLIED


def test_where_another_process_leads_nothing_is_written() -> None:
    it = rig()
    name = approved(it)
    other = Tenure(it.house.store, it.house.clock, "host b, process 7")
    assert other.take()
    found = refusal(it, name)
    assert found.code is approval.Code.NOT_LEADING
    assert "host b, process 7 leads" in found.message
    other.leave()
    assert writing.apply(it.house, name).state is State.APPLIED
    assert it.house.tenure.epoch is None, "it leads for one act only"


def test_a_leader_that_was_overtaken_makes_nothing_ready_to_send() -> None:
    it = rig()
    name = approved(it)
    assert it.house.tenure.take()
    it.house.clock.sleep(91)
    assert Tenure(it.house.store, it.house.clock, "host b").take()
    with pytest.raises(Fenced):
        writing.apply(it.house, name)
    assert it.platform.effects == []
    assert it.house.store.record(name).state is State.APPROVED, "it begins nothing either"


def test_a_leader_that_was_overtaken_while_it_decided_proposes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    it = rig()
    assert it.house.tenure.take()
    decide = cycle.asked

    def slowly(*given: Any) -> Any:
        it.house.clock.sleep(91)
        assert Tenure(it.house.store, it.house.clock, "host b").take()
        return decide(*given)

    monkeypatch.setattr(cycle, "asked", slowly)
    with pytest.raises(Fenced, match="host b leads in epoch 2"):
        cycle.propose(it.house, it.today, seed=1)
    assert it.house.store.records() == ()


def test_a_process_that_is_leaving_begins_no_further_write() -> None:
    it = rig()
    name = approved(it)
    it.house.tenure.leaving = True
    assert writing.apply(it.house, name).state is State.APPLYING
    assert it.platform.effects == []
    it.house.tenure.leaving = False
    assert writing.apply(it.house, name).state is State.APPLIED


def test_a_plan_counts_as_moved_by_when_it_was_written_not_by_when_it_was_made() -> None:
    it = rig()
    name = approved(it)

    def counted() -> list[str]:
        lately = cycle.moved_lately(it.house, it.house.clock.now())
        return [record.recommendation.rec_id for record in lately]

    assert counted() == [name], "it may yet be written"
    it.house.clock.sleep(10 * 3600)
    assert writing.apply(it.house, name).state is State.APPLIED
    it.house.clock.sleep(20 * 3600)
    assert counted() == [name], "made 30 hours ago, written 20 hours ago"
    it.house.clock.sleep(4 * 3600)
    assert counted() == [], "a daily run does not count as the one before it"


@pytest.mark.parametrize(
    ("goals", "words"),
    [
        (Goals("JPY", largest_step=0.001), "it may be "),
        (Goals("JPY", pins=(Pin(Scope.parse("all"), "ada", "audit"),)), "pinned by ada: audit"),
    ],
)
def test_what_a_defect_lets_through_is_refused_right_before_the_call(
    goals: Goals, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = rig()
    name = approved(it)
    it.house = replace(it.house, goals=goals)
    monkeypatch.setattr(approval, "recheck", lambda *_: ())
    assert writing.apply(it.house, name).state is State.FAILED
    refused = [i for i in it.house.store.intents(name, 1) if i.state is IntentState.REFUSED]
    assert refused
    assert all(words in intent.note for intent in refused)
    assert it.platform.effects == []


@dataclass
class Judging:
    """What a platform that judges first was asked, and what it says to that."""

    it: Rig
    says: ConnectorError | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        market, wrapped = self.it.platform.inner, self.it.platform
        market.capabilities = replace(market.capabilities, validates=True)
        inner = wrapped.set_budget

        def judged(change: BudgetChange) -> None:
            self.calls.append(("check", change.idempotency_key))
            if self.says is not None:
                raise self.says
            market.check_budget(change)

        def noted(change: BudgetChange) -> Receipt:
            self.calls.append(("set", change.idempotency_key))
            return inner(change)

        wrapped.check_budget = judged  # type: ignore[attr-defined]
        wrapped.set_budget = noted  # type: ignore[method-assign]


def test_a_platform_that_can_judge_is_asked_once_before_the_first_call_of_each_write() -> None:
    it = rig()
    name, platform = approved(it), Judging(it)
    assert writing.apply(it.house, name).state is State.APPLIED
    keys = [intent.idempotency_key for intent in it.house.store.intents(name, 1)]
    assert platform.calls == [(what, key) for key in keys for what in ("check", "set")]


@pytest.mark.parametrize("says", [Stop("below the minimum"), AskMarketer("no billing", mend="pay")])
def test_what_the_platform_does_not_take_is_refused_without_a_call(says: ConnectorError) -> None:
    it = rig()
    name, platform = approved(it), Judging(it, says)
    assert writing.apply(it.house, name).state is State.FAILED
    intents = it.house.store.intents(name, 1)
    assert {(intent.state, intent.attempts) for intent in intents} <= {
        (IntentState.REFUSED, 0),
        (IntentState.CANCELLED, 0),
    }
    assert str(says) in intents[0].note
    assert [what for what, _ in platform.calls] == ["check"] * len(platform.calls)
    assert it.platform.effects == []
    platform.says = None
    assert writing.apply(it.house, name).state is State.APPLIED


def test_an_edit_that_the_platform_tells_while_it_judges_is_drift_and_no_call_is_made() -> None:
    it = rig()
    name, platform = approved(it), Judging(it)
    first = min(it.house.store.record(name).recommendation.decision.lines, key=lambda line: line.proposed.micros)
    platform.says = Drifted("edited", expected_micros=first.current.micros, live_micros=first.current.micros + 1)
    assert writing.apply(it.house, name).state is State.FAILED
    assert IntentState.DRIFT in {intent.state for intent in it.house.store.intents(name, 1)}
    assert it.platform.effects == []


@pytest.mark.parametrize("says", [RetryLater("throttled", retry_after_seconds=1), OutcomeUnknown("no answer")])
def test_a_judgement_that_is_lost_is_asked_for_again_and_nothing_is_under_way(says: ConnectorError) -> None:
    it = rig()
    name, platform = approved(it), Judging(it, says)
    with pytest.raises(type(says)):
        writing.apply(it.house, name)
    assert {(i.state, i.attempts) for i in it.house.store.intents(name, 1)} == {(IntentState.PLANNED, 0)}
    assert it.platform.effects == []
    platform.says = None
    assert writing.apply(it.house, name).state is State.APPLIED
    assert len(it.platform.effects) == len(set(it.platform.effects)) == len(it.house.store.intents(name, 1))


def test_a_platform_that_judges_nothing_is_not_asked() -> None:
    it = rig()
    name, platform = approved(it), Judging(it, Stop("never asked"))
    it.platform.inner.capabilities = replace(it.platform.inner.capabilities, validates=False)
    assert writing.apply(it.house, name).state is State.APPLIED
    assert {what for what, _ in platform.calls} == {"set"}
