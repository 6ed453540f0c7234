"""Right before writing: limits, pins and steps as they stand then, whatever they were when the plan was approved."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from connectors.contract import BudgetKind
from optimizer import approval
from optimizer.approval import Blocked, Code, Refusal, Waiting
from optimizer.goals import Goals, Limit, Pin, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan.doubts import CHANGED, FUTURE, SKEW, Doubt
from optimizer.plan.record import IntentState, Record, Transition
from optimizer.plan.snapshot import BudgetMove, Panel, Snapshot, Target
from tests.optimizer.approval_world import (
    DAY,
    NOW,
    approved,
    as_planned,
    begun,
    decision,
    done,
    envelope,
    key,
    live,
    names,
    usd,
)

WIDE = Guardrails(largest_step_24h=9.0)
FREE = Goals("USD", largest_step=9.0)
# Two cuts and two raises: 280 before, 290 after.
RISE = decision({"a": (100, 60), "b": (50, 110), "c": (30, 30), "d": (80, 60), "e": (20, 30)},
                envelope("total", "abcde", ceiling=400))  # fmt: skip
CHANNELS = {"a": "search", "b": "search"}


def seen(plan=RISE, moves=()):
    """Who draws on what: budgets a and b are search, the others social."""
    targets = tuple(
        Target(budget, CHANNELS.get(budget.budget_id, "social"), (), (budget.budget_id,), (budget.name,))
        for _, budget in sorted(as_planned(plan).items())
    )
    blank = np.full((len(targets), 1), np.nan)
    return Snapshot(NOW, plan.as_of, "USD", plan.time_zone, targets, Panel(plan.as_of - DAY, *[blank] * 6), (), None,
                    moves=tuple(moves))  # fmt: skip


def judged(step, goals=FREE, guards=WIDE, intents=None, budgets=None, now=NOW, known=None):
    plan = step.record.recommendation.decision
    return approval.recheck(
        step.record,
        step.intents if intents is None else intents,
        as_planned(plan) if budgets is None else budgets,
        seen(plan) if known is None else known,
        goals,
        guards,
        now,
    )


def refusal(outcome, code, words):
    assert isinstance(outcome, Refusal), outcome
    assert outcome.code is code
    assert words in outcome.message
    assert outcome.mend
    return outcome


def limit(scope, **bounds):
    return (Limit(Scope.parse(scope), **bounds),)


def test_what_still_fits_comes_back_with_the_limits_of_now():
    limits = judged(begun(approved(RISE)), replace(FREE, total=usd(290)))
    assert [(bound.name, bound.ceiling) for bound in limits] == [("total", usd(290).micros)]


@pytest.mark.parametrize(
    ("goals", "words"),
    [
        (replace(FREE, total=usd(285)), "total is at most 285.00 USD a day): 290.00 USD a day would be above"),
        (FREE, "280.00 USD a day"),
        (replace(FREE, total=usd(400), limits=limit("channel:search", ceiling=usd(165))), "165.00 USD"),
        (replace(FREE, total=usd(400), limits=limit("channel:search", share_ceiling=0.4)), "160.00 USD"),
        (
            replace(FREE, total=usd(400), limits=limit("channel:social", floor=usd(125))),
            "below its floor of 125.00 USD",
        ),
    ],
)
def test_a_sum_whose_limit_was_tightened_is_refused(goals, words):
    refusal(judged(begun(approved(RISE)), goals), Code.ENVELOPE, words)


def test_a_base_that_is_above_a_new_limit_may_go_down_but_not_up():
    down = decision({"a": (100, 60), "b": (50, 90)})
    assert not isinstance(judged(begun(approved(down)), replace(FREE, total=usd(100))), Refusal)
    up = decision({"a": (100, 60), "b": (50, 91)})
    refusal(judged(begun(approved(up)), replace(FREE, total=usd(100))), Code.ENVELOPE, "151.00 USD")


@pytest.mark.parametrize(
    ("goals", "guards", "words"),
    [
        (replace(FREE, limits=limit("budget:b", ceiling=usd(109.99))), WIDE, "its ceiling is 109.99 USD"),
        (replace(FREE, limits=limit("budget:a", floor=usd(61))), WIDE, "its floor is 61.00 USD"),
        (replace(FREE, largest_step=0.3), WIDE, "the largest step is 30%"),
        (FREE, Guardrails(largest_step_24h=0.3), "the largest step over 24 hours is 30%"),
        (replace(FREE, pins=(Pin(Scope.parse("budget:d"), "Ann", "sale"),)), WIDE, "pinned by Ann: sale"),
    ],
)
def test_a_line_outside_of_its_room_of_now_is_refused(goals, guards, words):
    goals = replace(goals, total=usd(400))
    refusal(judged(begun(approved(RISE)), goals, guards), Code.NOT_WRITABLE, words)


@pytest.mark.parametrize(("amount", "fits"), [(133.59, True), (133.58, False), (133.6, False)])
def test_a_step_towards_a_ceiling_beyond_it_is_written(amount, fits):
    """190.83 less 30% is 133.581: to the cent, the largest step ends at 133.59."""
    goals = replace(FREE, largest_step=0.3, limits=limit("budget:a", ceiling=usd(100)))
    outcome = judged(begun(approved(decision({"a": (190.83, amount), "b": (50, 50)}))), goals)
    if fits:
        assert not isinstance(outcome, Refusal), outcome
    else:
        refusal(outcome, Code.NOT_WRITABLE, "the largest step is 30%")


PAUSE = decision({"a": (30, 0), "b": (50, 50)})


@pytest.mark.parametrize("guards", [WIDE, Guardrails(largest_step_24h=0.5)])
def test_a_pause_beyond_the_step_is_written_where_a_minimum_when_on_allows_it(guards):
    step, goals = begun(approved(PAUSE)), replace(FREE, largest_step=0.5)
    allowed = replace(goals, limits=limit("budget:a", minimum_when_on=usd(20)))
    assert not isinstance(judged(step, allowed, guards), Refusal)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ((), "the largest step is 50%"),
        (limit("budget:b", minimum_when_on=usd(20)), "the largest step is 50%"),
        # One step leads from 30 to 15: a budget whose minimum lies below comes down by steps first.
        (limit("budget:a", minimum_when_on=usd(10)), "the largest step is 50%"),
        (limit("budget:a", minimum_when_on=usd(20), floor=usd(25)), "its floor is 25.00 USD"),
    ],
)
def test_no_other_pause_beyond_the_step_is_written(limits, words):
    goals = replace(FREE, largest_step=0.5, limits=limits)
    refusal(judged(begun(approved(PAUSE)), goals), Code.NOT_WRITABLE, words)


def test_our_own_earlier_move_counts_towards_the_step_of_a_day():
    moved = seen(moves=[BudgetMove(key("b"), NOW - timedelta(hours=5), usd(70), usd(50))])
    guards = Guardrails(largest_step_24h=1.2, cool_down_hours=0.0)
    goals = replace(FREE, total=usd(400))
    assert not isinstance(judged(begun(approved(RISE)), goals, guards), Refusal)
    assert not isinstance(judged(begun(approved(RISE)), goals, guards, known=moved), Refusal)
    refusal(judged(begun(approved(RISE)), goals, replace(guards, largest_step_24h=0.5), known=moved),
            Code.NOT_WRITABLE, "the largest step over 24 hours is 50%")  # fmt: skip


def test_a_budget_that_was_changed_since_the_plan_was_made_cools_down_at_the_write_too():
    moved = seen(moves=[BudgetMove(key("b"), NOW - timedelta(hours=5), usd(49), usd(50))])
    goals, guards = replace(FREE, total=usd(400)), replace(WIDE, cool_down_hours=6.0)
    refusal(judged(begun(approved(RISE)), goals, guards, known=moved), Code.NOT_WRITABLE, "left alone until")
    assert not isinstance(
        judged(begun(approved(RISE)), goals, replace(guards, cool_down_hours=4.0), known=moved), Refusal
    )
    others = seen(moves=[BudgetMove(key("c"), NOW - timedelta(hours=5), usd(29), usd(30))])
    assert not isinstance(judged(begun(approved(RISE)), goals, guards, known=others), Refusal), "it moves no more"


@pytest.mark.parametrize(
    ("guards", "words"),
    [
        (replace(WIDE, max_changes=3), "4 budgets would have been changed, and max_changes of [guardrails] allows 3"),
        (replace(WIDE, max_changes=4), None),
        (replace(WIDE, max_changes_24h=4), "5 budgets would have been changed, and max_changes_24h"),
        (replace(WIDE, max_changes_24h=5), None),
    ],
)
def test_more_changes_than_are_allowed_by_now_are_refused(guards, words):
    """Four lines of the plan change; another budget was changed two hours ago, a sixth a day and an hour ago."""
    late, early = timedelta(hours=2), timedelta(hours=25)
    moved = seen(moves=[BudgetMove(key(n), NOW - t, usd(29), usd(30)) for n, t in (("f", early), ("c", late))])
    outcome = judged(begun(approved(RISE)), replace(FREE, total=usd(400)), guards, known=moved)
    if words is None:
        assert not isinstance(outcome, Refusal), outcome
    else:
        refusal(outcome, Code.NOT_WRITABLE, words)


@pytest.mark.parametrize(
    ("code", "account", "words"),
    [
        (CHANGED, "acme", "files/acme: its currency changed."),
        (SKEW, "", "files: its currency changed."),
        (FUTURE, "", "files/acme: its currency changed."),
        (CHANGED, "other", None),
    ],
)
def test_nothing_is_written_to_an_account_that_is_in_doubt_by_now(code, account, words):
    step = begun(approved(RISE))
    known = replace(seen(), doubts=(Doubt(code, "files", account, "its currency changed", "Set it back.", NOW),))
    outcome = approval.disbelieved(approval.ahead(step.intents), known)
    if words is None:
        assert outcome is None
    else:
        assert refusal(outcome, Code.DOUBTFUL, words).mend.startswith("Set it back.")
    assert approval.disbelieved((), known) is None, "nothing is left to be written"
    assert approval.disbelieved(approval.ahead(step.intents), seen()) is None


@pytest.mark.parametrize(
    ("planned", "until", "held"),
    [
        (date(2026, 11, 24), date(2026, 11, 23), True),  # planned for the day after the pin, written on its last day
        (date(2026, 11, 21), date(2026, 11, 21), True),
        (date(2026, 11, 23), date(2026, 11, 22), False),
    ],
)
def test_a_pin_holds_on_the_day_of_writing(planned, until, held):
    plan = replace(RISE, as_of=planned)
    step = begun(approved(RISE))
    step = replace(step, record=replace(step.record, recommendation=replace(step.record.recommendation, decision=plan)))
    goals = replace(FREE, total=usd(400), pins=(Pin(Scope.parse("budget:a"), "Ann", "sale", until),))
    assert isinstance(judged(step, goals), Refusal) is held


def test_a_plan_for_a_later_day_is_not_begun_before_it():
    plan = replace(RISE, as_of=date(2026, 11, 24))
    record = approved(plan)
    outcome = approval.begin(record, as_planned(plan), NOW, open_intents=())
    refusal(outcome, Code.TOO_EARLY, "The plan is for 2026-11-24; in Europe/Berlin it is 2026-11-23.")
    assert outcome.step is None
    # 23:00 UTC of the 23rd is the 24th in Berlin.
    assert isinstance(approval.begin(record, as_planned(plan), NOW + timedelta(hours=11), open_intents=()), Transition)


def test_what_the_plan_did_so_far_changes_nothing_in_the_judgement():
    step = begun(approved(RISE))
    goals = replace(FREE, largest_step=1.3)
    whole = judged(step, replace(goals, total=usd(290)))
    cuts = [done(intent) if intent.target < intent.base else intent for intent in step.intents]
    midway = as_planned(RISE) | live({"a": 60, "d": 60})
    assert judged(step, replace(goals, total=usd(290)), intents=cuts, budgets=midway) == whole
    even = begun(approved(decision({"a": (100, 60), "b": (50, 90)})))
    halfway = (done(even.intents[0]), even.intents[1])
    assert not isinstance(judged(even, intents=halfway, budgets=live({"a": 60, "b": 50})), Refusal)


def test_a_line_that_drifted_keeps_no_other_from_being_judged_by_itself():
    step = begun(approved(RISE))
    pinned = replace(FREE, total=usd(400), pins=(Pin(Scope.parse("budget:a"), "Ann", "sale"),))
    gone = [approval.drifted(i, usd(70), NOW) if i.key == key("a") else i for i in step.intents]
    budgets = as_planned(RISE) | live({"a": 70})
    refusal(judged(step, pinned), Code.NOT_WRITABLE, "Budget a")
    assert not isinstance(judged(step, pinned, intents=gone, budgets=budgets), Refusal)
    tight = replace(pinned, total=usd(299))
    refusal(judged(step, tight, intents=gone, budgets=budgets), Code.ENVELOPE, "300.00 USD a day would be above")


def test_where_no_total_is_set_a_cut_that_somebody_else_made_pays_for_a_raise_too():
    step = begun(approved(decision({"a": (100, 60), "b": (50, 90), "c": (20, 20)})))
    drifted = [approval.drifted(i, usd(30), NOW) if i.key == key("a") else i for i in step.intents]
    assert not isinstance(judged(step, intents=drifted, budgets=live({"a": 30, "b": 50, "c": 20})), Refusal)


def test_a_budget_that_is_not_planned_any_more_is_not_written():
    step = begun(approved(RISE))
    refusal(judged(step, known=seen().select([0, 1, 2, 3])), Code.NOT_WRITABLE, "files/acme/e is not among the budgets")
    budgets = as_planned(RISE)
    budgets[key("b")] = replace(budgets[key("b")], kind=BudgetKind.LIFETIME)
    refusal(judged(step, budgets=budgets), Code.NOT_WRITABLE, "files/acme/b is not among the budgets")


def test_limits_that_contradict_one_another_close():
    goals = replace(FREE, limits=(*limit("budget:a", floor=usd(50)), *limit("all", ceiling=usd(900))))
    goals = replace(goals, limits=(*goals.limits, *limit("campaign:a", ceiling=usd(40))))
    found = refusal(judged(begun(approved(RISE)), goals), Code.UNREADABLE, "its floor is 50.00 USD, but its ceiling is")
    assert found.mend == "change one of them."


def restoring() -> Transition:
    """A rollback of one plan: a from 60 back to 1000, b from 90 back to 50."""
    step = begun(approved(decision({"a": (60, 1000), "b": (90, 50), "c": (10, 10)})))
    recommendation = replace(step.record.recommendation, parent_id="R-0")
    return replace(step, record=replace(step.record, recommendation=recommendation))


@pytest.mark.parametrize(
    "goals",
    [
        Goals("USD", largest_step=0.01),
        Goals("USD", limits=limit("budget:b", floor=usd(80))),
        Goals("USD", limits=limit("all", floor=usd(2000))),
        Goals("USD", limits=limit("budget:a", ceiling=usd(1000))),
        Goals("USD", total=usd(1060)),
    ],
)
def test_steps_floors_and_an_unset_total_keep_no_rollback_back(goals):
    assert not isinstance(judged(restoring(), goals, Guardrails()), Refusal)


@pytest.mark.parametrize(
    ("goals", "words"),
    [
        (Goals("USD", limits=limit("budget:a", ceiling=usd(999))), "its ceiling is 999.00 USD"),
        (Goals("USD", pins=(Pin(Scope.parse("budget:b"), "Ann", "sale"),)), "pinned by Ann: sale"),
        (Goals("USD", total=usd(1059)), "above its ceiling of 1,059.00 USD"),
    ],
)
def test_ceilings_and_pins_hold_for_a_rollback(goals, words):
    outcome = judged(restoring(), goals, Guardrails())
    assert isinstance(outcome, Refusal)
    assert words in outcome.message


def test_a_raise_that_fits_the_old_limit_only_waits_for_its_cut_under_the_new_one():
    step = begun(approved(RISE))
    limits = judged(step, replace(FREE, total=usd(290)))
    asked = [approval.sending(i, i.base, NOW) if i.target < i.base else i for i in step.intents]

    def following(intents, budgets=None, **more):
        return approval.sendable(step.record, intents, budgets or as_planned(RISE), NOW, **more)

    assert names([following(asked)]) == ["e"]
    assert names([following(asked, limits=limits)]) == ["e"]  # 280 + 10 fits 290
    e = [done(i) if i.key == key("e") else i for i in asked]
    budgets = as_planned(RISE) | live({"e": 30})
    assert names([following(e, budgets)]) == ["b"]
    assert isinstance(following(e, budgets, limits=limits), Waiting)
    failed = [approval.refused(i, "no", NOW) if i.state is IntentState.SENDING else i for i in e]
    assert isinstance(following(failed, budgets, limits=limits), Blocked)


def test_every_step_of_a_write_has_a_name_in_the_history():
    first = begun(approved(RISE)).intents[0]
    sent = approval.sending(first, first.base, NOW)
    event = approval.told(first, sent, NOW)
    assert (event.rec_id, event.revision, event.at) == (first.rec_id, first.revision, NOW)
    assert (event.actor, event.action) == ("outlay", "write-sent")
    assert event.detail == "files/acme/a: 100.00 USD -> 60.00 USD; about to be sent"
    with pytest.raises(ValueError, match="no write goes from sending to verified"):
        approval.told(sent, replace(sent, state=IntentState.VERIFIED), NOW)


def test_amounts_that_people_fixed_are_part_of_what_is_approved():
    record: Record = approved(RISE)
    common = {"now": NOW, "valid_for": DAY, "seed": 7, "code_version": "0.1"}
    plain, fixed = (approval.issue(RISE, **common, fixed=f).record.recommendation for f in ({}, {key("a"): usd(60)}))
    assert fixed.fixed == ((key("a"), usd(60)),)
    assert plain.plan_hash != fixed.plan_hash
    assert record.recommendation.fixed == ()
