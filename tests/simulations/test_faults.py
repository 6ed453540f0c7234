"""What goes wrong on platforms, wrapped around one that works; wrappers compose."""

import inspect
from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import BudgetChange, Connector, EntityStatus, StatusChange
from connectors.errors import AskMarketer, ConnectorError, Drifted, OutcomeUnknown, RetryLater, Stop
from connectors.money import Money
from simulations.platform import faults
from simulations.platform.connector import SimulatedConnector
from simulations.platform.faults import (
    Delayed,
    EditedBehind,
    NotApplied,
    OutOfOrder,
    PartialPull,
    PartialSet,
    Refuses,
    StaleAds,
    StaleBudgets,
    StaleRows,
    Throttled,
    TimesOutAfterCommit,
    TimesOutBeforeCommit,
    TokenExpired,
    Wrapper,
    always,
    on_calls,
    with_chance,
)
from simulations.scenarios import SCENARIOS

START = date(2025, 3, 3)
YEN_1000 = 1_000_000_000
MEASURES = ("spend_micros", "conversions_micros", "value_micros", "impressions_micros", "clicks_micros")


def _delayed(inner, schedule):
    return Delayed(inner, schedule, sleep=_never_slept, seconds=1.0)


def _never_slept(seconds):
    raise AssertionError(f"slept {seconds} s on a call that takes no time")


FAULTS = {
    "TimesOutBeforeCommit": TimesOutBeforeCommit,
    "TimesOutAfterCommit": TimesOutAfterCommit,
    "Throttled": Throttled,
    "Refuses": Refuses,
    "EditedBehind": EditedBehind,
    "NotApplied": NotApplied,
    "StaleAds": StaleAds,
    "StaleBudgets": StaleBudgets,
    "StaleRows": StaleRows,
    "TokenExpired": TokenExpired,
    "Delayed": _delayed,
    "PartialPull": lambda inner, schedule: PartialPull(inner, schedule, rows=1),
    "PartialSet": lambda inner, schedule: PartialSet(inner, schedule, quantum_micros=YEN_1000),
    "OutOfOrder": lambda inner, schedule: OutOfOrder(inner, schedule, np.random.default_rng(3)),
}
EVERY_FAULT = pytest.mark.parametrize("wrap", FAULTS.values(), ids=FAULTS)
METHODS = {name: method for name, method in vars(Connector).items() if inspect.isfunction(method) and name[0] != "_"}


@pytest.fixture
def platform():
    return SimulatedConnector(SCENARIOS["tiny-yen"], seed=1, start=START)


def _pause(platform, key="p"):
    return StatusChange(key, platform.ads()[0].key, EntityStatus.ACTIVE, EntityStatus.PAUSED)


def _status(platform):
    return platform.ads()[0].status


def _change(platform, amount=7_000, key="k"):
    live = platform.budgets()[0]
    return BudgetChange(key, live.key, live.amount, Money.of(amount, "JPY"))


def _live(platform):
    return platform.budgets()[0].amount


def _pull(connector):
    return connector.pull(START, START + timedelta(100))


def _numbers(rows):
    return {(row.series, row.day): tuple(getattr(row, name) for name in MEASURES) for row in rows}


class _Recorder:
    """A connector that notes each call and answers it with the call itself."""

    name, capabilities = "recorder", "whatever it can"

    def __init__(self):
        self.calls = []

    def __getattr__(self, method):
        def called(*arguments):
            self.calls.append((method, arguments))
            return iter(self.calls)

        return called


def test_the_list_of_faults_here_is_complete():
    offered = {
        name for name in faults.__all__ if inspect.isclass(kind := getattr(faults, name)) and kind is not Wrapper
    }
    assert offered == set(FAULTS)


@EVERY_FAULT
def test_every_call_of_the_contract_is_passed_on_once_with_what_it_says(wrap):
    inner = _Recorder()
    wrapped = wrap(inner, on_calls())
    assert (wrapped.name, wrapped.capabilities) == (inner.name, inner.capabilities)
    assert {"accounts", "entities", "pull", "budgets", "check_budget", "set_budget", "close"} <= set(METHODS)
    change = BudgetChange("k", None, Money.of(1, "JPY"), Money.of(2, "JPY"))
    for name, method in METHODS.items():
        wanted = {"change": change, "since": START, "until": START + timedelta(1)}
        arguments = tuple(wanted[parameter] for parameter in list(inspect.signature(method).parameters)[1:])
        before = len(inner.calls)
        getattr(wrapped, name)(*arguments)
        assert inner.calls[before:] == [(name, arguments)]


@EVERY_FAULT
def test_a_wrapper_that_spoils_nothing_is_not_noticed(platform, wrap):
    wrapped = wrap(platform, on_calls())
    assert isinstance(wrapped, Connector)
    assert (wrapped.name, wrapped.capabilities) == (platform.name, platform.capabilities)
    assert wrapped.accounts() == platform.accounts()
    assert list(wrapped.entities()) == list(platform.entities())
    assert list(_pull(wrapped)) == list(_pull(platform))
    assert wrapped.budgets() == platform.budgets()
    change = _change(platform)
    wrapped.check_budget(change)
    assert wrapped.set_budget(change).amount == _live(platform) == change.target
    assert wrapped.ads() == platform.ads()
    pause = _pause(platform)
    wrapped.check_status(pause)
    assert wrapped.set_status(pause).status is _status(platform) is pause.target
    wrapped.close()


@EVERY_FAULT
def test_closing_never_fails(platform, wrap):
    wrapped = wrap(platform, always)
    wrapped.close()
    wrapped.close()


def test_a_switch_is_lost_refused_or_dropped_as_a_budget_is(platform):
    pause = _pause(platform)
    for fault, error in ((TimesOutBeforeCommit, OutcomeUnknown), (Refuses, Stop)):
        with pytest.raises(error):
            fault(platform, always).set_status(pause)
    dropped = NotApplied(platform, on_calls(1))
    assert dropped.set_status(pause).status is pause.target
    assert _status(platform) is EntityStatus.ACTIVE
    with pytest.raises(OutcomeUnknown):
        TimesOutAfterCommit(platform, always).set_status(pause)
    assert _status(platform) is EntityStatus.PAUSED
    assert len(platform.world.state.switches) == 1


def test_a_budget_that_was_acknowledged_may_not_have_been_set(platform):
    change, before = _change(platform), _live(platform)
    assert NotApplied(platform, always).set_budget(change).amount == change.target
    assert _live(platform) == before


def test_a_person_may_switch_an_ad_just_before_us(platform):
    pause = _pause(platform)
    assert EditedBehind(platform, always).set_status(pause).status is pause.target
    (switch,) = platform.world.state.switches
    assert switch.key.startswith("somebody-else")


def test_a_stale_reading_of_ads_is_the_one_before(platform):
    stale = StaleAds(platform, on_calls(1, 3))
    first = stale.ads()
    platform.set_status(_pause(platform))
    assert stale.ads() == platform.ads()
    platform.switch(first[1].ad_id, EntityStatus.PAUSED)
    assert [ad.status for ad in stale.ads()[:2]] == [EntityStatus.PAUSED, EntityStatus.ACTIVE]


def test_a_timeout_before_the_commit_writes_nothing(platform):
    change, before = _change(platform), _live(platform)
    wrapped = TimesOutBeforeCommit(platform, on_calls(1))
    with pytest.raises(OutcomeUnknown):
        wrapped.set_budget(change)
    assert _live(platform) == before
    assert wrapped.set_budget(change).amount == change.target


def test_a_timeout_after_the_commit_has_written_once(platform):
    change = _change(platform)
    wrapped = TimesOutAfterCommit(platform, on_calls(1))
    with pytest.raises(OutcomeUnknown):
        wrapped.set_budget(change)
    assert _live(platform) == change.target
    assert wrapped.set_budget(change).amount == change.target
    assert len(platform.world.state.edits) == 1


def test_after_a_commit_that_was_refused_nothing_is_unknown(platform):
    change = _change(platform)
    platform.edit("b1001", Money.of(1_234, "JPY"))
    with pytest.raises(Drifted):
        TimesOutAfterCommit(platform, always).set_budget(change)


def _calls(wrapped, change):
    return (
        wrapped.accounts,
        wrapped.entities,
        lambda: _pull(wrapped),
        wrapped.budgets,
        lambda: wrapped.check_budget(change),
        lambda: wrapped.set_budget(change),
    )


def test_throttling_turns_every_kind_of_call_away(platform):
    wrapped = Throttled(platform, always, retry_after_seconds=30.0)
    for call in _calls(wrapped, _change(platform)):
        with pytest.raises(RetryLater) as caught:
            call()
        assert caught.value.retry_after_seconds == 30.0
    assert platform.world.state.edits == ()


def test_every_kind_of_call_can_take_time_and_is_answered_after_it(platform):
    slept = []
    wrapped = Delayed(platform, on_calls(1, 2, 3, 4, 5, 6), slept.append, 2.5)
    for number, call in enumerate(_calls(wrapped, change := _change(platform)), start=1):
        call()
        assert slept == [2.5] * number
    assert _live(platform) == change.target
    wrapped.budgets()
    assert len(slept) == 6
    with pytest.raises(ValueError, match="seconds"):
        Delayed(platform, always, slept.append, -1.0)


def test_what_others_do_while_a_set_is_under_way_comes_first(platform):
    change = _change(platform)
    wrapped = Delayed(platform, always, lambda _: platform.edit("b1001", Money.of(1_234, "JPY")), 1.0)
    with pytest.raises(Drifted):
        wrapped.set_budget(change)
    assert _live(platform) == Money.of(1_234, "JPY")


def test_an_expired_token_stays_so_until_it_is_renewed(platform):
    wrapped = TokenExpired(platform, on_calls(3))
    change = _change(platform)
    wrapped.budgets()
    wrapped.accounts()
    for call in _calls(wrapped, change):
        with pytest.raises(AskMarketer, match=r"expired\. Mend: sign in"):
            call()
    assert platform.world.state.edits == ()
    wrapped.renew()
    assert wrapped.set_budget(change).amount == change.target


def test_a_refusal_is_for_good_and_not_a_drift(platform):
    wrapped = Refuses(platform, on_calls(1))
    change = _change(platform)
    wrapped.check_budget(change)
    with pytest.raises(Stop) as caught:
        wrapped.set_budget(change)
    assert not isinstance(caught.value, Drifted)
    assert platform.world.state.edits == ()


def test_an_edit_behind_ones_back_is_a_drift(platform):
    before = _live(platform)
    wrapped = EditedBehind(platform, on_calls(1), Fraction(1, 3))
    with pytest.raises(Drifted):
        wrapped.set_budget(_change(platform))
    edited = _live(platform)
    assert edited.micros % 1_000_000 == 0
    assert 0 <= edited.micros - before.micros / 3 < 1_000_000


def test_somebody_else_comes_again_after_a_restart_and_keeps_to_the_platforms_minimum(platform):
    for restart in range(2):
        with pytest.raises(Drifted):
            EditedBehind(platform, on_calls(1), Fraction(1, 3)).set_budget(_change(platform, key=f"k{restart}"))
    with pytest.raises(Drifted):
        EditedBehind(platform, on_calls(1), Fraction(0)).set_budget(_change(platform, key="k2"))
    assert _live(platform) == platform.budgets()[0].minimum


def test_part_of_a_set_is_what_the_receipt_and_the_next_reading_tell(platform):
    wrapped = PartialSet(platform, on_calls(1), YEN_1000)
    receipt = wrapped.set_budget(_change(platform, 7_890))
    assert receipt.amount == _live(platform) == wrapped.budgets()[0].amount == Money.of(7_000, "JPY")
    assert wrapped.set_budget(_change(platform, 7_890, key="again")).amount == Money.of(7_890, "JPY")
    with pytest.raises(ValueError, match="quantum"):
        PartialSet(platform, always, 0)


def test_a_set_of_which_nothing_would_remain_is_refused(platform):
    before = _live(platform)
    with pytest.raises(Stop, match="least budget"):
        PartialSet(platform, always, YEN_1000).set_budget(_change(platform, 800))
    assert _live(platform) == before


def test_a_stale_reading_is_the_one_before(platform):
    wrapped = StaleBudgets(platform, on_calls(1, 3))
    old = wrapped.budgets()
    assert old == platform.budgets()
    assert wrapped.budgets() == old
    platform.set_budget(_change(platform))
    assert wrapped.budgets() == old
    assert wrapped.budgets() == platform.budgets()


def test_stale_rows_say_what_the_last_fresh_pull_said_as_if_it_were_of_now(platform):
    wrapped = StaleRows(platform, on_calls(1, 3))
    first = list(_pull(wrapped))
    assert first == list(_pull(platform))
    platform.advance(5)
    fresh = list(_pull(wrapped))
    assert _numbers(fresh) != _numbers(first)
    platform.advance(5)
    stale = list(_pull(wrapped))
    assert _numbers(stale) == _numbers(fresh)
    assert {row.fetched_at for row in stale} == {platform.now}
    assert list(_pull(wrapped)) == list(_pull(platform))


def test_a_pull_that_breaks_off_has_stated_the_first_rows(platform):
    whole = list(_pull(platform))
    wrapped = PartialPull(platform, on_calls(1), rows=7)
    stream = _pull(wrapped)
    assert [next(stream) for _ in range(7)] == whole[:7]
    with pytest.raises(RetryLater, match="broke off"):
        next(stream)
    assert list(_pull(wrapped)) == whole


def test_a_short_answer_breaks_off_before_its_end(platform):
    stream = PartialPull(platform, always, rows=10_000).pull(START, START)
    with pytest.raises(RetryLater):
        list(stream)
    with pytest.raises(ValueError, match="rows"):
        PartialPull(platform, always, rows=-1)


def test_rows_out_of_order_are_the_same_rows_and_some_twice(platform):
    whole = list(_pull(platform))
    wrapped = OutOfOrder(platform, on_calls(1, 2), np.random.default_rng(5), repeated=0.5)
    shuffled = Counter(_pull(wrapped))
    assert set(shuffled) == set(whole)
    assert set(shuffled.values()) == {1, 2}
    once = list(_pull(OutOfOrder(platform, always, np.random.default_rng(5), repeated=0.0)))
    assert once != whole
    assert Counter(once) == Counter(whole)
    assert list(_pull(OutOfOrder(platform, always, np.random.default_rng(5), repeated=1.0))) != whole * 2
    with pytest.raises(ValueError, match="probability"):
        OutOfOrder(platform, always, np.random.default_rng(5), repeated=1.5)


def test_no_rows_can_be_shuffled(platform):
    wrapped = OutOfOrder(platform, always, np.random.default_rng(5), repeated=1.0)
    assert list(wrapped.pull(platform.today, platform.today)) == []


def test_faults_compose_each_with_its_own_calls(platform):
    change = _change(platform)
    wrapped = TimesOutAfterCommit(Throttled(TimesOutBeforeCommit(platform, on_calls(1)), on_calls(1)), on_calls(3))
    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(wrapped.set_budget(change).amount)
        except (RetryLater, OutcomeUnknown) as error:
            outcomes.append((type(error), len(platform.world.state.edits)))
    assert outcomes == [(RetryLater, 0), (OutcomeUnknown, 0), (OutcomeUnknown, 1), change.target]


@pytest.mark.parametrize("order", list(permutations(["Throttled", "TokenExpired", "Refuses"])))
def test_the_outermost_wrapper_meets_a_call_first_and_keeps_it_from_the_others(platform, order):
    errors = {"Throttled": RetryLater, "TokenExpired": AskMarketer, "Refuses": Stop}
    made = {}
    wrapped = platform
    for name in reversed(order):
        wrapped = made[name] = FAULTS[name](wrapped, on_calls(1))
    met = []
    for _ in order:
        with pytest.raises(ConnectorError) as caught:
            wrapped.set_budget(_change(platform))
        met.append(caught.type)
        made["TokenExpired"].renew()
    assert wrapped.set_budget(_change(platform)).amount == _live(platform)
    assert met == [errors[name] for name in order]
    assert len(platform.world.state.edits) == 1


FAILING = st.sampled_from(["TimesOutBeforeCommit", "TimesOutAfterCommit", "Throttled", "StaleBudgets", "StaleRows"])


@given(st.lists(st.tuples(FAILING, st.sets(st.integers(1, 6))), max_size=5))
@settings(max_examples=40)
def test_whatever_fails_a_set_that_is_sent_until_it_is_answered_has_one_effect(stack):
    platform = SimulatedConnector(SCENARIOS["tiny-yen"], seed=1, start=START)
    wrapped = platform
    for name, spoilt in stack:
        wrapped = FAULTS[name](wrapped, on_calls(*spoilt))
    change = _change(platform)
    for _ in range(1 + 6 * len(stack)):
        try:
            receipt = wrapped.set_budget(change)
            break
        except (RetryLater, OutcomeUnknown):
            assert len(platform.world.state.edits) <= 1
    assert receipt.amount == _live(platform) == change.target
    assert len(platform.world.state.edits) == 1


def test_a_fault_of_ones_own_overrides_what_it_spoils(platform):
    class Mute(Wrapper):
        def budgets(self):
            return () if self._spoils() else super().budgets()

    wrapped = Mute(Throttled(platform, on_calls(1)), on_calls(1))
    assert wrapped.budgets() == ()
    with pytest.raises(RetryLater):
        wrapped.budgets()
    assert wrapped.budgets() == platform.budgets()


def test_chance_is_seeded():
    one, other = (with_chance(0.3, np.random.default_rng(4)) for _ in range(2))
    first = [one(n) for n in range(1, 1001)]
    assert first == [other(n) for n in range(1, 1001)]
    assert abs(sum(first) - 300) < 5.5 * (1000 * 0.3 * 0.7) ** 0.5
    with pytest.raises(ValueError, match="probability"):
        with_chance(1.2, np.random.default_rng(4))
