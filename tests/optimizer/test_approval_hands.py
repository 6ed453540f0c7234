"""Who changed what, by the platform's own history: named in messages, and never written over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.changes import Change, reported
from connectors.contract import BudgetChange, EntityStatus, Receipt
from connectors.errors import OutcomeUnknown, RetryLater
from connectors.money import Money
from optimizer import approval
from optimizer.agent import writing
from optimizer.agent.cycle import Refused
from optimizer.plan.record import IntentState, State
from simulations.platform import faults
from tests.optimizer.approval_world import NOW, ad_key, approved, as_planned, begun, decision, key, live, usd
from tests.optimizer.test_cycle import Rig, rig

PLAN = decision({"a": (100, 80), "b": (100, 120)})


def hand(name: str, before: float, after: float, stamp: str = "") -> Change:
    return Change(key(name), NOW, "mia@shop", usd(before), usd(after), stamp)


def test_a_drift_names_who_made_the_last_change() -> None:
    told = (hand("a", 100, 90), hand("a", 90, 95), hand("b", 100, 1))
    outcome = approval.begin(approved(PLAN), live({"a": 95, "b": 100}), NOW, open_intents=(), changes=told)
    assert isinstance(outcome, approval.Refusal)
    assert "last changed by mia@shop, 90.00 USD -> 95.00 USD, 2026-11-23" in outcome.message
    assert outcome.drifts[0].by in outcome.step.event.detail


def test_without_a_history_a_drift_names_nobody() -> None:
    outcome = approval.begin(approved(PLAN), live({"a": 95, "b": 100}), NOW, open_intents=())
    assert "last changed" not in outcome.message
    assert outcome.drifts[0].by == ""


def test_our_own_stamp_shows_that_a_call_landed() -> None:
    intent = begun(approved(PLAN)).intents[0]
    stamped = hand("a", 100, 80, intent.idempotency_key)
    assert approval.landed(intent, (stamped,), NOW + timedelta(days=1))  # whatever its time: a stamp is ours alone
    assert not approval.landed(intent, (replace(stamped, idempotency_key="another"),), NOW)


def test_without_stamps_a_change_to_the_target_since_the_plan_does() -> None:
    """Google and Meta keep no stamps; whoever set the target, somebody has set the base again after it."""
    intent = begun(approved(PLAN)).intents[0]
    assert approval.landed(intent, (hand("a", 100, 80), hand("a", 80, 100)), NOW)
    for other in (hand("a", 100, 81), hand("b", 100, 80), replace(hand("a", 100, 80), at=NOW - timedelta(seconds=1))):
        assert not approval.landed(intent, (other,), NOW)


def test_a_write_that_drifted_says_by_whom_and_another_is_left_as_it_is() -> None:
    intent = begun(approved(PLAN)).intents[0]
    drift = approval.sending(intent, usd(95), NOW)
    assert approval.named(drift, (hand("a", 100, 95),)).note.endswith(
        "last changed by mia@shop, 100.00 USD -> 95.00 USD, 2026-11-23"
    )
    assert approval.named(drift, ()) == drift
    assert approval.named(intent, (hand("a", 100, 95),)) == intent
    assert as_planned(PLAN)[key("a")].amount == intent.base


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": datetime(2026, 1, 1)},  # noqa: DTZ001 - what must be refused
        {"who": ""},
        {"after": EntityStatus.PAUSED},
        {"before": EntityStatus.PAUSED},
        {"key": ad_key("x")},
    ],
)
def test_a_change_that_makes_no_sense_is_not_built(wrong: dict) -> None:
    with pytest.raises(ValueError, match="change"):
        replace(hand("a", 100, 90), **wrong)


def lost_and_undone(it: Rig) -> str:
    """Write the first budget, lose the answer, and let a person restore what stood before."""
    name = it.approved().recommendation.rec_id
    inner, calls = it.platform.set_budget, []

    def lose(change: BudgetChange) -> Receipt:
        calls.append(change)
        inner(change)
        it.platform.inner.edit(change.key.budget_id, change.expected)
        raise OutcomeUnknown("no answer")

    it.platform.set_budget = lose  # type: ignore[method-assign]
    failed = writing.apply(it.house, name)
    assert len(calls) == len(set(calls)), "no call was made twice"
    assert failed.state is State.FAILED
    return name


def test_a_change_of_ours_that_was_undone_is_not_made_again() -> None:
    """The amounts alone look as if it had never been made; the platform must not be the one to notice."""
    it = rig()
    name = lost_and_undone(it)
    states = {intent.state for intent in it.house.store.intents(name, 1)}
    assert IntentState.DRIFT in states
    notes = [intent.note for intent in it.house.store.intents(name, 1) if intent.state is IntentState.DRIFT]
    assert all("last changed by hand" in note for note in notes)
    assert any(event.action == "write-drifted" and "by hand" in event.detail for event in it.house.store.events(name))


def test_a_person_who_edits_before_apply_is_named() -> None:
    it = rig()
    record = it.approved()
    changed = next(line for line in record.recommendation.decision.lines if line.changes)
    it.platform.inner.edit(changed.key.budget_id, changed.current + Money.of(100, "JPY"))
    with pytest.raises(Refused, match="last changed by hand"):
        writing.apply(it.house, record.recommendation.rec_id)


class Untold(faults.Wrapper):
    """A history that cannot be read."""

    def changes(self, since: datetime):
        raise RetryLater(f"no history of {since}", retry_after_seconds=1)


def test_a_drift_is_told_without_a_name_where_the_history_cannot_be_read() -> None:
    it = rig(lambda c: Untold(c, faults.always))
    record = it.approved()
    changed = next(line for line in record.recommendation.decision.lines if line.changes)
    it.platform.inner.edit(changed.key.budget_id, changed.current + Money.of(100, "JPY"))
    with pytest.raises(Refused, match="Somebody changed"):
        writing.apply(it.house, record.recommendation.rec_id)


def test_where_the_history_cannot_be_read_nothing_is_sent_again_on_a_guess() -> None:
    it = rig(lambda c: faults.TimesOutBeforeCommit(Untold(c, faults.always), faults.on_calls(1)))
    record = it.approved()
    with pytest.raises(RetryLater, match="no history"):
        writing.apply(it.house, record.recommendation.rec_id)
    assert it.platform.effects == []


def test_a_platform_without_a_history_tells_nothing() -> None:
    it = rig()
    market = it.platform.inner
    market.edit(market.budgets()[0].budget_id, market.budgets()[0].amount + Money.of(100, "JPY"))
    since = datetime(2025, 1, 1, tzinfo=UTC)
    assert len(list(reported(market, since))) == 1
    market.capabilities = replace(market.capabilities, reports_changes=False)
    assert list(reported(market, since)) == []
