"""The last word before the wire: one write by itself against the written limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.contract import BudgetKind
from connectors.money import Money
from optimizer import approval
from optimizer.approval import barred
from optimizer.goals import Pin, Scope
from optimizer.plan.record import IntentState
from tests.optimizer.approval_world import NOW, ad_line, approved, as_planned, begun, decision, issued, key, usd
from tests.optimizer.test_approval_recheck import FREE, RISE, limit, seen

TIGHT = replace(FREE, largest_step=0.3)
SMALL = decision({"a": (100, 70), "b": (50, 65), "c": (30, 30)})


def told(name, goals=FREE, plan=RISE, live=None, **changes):
    """What is said of the write of one budget."""
    step = begun(approved(plan))
    intent = next(intent for intent in step.intents if intent.key == key(name))
    budgets = as_planned(plan) | (live or {})
    return barred(step.record, replace(intent, **changes), budgets, seen(plan), goals, NOW)


def at(name, amount, **changes):
    return {key(name): replace(as_planned(RISE)[key(name)], amount=usd(amount), **changes)}


def test_what_keeps_every_limit_is_sent():
    for name in "ab":
        assert told(name, replace(TIGHT, total=usd(195)), SMALL) is None
        assert told(name, replace(TIGHT, limits=limit(f"budget:{name}", floor=usd(65), ceiling=usd(70))), SMALL) is None


@pytest.mark.parametrize(
    ("name", "goals", "words"),
    [
        ("b", TIGHT, "from 50.00 USD it may be raised by 30% at most"),
        ("a", TIGHT, "from 100.00 USD it may be cut to 70.00 USD at most"),
        ("b", replace(FREE, limits=limit("budget:b", ceiling=usd(109))), "its ceiling is 109.00 USD"),
        ("b", replace(FREE, limits=limit("channel:search", ceiling=usd(209))), "channel:search would be at 210.00 USD"),
        ("b", replace(FREE, total=usd(339)), "total_per_day would be at 340.00 USD"),
        ("a", replace(FREE, limits=limit("budget:a", floor=usd(61))), "it may not be less than 61.00 USD"),
        ("a", replace(FREE, limits=limit("channel:search", minimum_when_on=usd(61))), "may not be less than 61.00 USD"),
        ("a", replace(FREE, pins=(Pin(Scope.parse("channel:search"), "Ann", "sale"),)), "it is pinned by Ann: sale"),
    ],
)
def test_what_passes_a_limit_is_barred_whatever_was_judged_before(name, goals, words):
    assert words in told(name, goals)


def test_the_step_is_from_the_amount_that_was_just_read_and_not_from_the_plan():
    assert told("b", TIGHT, SMALL) is None
    assert "from 40.00 USD it may be raised" in told("b", TIGHT, SMALL, at("b", 40))
    assert "from 130.00 USD it may be cut" in told("a", TIGHT, SMALL, at("a", 130))


def test_what_is_never_touched_is_barred():
    assert "shared" in told("a", live=at("a", 100, shared=True))
    assert "no daily budget" in told("a", live=at("a", 100, kind=BudgetKind.LIFETIME))
    assert "not among the budgets" in told("a", key=key("z"))
    assert "it is in USD, not in EUR" in told("a", target=Money.of(60, "EUR"))


def test_a_sum_that_was_above_its_ceiling_when_the_plan_was_made_does_not_grow():
    down = decision({"a": (100, 80), "b": (50, 60)})
    goals = replace(FREE, total=usd(120))
    assert "total_per_day would be at 160.00 USD" in told("b", goals, down), "the cut was not made"
    assert told("b", goals, down, at("a", 80)) is None


def test_a_pause_that_is_written_down_goes_beyond_the_step():
    off = decision({"a": (50, 0), "b": (50, 50)})
    on = replace(TIGHT, limits=limit("budget:a", minimum_when_on=usd(40)))
    assert told("a", on, off) is None
    assert "it may be cut to" in told("a", TIGHT, off)
    assert "it may be cut to" in told("a", replace(on, limits=limit("budget:a", minimum_when_on=usd(30))), off)


def test_a_rollback_is_kept_back_by_ceilings_and_pins_only():
    step = begun(approved(RISE))
    back = replace(step.record, recommendation=replace(step.record.recommendation, parent_id="R-1"))

    def of(name, goals):
        intent = next(intent for intent in step.intents if intent.key == key(name))
        return barred(back, intent, as_planned(RISE), seen(), goals, NOW)

    assert of("b", TIGHT) is None
    assert of("a", replace(TIGHT, limits=limit("budget:a", floor=usd(90)))) is None
    assert "its ceiling is 109.00 USD" in of("b", replace(TIGHT, limits=limit("budget:b", ceiling=usd(109))))
    assert "pinned" in of("a", replace(TIGHT, pins=(Pin(Scope.parse("all"), "Ann", "sale"),)))


def test_a_pin_on_an_ad_or_its_budget_bars_the_switch():
    plan = replace(RISE, ads=(ad_line("x", "paused"),))
    record = issued(plan).record
    intent = approval.intents.planned(record.recommendation, plan.ads[0], order=0, now=NOW)
    assert intent.state is IntentState.PLANNED
    for scope in ("ad:x", "budget:a"):
        goals = replace(FREE, pins=(Pin(Scope.parse(scope), "Ann", "sale"),))
        assert "pinned by Ann" in barred(record, intent, as_planned(plan), seen(plan), goals, NOW)
    assert barred(record, intent, as_planned(plan), seen(plan), FREE, NOW) is None
    other = replace(intent, key=replace(intent.key, ad_id="unknown"))
    assert "no ad" in barred(record, other, as_planned(plan), seen(plan), FREE, NOW)
