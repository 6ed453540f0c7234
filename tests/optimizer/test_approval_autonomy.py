"""What the written policy approves, and what it leaves to people."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.contract import AdKey, BudgetKey, EntityStatus
from connectors.money import Money
from optimizer import approval
from optimizer.approval import AUTOPILOT, Ads, Approve, Autonomy, Mode, Policy, Waits, consider
from optimizer.plan.recommendation import AdLine, Decision, Effect, Evidence, Finding, Line, Objective, Severity
from optimizer.plan.record import State

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PILOT = Autonomy(Mode.AUTOPILOT, largest_step=0.15, moved_share=0.1, gain_probability=0.8)


def line(name, current, proposed):
    effect = Effect(0.1, 0, 0.2, 0, 0.2, 0.05)
    return Line(BudgetKey("ads", "1", name), name, "search", Money.of(current, "USD"), Money.of(proposed, "USD"), "",
                effect, (), Evidence(30, 50.0, 900.0, False, "enough"), "it pays")  # fmt: skip


def switch(moves):
    return AdLine(AdKey("ads", "1", "ad-1"), BudgetKey("ads", "1", "a"), "Ad", EntityStatus.ACTIVE, EntityStatus.PAUSED,
                  "", Money.of(moves, "USD"), 0.3, 0.02, 0.01, 3, 2, None,
                  Evidence(30, 50.0, 900.0, False, "enough"), "it deserves less")  # fmt: skip


def record(*lines, p_worse=0.1, findings=(), ads=(), **changes):
    total = Effect(1.0, 0.0, 2.0, -0.5, 2.5, p_worse)
    decision = Decision(NOW.date(), "USD", "UTC", Objective.CONVERSIONS, "conversions a day",
                        lines or (line("a", 100, 110), line("b", 100, 90)), total, 10.0, 11.0, findings, (), (), (), (),
                        None, "m", "g", "a" * 64, "b" * 64)  # fmt: skip
    decision = replace(decision, ads=ads)
    step = approval.issue(decision, now=NOW, valid_for=timedelta(hours=24), seed=1, code_version="t")
    return replace(step.record, **changes)


def test_a_plan_within_the_policy_is_approved_in_its_name_and_with_its_limits():
    made = record()
    verdict = consider(made, PILOT, Policy(), ())
    assert isinstance(verdict, Approve)
    assert (verdict.by, verdict.plan_hash) == (AUTOPILOT, made.recommendation.plan_hash)
    assert "15%" in verdict.reason
    judged = approval.judge(made, verdict, NOW, Policy(approvers=frozenset({AUTOPILOT})))
    assert judged.record.state is State.APPROVED
    assert judged.record.approvals == (AUTOPILOT,)


@pytest.mark.parametrize(
    ("made", "autonomy", "policy", "words"),
    [
        (record(), replace(PILOT, mode=Mode.RECOMMEND), Policy(), "mode is recommend"),
        (record(state=State.APPROVED), PILOT, Policy(), "begun to decide"),
        (record(approvals=("ada",)), PILOT, Policy(), "begun to decide"),
        (record(findings=(Finding("x", Severity.WARNING, "a", "odd."),)), PILOT, Policy(), "a: odd."),
        (record(line("a", 100, 116), line("b", 100, 84)), PILOT, Policy(), "a would move by more than 15%"),
        (record(line("a", 100, 84), line("b", 100, 100)), PILOT, Policy(), "a would move by more than 15%"),
        (record(line("a", 100, 110), line("b", 100, 91)), PILOT, Policy(), "would rise by 1.00 USD"),
        (record(p_worse=0.21), PILOT, Policy(), "79% only"),
        (record(), replace(PILOT, moved_share=0.04), Policy(), "10.00 USD would have been moved"),
        (record(), PILOT, Policy(second_approver_above=Money.of(9, "USD")), "two people are needed"),
    ],
)
def test_all_else_waits_for_a_person(made, autonomy, policy, words):
    found = consider(made, autonomy, policy, ())
    assert isinstance(found, Waits)
    assert words in found.words


def test_what_the_policy_moved_counts_and_what_people_approved_does_not():
    earlier = record(approved_by=AUTOPILOT, state=State.VERIFIED)
    by_ada = record(approved_by="ada", state=State.VERIFIED)
    assert isinstance(consider(record(), PILOT, Policy(), (by_ada, by_ada)), Approve)
    assert isinstance(consider(record(), PILOT, Policy(), (earlier,)), Approve), "20 of 200 is the limit"
    assert isinstance(consider(record(), PILOT, Policy(), (earlier, earlier)), Waits)


def test_switches_of_ads_wait_for_a_person_unless_the_policy_may_decide_on_them():
    made = record(ads=(switch(1),))
    found = consider(made, PILOT, Policy(), ())
    assert isinstance(found, Waits)
    assert "switches 1 ads" in found.words
    verdict = consider(made, replace(PILOT, ads=Ads.POLICY), Policy(), ())
    assert isinstance(verdict, Approve)
    assert verdict.lines is None


@pytest.mark.parametrize(
    ("autonomy", "policy", "words"),
    [
        (PILOT, Policy(second_approver_above=Money.of(20, "USD")), "it moves 40.00 USD a day, for which two people"),
        (PILOT, Policy(), "40.00 USD would have been moved"),
    ],
)
def test_what_switches_of_ads_move_counts_beside_the_budgets(autonomy, policy, words):
    found = consider(record(ads=(switch(30),)), replace(autonomy, ads=Ads.POLICY), policy, ())
    assert isinstance(found, Waits)
    assert words in found.words


def test_the_policy_is_never_the_first_of_two_people():
    made, needs_two = record(), Policy(second_approver_above=Money.of(9, "USD"))
    verdict = Approve(AUTOPILOT, made.recommendation.plan_hash)
    half = approval.judge(made, verdict, NOW, replace(needs_two, approvers=frozenset({AUTOPILOT})))
    assert half.record.state is State.PROPOSED
    alone = approval.judge(half.record, Approve("mia", made.recommendation.plan_hash), NOW, needs_two)
    assert alone.record.state is State.PROPOSED
    both = approval.judge(alone.record, Approve("ben", made.recommendation.plan_hash), NOW, needs_two)
    assert both.record.state is State.APPROVED


def test_nobody_may_bear_the_name_of_a_policy():
    made = record()
    for policy in (Policy(), Policy(approvers=frozenset({"ada"}))):
        refused = approval.judge(made, Approve(" Policy:Autopilot ", made.recommendation.plan_hash), NOW, policy)
        assert refused.code is approval.Code.NOT_AN_APPROVER


@pytest.mark.parametrize("limit", ["largest_step", "largest_raise", "moved_share", "gain_probability"])
def test_a_limit_that_makes_no_sense_is_not_built(limit):
    with pytest.raises(ValueError, match=limit):
        Autonomy(**{limit: 1.5})


def test_a_raise_waits_for_a_person_sooner_than_a_cut():
    pilot = replace(PILOT, moved_share=1.0)
    cut = record(line("a", 100, 86), line("b", 100, 109))
    assert isinstance(consider(cut, pilot, Policy(), ()), Approve)
    found = consider(record(line("a", 100, 86), line("b", 100, 111)), pilot, Policy(), ())
    assert isinstance(found, Waits)
    assert found.words == "b would be raised by more than 10%"
