"""What goes wrong on platforms, wrapped around one that works; wrappers compose."""

from datetime import date
from fractions import Fraction

import numpy as np
import pytest

from connectors.contract import BudgetChange, Connector
from connectors.errors import Drifted, OutcomeUnknown, RetryLater, Stop
from connectors.money import Money
from simulations.connector import SimulatedConnector
from simulations.faults import (
    EditedBehind,
    Refuses,
    StaleBudgets,
    Throttled,
    TimesOutAfterCommit,
    TimesOutBeforeCommit,
    always,
    on_calls,
    with_chance,
)
from simulations.scenarios import SCENARIOS

START = date(2025, 3, 3)
WRAPPERS = (TimesOutBeforeCommit, TimesOutAfterCommit, Throttled, Refuses, EditedBehind, StaleBudgets)


@pytest.fixture
def platform():
    return SimulatedConnector(SCENARIOS["tiny-yen"], seed=1, start=START)


def _change(platform, amount=7_000, key="k"):
    live = platform.budgets()[0]
    return BudgetChange(key, live.key, live.amount, Money.of(amount, "JPY"))


def _live(platform):
    return platform.budgets()[0].amount


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_that_spoils_nothing_is_not_noticed(platform, wrapper):
    wrapped = wrapper(platform, on_calls())
    assert isinstance(wrapped, Connector)
    assert (wrapped.name, wrapped.capabilities) == (platform.name, platform.capabilities)
    assert wrapped.accounts() == platform.accounts()
    assert list(wrapped.entities()) == list(platform.entities())
    assert list(wrapped.pull(START, platform.today)) == list(platform.pull(START, platform.today))
    assert wrapped.budgets() == platform.budgets()
    change = _change(platform)
    wrapped.check_budget(change)
    assert wrapped.set_budget(change).amount == _live(platform) == change.target
    wrapped.close()


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


def test_throttling_turns_every_kind_of_call_away(platform):
    wrapped = Throttled(platform, always, retry_after_seconds=30.0)
    change = _change(platform)
    calls = (
        wrapped.accounts,
        wrapped.entities,
        lambda: wrapped.pull(START, START),
        wrapped.budgets,
        lambda: wrapped.check_budget(change),
        lambda: wrapped.set_budget(change),
    )
    for call in calls:
        with pytest.raises(RetryLater) as caught:
            call()
        assert caught.value.retry_after_seconds == 30.0
    assert platform.world.state.edits == ()


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


def test_a_stale_reading_is_the_one_before(platform):
    wrapped = StaleBudgets(platform, on_calls(1, 3))
    old = wrapped.budgets()
    assert old == platform.budgets()
    assert wrapped.budgets() == old
    platform.set_budget(_change(platform))
    assert wrapped.budgets() == old
    assert wrapped.budgets() == platform.budgets()


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


def test_chance_is_seeded():
    one, other = (with_chance(0.3, np.random.default_rng(4)) for _ in range(2))
    first = [one(n) for n in range(1, 1001)]
    assert first == [other(n) for n in range(1, 1001)]
    assert abs(sum(first) - 300) < 5.5 * (1000 * 0.3 * 0.7) ** 0.5
    with pytest.raises(ValueError, match="probability"):
        with_chance(1.2, np.random.default_rng(4))
