"""Accounts that are not what they were, times that cannot be, clocks apart: no proposal, the reason, and the mend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import (
    Account,
    AdState,
    BudgetChange,
    BudgetTarget,
    Connector,
    Entity,
    PerformanceRow,
    Receipt,
)
from connectors.errors import Stop
from connectors.money import Money
from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cycle import Refused
from optimizer.approval import Code
from optimizer.plan.doubts import CHANGED, FUTURE, GONE, RECEIPT, SKEW, TWICE
from optimizer.plan.office import Brake
from optimizer.plan.recommendation import Severity
from optimizer.plan.record import IntentState, Record, State
from optimizer.ports import ClockWentBack, StoreError
from simulations.platform.connector import SimulatedConnector
from tests.optimizer.test_cycle import Rig, rig
from tests.optimizer.test_daemon_desk import Office

HOUR = timedelta(hours=1)
SECOND = "b1003"  # the budget of which `parted` makes an account of its own


@dataclass
class Odd:
    """A connector that may tell odd things."""

    inner: Connector
    currency: str = "JPY"
    zone: str = "Asia/Tokyo"
    parted: bool = False
    hidden: bool = False
    twice: bool = False
    shift: timedelta = timedelta(0)
    late: timedelta = timedelta(0)
    ahead: float | None = None
    rewritten: dict[date, float] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def ahead_seconds(self) -> float | None:
        return self.ahead

    def accounts(self) -> Sequence[Account]:
        (account,) = self.inner.accounts()
        listed = [self._as_told(account)]
        if self.parted and not self.hidden:
            listed.append(replace(account, account_id="second"))
        return listed * 2 if self.twice else listed

    def budgets(self) -> Sequence[BudgetTarget]:
        return [
            replace(b, account=self._owner(b.account, b.budget_id), amount=replace(b.amount, currency=self.currency),
                    minimum=None)
            for b in self.inner.budgets() if not self._lost(b.budget_id)
        ]  # fmt: skip

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        for row in self.inner.pull(since, until):
            budget = f"b{row.series.campaign_id.removeprefix('c')}"
            if self._lost(budget):
                continue
            series = replace(row.series, account=self._owner(row.series.account, budget))
            spend = round(row.spend_micros * self.rewritten.get(row.day, 1.0))
            at = row.fetched_at + self.late
            yield replace(row, series=series, day=row.day + self.shift, spend_micros=spend, fetched_at=at)

    def set_budget(self, change: BudgetChange) -> Receipt:
        receipt = self.inner.set_budget(change)
        return replace(receipt, acknowledged_at=receipt.acknowledged_at + self.late)

    def _owner(self, account: Account, budget: str) -> Account:
        return replace(account, account_id="second") if self.parted and budget == SECOND else self._as_told(account)

    def _as_told(self, account: Account) -> Account:
        return replace(account, currency=self.currency, time_zone=self.zone)

    def _lost(self, budget: str) -> bool:
        return self.parted and self.hidden and budget == SECOND


def odd_rig(**more: Any) -> tuple[Rig, Odd]:
    made: list[Odd] = []

    def wrap(inner: Connector) -> Connector:
        made.append(Odd(inner, **more))
        return made[0]

    return rig(wrap), made[0]


def codes(it: Rig) -> set[str]:
    return {doubt.code for doubt in it.house.store.doubts(it.house.clock.now())}


def planned(it: Rig, seed: int = 1) -> Record:
    cycle.pull(it.house, it.today)
    return cycle.propose(it.house, it.today, seed=seed)


def told(record: Record, code: str) -> str:
    finding = next(f for f in record.recommendation.decision.findings if f.code == code)
    assert finding.severity is not Severity.INFO
    assert finding.mend
    return finding.message


def next_morning(it: Rig, days: int = 1) -> None:
    it.platform.inner.advance(days)
    it.house.clock.sleep((it.platform.inner.now - it.house.clock.now()).total_seconds())


def facts(it: Rig) -> list[list[float]]:
    return cycle.snapshot(it.house, it.today).panel.spend.tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"currency": "EUR"}, "currency was JPY and is EUR now"),
        ({"zone": "UTC"}, "time zone was Asia/Tokyo and is UTC"),
    ],
)
def test_an_account_with_another_currency_or_zone_is_frozen_and_its_history_stays(
    change: dict[str, str], words: str
) -> None:
    it, odd = odd_rig()
    name, before = it.approved().recommendation.rec_id, facts(it)
    for key, value in change.items():
        setattr(odd, key, value)
    with pytest.raises(StoreError, match="does not fit any more: set"):
        writing.apply(it.house, name)  # seen at the write, before any reading
    record = planned(it)
    assert record.state is State.HELD
    assert words in told(record, CHANGED)
    assert str(facts(it)) == str(before), "nothing of it was taken in"
    assert len(record.recommendation.decision.lines) == 3, "and its budgets stand as they were read"
    with pytest.raises(Refused) as refused:
        writing.apply(it.house, name)
    assert refused.value.refusal.code is Code.DOUBTFUL
    assert it.house.store.record(name).state is State.APPROVED, "the approval is not lost"
    assert it.platform.effects == []
    odd.currency, odd.zone = "JPY", "Asia/Tokyo"
    cycle.pull(it.house, it.today)
    assert codes(it) == set()
    assert writing.apply(it.house, name).state is State.APPLIED


def test_another_account_of_the_connector_goes_on_while_one_is_frozen() -> None:
    it, odd = odd_rig(parted=True)
    odd.zone = "UTC"  # of the first account alone
    next_morning(it)
    record = planned(it)
    newest = cycle.snapshot(it.house, it.today).panel.spend[:, -1]
    assert [spend == spend for spend in newest] == [True, False, False]
    assert told(record, CHANGED).startswith("simulated/tiny-yen-4: ")


def test_an_account_that_is_lost_stops_no_other_and_makes_no_drift() -> None:
    it, odd = odd_rig(parted=True)
    record = planned(it)
    keys = {line.key.budget_id: line for line in record.recommendation.decision.lines}
    others = [line for name, line in keys.items() if name != SECOND]
    fixed = {line.key: line.current for line in keys.values()} | {
        others[0].key: others[0].current - Money.of(2000, "JPY")
    }
    edited = cycle.edit(it.house, record.recommendation.rec_id, fixed, "ada").recommendation
    cycle.settle(it.house, edited.rec_id, approval.Approve("ada", edited.plan_hash))
    odd.hidden = True
    cycle.pull(it.house, it.today)
    assert codes(it) == {GONE}
    assert SECOND in {key.budget_id for key in cycle.live_budgets(it.house)}
    assert writing.apply(it.house, edited.rec_id).state is State.APPLIED
    odd.hidden, odd.zone = False, "UTC"  # and now the first account is not what it was
    cycle.pull(it.house, it.today)
    assert writing.verify(it.house, edited.rec_id).state is State.APPLIED, "nobody knows yet"
    odd.zone = "Asia/Tokyo"
    cycle.pull(it.house, it.today)
    assert writing.verify(it.house, edited.rec_id).state is State.VERIFIED


def test_an_account_that_is_told_of_no_more_keeps_its_budgets_for_a_week() -> None:
    it, odd = odd_rig(parted=True)
    odd.hidden = True
    record = planned(it)
    lines = {line.key.budget_id: line for line in record.recommendation.decision.lines}
    assert len(lines) == 3, "its money counts on"
    assert lines[SECOND].current == lines[SECOND].proposed
    assert told(record, GONE).startswith("simulated/second: ")
    next_morning(it, 6)
    assert SECOND in {line.key.budget_id for line in planned(it).recommendation.decision.lines}
    next_morning(it, 2)
    late = planned(it).recommendation.decision
    assert SECOND not in {line.key.budget_id for line in late.lines}
    assert GONE not in {finding.code for finding in late.findings}
    for _ in range(2):
        next_morning(it)
        planned(it)
        assert codes(it) == set(), "it is closed, and nothing is told of it for ever"


def test_an_account_that_is_told_of_twice_moves_nothing() -> None:
    it, odd = odd_rig()
    odd.twice = True
    record = planned(it)
    assert record.state is State.HELD
    assert "more than once" in told(record, TWICE)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"shift": timedelta(days=40)}, "days that have not begun"), ({"late": 2 * HOUR}, "a time that has not come yet")],
)
def test_rows_of_times_to_come_are_left_out_and_their_account_is_held(change: dict[str, Any], words: str) -> None:
    it, odd = odd_rig()
    before = facts(it)
    next_morning(it)
    for key, value in change.items():
        setattr(odd, key, value)
    record = planned(it)
    assert record.state is State.HELD
    assert words in told(record, FUTURE)
    assert str([row[:-1] for row in facts(it)]) == str([row[1:] for row in before])
    odd.shift = odd.late = timedelta(0)
    assert planned(it).state is State.PROPOSED
    assert codes(it) == set()


def test_rows_that_are_read_long_after_the_reading_began_are_no_rows_to_come() -> None:
    it, odd = odd_rig()
    next_morning(it)
    inner = odd.pull

    def slowly(since: date, until: date) -> Iterator[PerformanceRow]:
        for row in inner(since, until):
            it.house.clock.sleep(20)
            yield replace(row, fetched_at=it.house.clock.now())

    odd.pull = slowly  # type: ignore[method-assign]
    began = it.house.clock.now()
    (report,) = cycle.pull(it.house, it.today)
    assert it.house.clock.now() - began > timedelta(seconds=600)
    assert report.rows.rows == (it.house.clock.now() - began) / timedelta(seconds=20), "none was left out"
    assert codes(it) == set()


def test_a_reading_that_breaks_off_ends_no_doubt_about_rows() -> None:
    it, odd = odd_rig(late=2 * HOUR)
    cycle.pull(it.house, it.today)
    odd.late = timedelta(0)
    inner = odd.pull

    def broken(since: date, until: date) -> Iterator[PerformanceRow]:
        yield next(inner(since, until))
        assert codes(it) == {FUTURE}, "a plan that is made meanwhile finds it"
        raise Stop("suspended")

    odd.pull = broken  # type: ignore[method-assign]
    with pytest.raises(Stop):
        cycle.pull(it.house, it.today)
    assert codes(it) == {FUTURE}
    odd.pull = inner  # type: ignore[method-assign]
    cycle.pull(it.house, it.today)
    assert codes(it) == set()


def test_a_platform_whose_clock_differs_blocks_the_plan() -> None:
    it, odd = odd_rig()
    for ahead, says in ((301.0, "ahead of"), (-301.0, "behind")):
        odd.ahead = ahead
        record = planned(it)
        assert record.state is State.HELD
        assert says in told(record, SKEW)
    odd.ahead = 299.0
    assert planned(it).state is State.PROPOSED


def test_a_receipt_of_a_time_to_come_is_noted_and_blocks_plans_for_two_days() -> None:
    it, odd = odd_rig()
    name = it.approved().recommendation.rec_id
    odd.late = HOUR
    after = writing.apply(it.house, name)
    states = [intent.state for intent in it.house.store.intents(name, 1)]
    assert states[0] is IntentState.ACKNOWLEDGED, "what was written stands"
    assert set(states[1:]) == {IntentState.CANCELLED}, "and the rest is left"
    assert (after.state, len(it.platform.effects)) == (State.FAILED, 1)
    odd.late = timedelta(0)
    assert "acknowledged at a time that had not come" in told(planned(it), RECEIPT)
    next_morning(it, 3)
    planned(it)
    assert codes(it) == set()


def test_a_clock_that_went_back_stops_everything_until_somebody_says_that_it_is_right() -> None:
    it, _ = odd_rig()
    it.house.clock.sleep(301)  # this machine's clock is ahead of the platform's, and is set right afterwards
    name = it.approved().recommendation.rec_id
    it.house.clock.sleep(-301)
    assert it.house.tenure.take()  # as a daemon does that was started again
    it.house.tenure.leave()
    for act in (
        lambda: cycle.pull(it.house, it.today),
        lambda: cycle.propose(it.house, it.today),
        lambda: writing.apply(it.house, name),
    ):
        with pytest.raises(ClockWentBack, match=r"history was last written.*Mend: set this machine's clock"):
            act()
    assert it.platform.effects == []
    it.house.store.throw_brake(Brake(False, it.house.clock.now(), "mia", "the clock was wrong"))
    assert writing.apply(it.house, name).state is State.APPLIED
    it.house.clock.sleep(-299)
    cycle.pull(it.house, it.today)


def test_a_restatement_is_believed_after_the_time_that_is_set() -> None:
    it, odd = odd_rig()
    next_morning(it)
    odd.rewritten = {it.today - timedelta(days=10): 3.0}
    record = planned(it)
    assert record.state is State.HELD
    assert f"the spend of {it.today - timedelta(days=10)} is told otherwise by" in told(record, "restated-spend")
    next_morning(it)
    assert planned(it).state is State.HELD
    next_morning(it)
    it.house.clock.sleep(60)
    assert planned(it).state is State.PROPOSED, "48 hours later it is the truth"


def test_two_connectors_that_read_one_account_move_nothing() -> None:
    it, odd = odd_rig()

    class Copy(Odd):
        def _as_told(self, account: Account) -> Account:
            return replace(account, connector="again")

        def ads(self) -> Sequence[AdState]:
            return [replace(ad, account=self._as_told(ad.account)) for ad in self.inner.ads()]

        def entities(self) -> Sequence[Entity]:
            return [replace(each, account=self._as_told(each.account)) for each in self.inner.entities()]

    both = replace(it.house, connectors={**it.house.connectors, "again": Copy(odd.inner)})
    cycle.pull(both, it.today)
    record = cycle.propose(both, it.today, seed=1)
    assert record.state is State.HELD
    found = [f for f in record.recommendation.decision.findings if f.code == TWICE]
    assert [f.subject for f in found] == ["again/tiny-yen-4", "simulated/tiny-yen-4"]
    assert "again and simulated read the same account" in found[0].message


def test_the_clock_of_a_platform_is_asked_past_the_breakers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office(tmp_path)
    monkeypatch.setattr(SimulatedConnector, "ahead_seconds", lambda _self: 301.0, raising=False)
    with open_house(office.config, office.clock) as house:
        cycle.pull(house, house.today())
        assert [doubt.code for doubt in house.store.doubts(office.clock.now())] == [SKEW]
    monkeypatch.delattr(SimulatedConnector, "ahead_seconds")
    with open_house(office.config, office.clock) as house:
        cycle.pull(house, house.today())
        assert house.store.doubts(office.clock.now()) == ()
