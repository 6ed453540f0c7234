"""Ads on a simulated platform where all goes wrong that can: at most one effect, never a budget without an ad."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pytest

from connectors.contract import Connector, EntityStatus, StatusChange, StatusReceipt
from connectors.errors import OutcomeUnknown
from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent.clock import SetClock
from optimizer.agent.cycle import House, Refused
from optimizer.agent.store import MemoryStore
from optimizer.agent.tenure import Tenure
from optimizer.goals import Goals, Pin, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan.recommendation import AdLine
from optimizer.plan.record import IntentState, Record, State
from optimizer.rotation import Rotation
from simulations.platform import faults
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import named

ACTIVE, PAUSED = EntityStatus.ACTIVE, EntityStatus.PAUSED
SCENARIO = named("tiny-yen", history_days=60, creatives=(4, 4), audiences=(1, 1))
# Budgets are left alone, so that the only writes are those of ads.
STILL = Guardrails(min_gain_probability=1.0, min_gain_share=1.0, minimum_conversions=0.0, minimum_days=0)


@dataclass
class Watched:
    """A connector that notes every switch that had an effect, and the fewest ads that ever ran of one campaign."""

    inner: SimulatedConnector
    effects: list[str] = field(default_factory=list)
    fewest: int = 99

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        before = self.inner.ads()
        receipt = self.inner.set_status(change)
        if self.inner.ads() != before:
            self.effects.append(change.idempotency_key)
        running = [ad.campaign_id for ad in self.inner.ads() if ad.status is ACTIVE]
        crews = {ad.campaign_id for ad in self.inner.ads()}
        self.fewest = min([self.fewest, *(running.count(campaign) for campaign in crews)])
        return receipt


@dataclass
class Rig:
    house: House
    platform: Watched

    @property
    def market(self) -> SimulatedConnector:
        return self.platform.inner

    def proposed(self) -> Record:
        record = cycle.plan(self.house, self.market.today, seed=1)
        assert record.state is State.PROPOSED
        assert record.recommendation.decision.ads
        return record

    def approved(self) -> Record:
        record = self.proposed().recommendation
        return cycle.settle(self.house, record.rec_id, approval.Approve("ada", record.plan_hash))

    def statuses(self) -> dict[str, EntityStatus]:
        return {ad.ad_id: ad.status for ad in self.market.ads()}

    def states(self, record: Record) -> list[IntentState]:
        return [i.state for i in self.house.store.intents(record.recommendation.rec_id, 1)]

    def sound(self, record: Record) -> None:
        """What must hold however it ended."""
        assert len(self.platform.effects) == len(set(self.platform.effects))
        assert self.platform.fewest >= 2
        written = {i.idempotency_key for i in self.house.store.intents(record.recommendation.rec_id, 1)}
        assert set(self.platform.effects) <= written


def rig(wrap: Callable[[Connector], Connector] = lambda c: c, **changes: object) -> Rig:
    market = SimulatedConnector(SCENARIO, seed=4, start=date(2025, 9, 1))
    platform = Watched(market)
    kept, clock = MemoryStore(), SetClock(market.now)
    house = House(
        name="test",
        store=kept,
        connectors={market.name: wrap(platform)},
        goals=Goals("JPY"),
        guards=STILL,
        policy=approval.Policy(),
        autonomy=approval.Autonomy(),
        windows=(),
        tenure=Tenure(kept, clock, "test"),
        clock=clock,
        notifier=Silent(),
        time_zone="Asia/Tokyo",
        history_days=60,
        valid_for=timedelta(hours=24),
        code_version="test",
    )
    cycle.pull(house, market.today)
    return Rig(replace(house, **changes), platform)


class Silent:
    def tell(self, title: str, body: str, about: str = "", page: str = "") -> None:
        """Nobody listens."""


def lines(record: Record) -> tuple[AdLine, ...]:
    return record.recommendation.decision.ads


def wanted(record: Record) -> dict[str, EntityStatus]:
    return {line.key.ad_id: line.proposed for line in lines(record)}


def test_ads_are_paused_once_verified_and_restored_exactly() -> None:
    it = rig()
    before = it.statuses()
    record = it.approved()
    name = record.recommendation.rec_id
    assert not any(line.changes for line in record.recommendation.decision.lines)
    assert all(row.problem == "" for row in writing.rehearse(it.house, name))
    assert it.statuses() == before
    assert writing.apply(it.house, name).state is State.APPLIED
    assert it.statuses() == before | wanted(record)
    it.house.clock.sleep(600)
    assert writing.verify(it.house, name).state is State.VERIFIED
    child = writing.rollback(it.house, name, "ada").recommendation
    cycle.settle(it.house, child.rec_id, approval.Approve("ada", child.plan_hash))
    assert writing.apply(it.house, child.rec_id).state is State.APPLIED
    assert writing.verify(it.house, child.rec_id).state is State.VERIFIED
    assert it.house.store.record(name).state is State.ROLLED_BACK
    assert it.statuses() == before


@pytest.mark.parametrize(
    ("wrap", "state"),
    [
        (lambda c: faults.TimesOutAfterCommit(c, faults.always), State.APPLIED),
        (lambda c: faults.TimesOutBeforeCommit(c, faults.on_calls(1, 3)), State.APPLIED),
        (lambda c: faults.NotApplied(c, faults.on_calls(1, 2)), State.APPLIED),
        (lambda c: faults.Refuses(c, faults.on_calls(2)), State.FAILED),
        (lambda c: faults.StaleAds(c, faults.on_calls(3, 4, 6)), State.APPLIED),
        (lambda c: faults.Throttled(c, faults.on_calls(2, 8, 9, 12, 14)), State.APPLIED),
        (lambda c: faults.EditedBehind(c, faults.on_calls(1)), State.APPLIED),
    ],
    ids=["lost after", "lost before", "not applied", "refused", "stale", "throttled", "a person did it first"],
)
def test_whatever_the_platform_answers_a_switch_is_made_once(
    wrap: Callable[[Connector], Connector], state: State
) -> None:
    it = rig(wrap)
    before = it.statuses()
    record = it.approved()
    name = record.recommendation.rec_id
    assert writing.apply(it.house, name).state is state
    assert len(it.platform.effects) == len(set(it.platform.effects))
    assert it.platform.fewest >= 2
    if state is State.FAILED:
        assert writing.apply(it.house, name).state is State.APPLIED, "a second apply retries"
    assert it.statuses() == before | wanted(record)


class Killed(BaseException):
    """Stands for the process ending here and now."""


@dataclass
class Dying:
    """A connector under which the process dies at the n-th switch, before or after the effect."""

    inner: Connector
    at: int
    after: bool
    calls: int = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        self.calls += 1
        if self.calls == self.at and not self.after:
            raise Killed
        receipt = self.inner.set_status(change)
        if self.calls == self.at:
            raise Killed
        return receipt


@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_died_in_a_switch_is_taken_up_without_a_second_effect(at: int, after: bool) -> None:
    it = rig(lambda c: Dying(c, at, after))
    before = it.statuses()
    record = it.approved()
    with pytest.raises(Killed):
        writing.apply(it.house, record.recommendation.rec_id)
    assert writing.apply(it.house, record.recommendation.rec_id).state is State.APPLIED
    assert it.statuses() == before | wanted(record)
    it.sound(record)


def test_a_pause_that_a_person_undid_after_a_lost_answer_is_left_alone() -> None:
    class Undone:
        """After the effect the answer is lost, and somebody resumes the ad at once."""

        def __init__(self, inner: Watched) -> None:
            self.inner, self.times = inner, 0

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def set_status(self, change: StatusChange) -> StatusReceipt:
            receipt = self.inner.set_status(change)
            self.times += 1
            if self.times > 1:
                return receipt
            self.inner.inner.switch(change.key.ad_id, change.expected)
            raise OutcomeUnknown("no answer")

    it = rig(Undone)  # type: ignore[arg-type]
    before = it.statuses()
    record = it.approved()
    assert writing.apply(it.house, record.recommendation.rec_id).state is State.FAILED
    drifted = [i for i in it.house.store.intents(record.recommendation.rec_id, 1) if i.state is IntentState.DRIFT]
    assert len(drifted) == 1
    assert it.statuses()[drifted[0].key.ad_id] is before[drifted[0].key.ad_id]
    it.sound(record)


def test_an_ad_that_a_person_switched_ends_the_approval() -> None:
    it = rig()
    record = it.approved()
    it.market.switch(lines(record)[0].key.ad_id, PAUSED)
    with pytest.raises(Refused, match="Somebody changed ads"):
        writing.apply(it.house, record.recommendation.rec_id)
    assert it.house.store.record(record.recommendation.rec_id).state is State.EXPIRED
    assert it.platform.effects == []


def test_if_people_paused_the_ads_beside_nothing_is_begun() -> None:
    it = rig()
    record = it.approved()
    chosen = lines(record)[0]
    crew = [ad for ad in it.market.ads() if ad.campaign_id == chosen.target.budget_id.removeprefix("b")]
    for ad in crew:
        if ad.ad_id not in wanted(record):
            it.market.switch(ad.ad_id, PAUSED)
    with pytest.raises(Refused, match="of the ads of its budget would run"):
        writing.apply(it.house, record.recommendation.rec_id)
    assert it.platform.effects == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"goals": Goals("JPY", pins=(Pin(Scope.parse("all"), "ada", "audit"),))}, "pinned by ada: audit"),
        ({"rotation": Rotation(max_changes=0)}, "ads.max_changes is 0"),
    ],
)
def test_what_was_forbidden_since_the_approval_stops_the_write(change: dict[str, object], words: str) -> None:
    it = rig()
    record = it.approved()
    with pytest.raises(Refused, match=words):
        writing.apply(replace(it.house, **change), record.recommendation.rec_id)
    assert it.platform.effects == []


def test_a_pin_that_comes_midway_cancels_the_rest() -> None:
    it = rig(lambda c: Dying(c, 1, after=True))
    record = it.approved()
    with pytest.raises(Killed):
        writing.apply(it.house, record.recommendation.rec_id)
    pinned = Goals("JPY", pins=(Pin(Scope.parse(f"ad:{lines(record)[1].key.ad_id}"), "ada", "audit"),))
    assert writing.apply(replace(it.house, goals=pinned), record.recommendation.rec_id).state is State.FAILED
    assert len(it.platform.effects) == 1
    assert IntentState.CANCELLED in it.states(record)


def test_a_switched_ad_rests_and_a_person_s_pause_is_not_undone() -> None:
    it = rig()
    record = it.approved()
    writing.apply(it.house, record.recommendation.rec_id)
    it.market.advance()
    it.house.clock.at = it.market.now
    cycle.pull(it.house, it.market.today)
    again = cycle.plan(it.house, it.market.today, seed=2)
    assert not set(wanted(again)) & set(wanted(record))
    seen = cycle.snapshot(it.house, it.market.today)
    assert {switch.key.ad_id for switch in seen.switches} == set(wanted(record))
    assert {ad.ad_id: ad.status for ad in seen.ads} == it.statuses()


def test_a_free_place_is_filled_with_an_ad_that_we_paused() -> None:
    it = rig()
    record = it.approved()
    writing.apply(it.house, record.recommendation.rec_id)
    budget = lines(record)[0].target
    it.market.advance(4)
    it.house.clock.at = it.market.now
    challenger = next(
        ad.ad_id
        for ad in it.market.ads()
        if f"b{ad.campaign_id}" == budget.budget_id and ad.status is ACTIVE and ad.ad_id not in wanted(record)
    )
    it.market.switch(challenger, PAUSED)
    cycle.pull(it.house, it.market.today)
    again = it.approved()
    (resumed,) = [line for line in lines(again) if line.target == budget]
    assert (resumed.proposed, resumed.key.ad_id in wanted(record)) == (ACTIVE, True)
    assert writing.apply(it.house, again.recommendation.rec_id).state is State.APPLIED
    assert it.statuses()[resumed.key.ad_id] is ACTIVE
    assert it.statuses()[challenger] is PAUSED


def test_a_connector_that_cannot_switch_ads_is_not_asked_for_them() -> None:
    class Reads:
        def __init__(self, inner: Watched) -> None:
            self.inner = inner
            self.capabilities = replace(inner.inner.capabilities, writes_status=False)

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def ads(self) -> None:
            raise AssertionError("it was asked")

    it = rig(Reads)  # type: ignore[arg-type]
    assert cycle.plan(it.house, it.market.today, seed=1).recommendation.decision.ads == ()


def test_a_notice_says_how_many_ads_wait() -> None:
    told: list[str] = []

    class Noted:
        def tell(self, title: str, body: str, about: str = "", page: str = "") -> None:
            told.append(body)

    it = rig()
    it.house = replace(it.house, notifier=Noted())
    record = it.proposed()
    assert told[0].startswith(f"{len(lines(record))} ads, +0.00 conversions a day expected, +")
    assert " by ads; outlay show " in told[0]
