"""Proposals and verdicts: identity, holds, editing, superseding, expiry, approvals whole and in part."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.money import Money
from optimizer import approval
from optimizer.approval import Approve, Code, Policy, Refusal, Reject, Revoke
from optimizer.approval.table import take
from optimizer.plan.canonical import from_json, to_json
from optimizer.plan.record import Record, State, Transition
from tests.optimizer.approval_world import (
    ANYBODY,
    BLOCK,
    DAY,
    NOW,
    SECOND,
    approved,
    decision,
    envelope,
    issued,
    keys,
    live,
    usd,
)

SHIFT = decision({"a": (100, 60), "b": (50, 90), "c": (30, 30)}, envelope("total", "abc", ceiling=180))


def proposal(plan=SHIFT, author="outlay"):
    return issued(plan, author).record


def approve(record, by="ann", lines=None, now=NOW, policy=ANYBODY, plan_hash=None, earlier=()):
    shown = record.recommendation.plan_hash if plan_hash is None else plan_hash
    return approval.judge(record, Approve(by, shown, lines), now, policy, earlier=earlier)


def code(outcome):
    assert isinstance(outcome, Refusal), outcome
    assert outcome.message
    assert outcome.mend
    return outcome.code


def test_a_proposal_has_a_readable_id_and_the_hash_of_its_content():
    step = issued(SHIFT)
    recommendation = step.record.recommendation
    assert recommendation.rec_id.startswith("R-20261123-")
    assert len(recommendation.rec_id) == len("R-20261123-") + 10
    assert (recommendation.revision, step.before, step.record.state) == (1, None, State.PROPOSED)
    assert recommendation.plan_hash == recommendation.computed_hash()
    assert replace(recommendation, seed=8).computed_hash() != recommendation.plan_hash
    assert "40.00 USD a day is moved" in step.event.detail
    assert from_json(Record, to_json(step.record)) == step.record


def test_ids_differ_when_anything_does_and_are_the_same_when_nothing_does():
    later = issued(SHIFT, now=NOW + SECOND)
    assert later.record.recommendation.rec_id != issued(SHIFT).record.recommendation.rec_id
    assert issued(SHIFT) == issued(SHIFT)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (decision({"a": (100, 100)}), "no budget changes"),
        (decision({"a": (100, 60)}, findings=(BLOCK,)), "three weeks old"),
    ],
)
def test_what_moves_nothing_or_is_blocked_is_held_and_cannot_be_approved(plan, words):
    step = issued(plan)
    assert step.record.state is State.HELD
    assert words in step.event.detail
    assert code(approve(step.record)) is Code.WRONG_STATE


def test_issue_refuses_a_naive_time_no_validity_and_two_origins():
    record = proposal()
    with pytest.raises(ValueError, match="aware time"):
        issued(SHIFT, now=NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="positive validity"):
        approval.issue(SHIFT, now=NOW, valid_for=-DAY, seed=1, code_version="")
    with pytest.raises(ValueError, match="one of the two"):
        approval.issue(SHIFT, now=NOW, valid_for=DAY, seed=1, code_version="", parent=record, revises=record)


def revise(record, plan, author="bea", now=NOW):
    return approval.revise(record, plan, now=now, valid_for=DAY, seed=7, code_version="0.1", author=author)


def test_an_edit_closes_the_old_revision_and_proposes_one_with_its_own_hash():
    first = proposal()
    waiting = approve(first, policy=Policy(usd(1))).record
    old, new = revise(waiting, decision({"a": (100, 80), "b": (50, 70)}))
    assert (old.before, old.record.state, old.event.actor) == (State.PROPOSED, State.EDITED, "bea")
    recommendation = new.record.recommendation
    assert (recommendation.rec_id, recommendation.revision) == (first.recommendation.rec_id, 2)
    assert recommendation.plan_hash != first.recommendation.plan_hash
    assert new.record.approvals == ()
    assert code(approve(new.record, plan_hash=first.recommendation.plan_hash)) is Code.OTHER_HASH


def test_an_edit_is_refused_when_late_nameless_empty_or_closed():
    record = proposal()
    assert code(revise(record, SHIFT, now=NOW + DAY)) is Code.EXPIRED
    assert code(revise(record, SHIFT, author="  ")) is Code.NAMELESS
    assert code(revise(record, SHIFT, author=" Policy:Autopilot")) is Code.NAMELESS
    assert code(revise(record, decision({"a": (100, 100)}))) is Code.NOTHING_TO_DO
    assert code(revise(approved(SHIFT), SHIFT)) is Code.WRONG_STATE


def test_a_newer_plan_supersedes_what_is_proposed_or_approved_and_nothing_else():
    newer = issued(SHIFT, now=NOW + SECOND).record
    others = [replace(proposal(), state=state) for state in State]
    steps = approval.supersede([*others, newer], newer.recommendation, NOW)
    assert {step.before for step in steps} == {State.PROPOSED, State.APPROVED}
    assert {step.record.state for step in steps} == {State.SUPERSEDED}
    assert all(newer.recommendation.rec_id in step.event.detail for step in steps)


def test_expiry_comes_at_the_instant_and_only_to_what_waits():
    record = proposal()
    assert approval.expire(record, NOW + DAY - SECOND) is None
    assert approval.expire(record, NOW + DAY).record.state is State.EXPIRED
    assert approval.expire(approved(SHIFT), NOW + DAY).before is State.APPROVED
    assert approval.expire(replace(record, state=State.APPLYING), NOW + DAY) is None


def test_an_approval_names_lines_people_and_hash():
    step = approve(proposal(), lines=keys("a"))
    assert step.record.state is State.APPROVED
    assert step.record.approved_by == "ann"
    assert step.record.approvals == ("ann",)
    assert step.record.approved_lines == keys("a")
    assert step.record.recommendation.plan_hash in step.event.detail
    assert approve(proposal()).record.approved_lines == keys("ab")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"plan_hash": "0" * 64}, Code.OTHER_HASH),
        ({"plan_hash": ""}, Code.OTHER_HASH),
        ({"now": NOW + DAY}, Code.EXPIRED),
        ({"by": " "}, Code.NAMELESS),
        ({"by": "mallory", "policy": Policy(approvers=frozenset({"ann"}))}, Code.NOT_AN_APPROVER),
        ({"lines": ()}, Code.NOTHING_TO_DO),
        ({"lines": keys("ax")}, Code.UNKNOWN_LINE),
        ({"lines": keys("c")}, Code.UNKNOWN_LINE),
        ({"lines": keys("b")}, Code.ENVELOPE),
        ({"policy": Policy(Money(1, "EUR"))}, Code.UNREADABLE),
    ],
)
def test_an_approval_is_refused(change, wanted):
    assert code(approve(proposal(), **change)) is wanted


def test_a_late_approval_carries_the_expiry_that_is_due():
    refusal = approve(proposal(), now=NOW + DAY)
    assert refusal.step.record.state is State.EXPIRED


def test_a_plan_whose_content_was_changed_in_the_store_is_not_approved():
    record = proposal()
    forged = replace(record.recommendation, decision=decision({"a": (100, 9000)}))
    assert code(approve(replace(record, recommendation=forged))) is Code.TAMPERED


@pytest.mark.parametrize(
    "plan",
    [
        decision({"a": (100, 60)}, envelope("total", "ab", ceiling=180)),
        replace(decision({"a": (100, 60)}), currency="EUR"),
    ],
)
def test_limits_that_cannot_be_read_close(plan):
    assert code(approve(proposal(plan))) is Code.UNREADABLE


def test_a_base_above_its_ceiling_may_go_down_but_not_up():
    above = decision({"a": (100, 90), "b": (100, 105)}, envelope("total", "ab", ceiling=150))
    assert isinstance(approve(proposal(above)), Transition)
    assert isinstance(approve(proposal(above), lines=keys("a")), Transition)
    assert code(approve(proposal(above), lines=keys("b"))) is Code.ENVELOPE


def test_a_floor_holds_a_cut_that_nobody_makes_up_for():
    plan = decision({"a": (100, 60), "b": (50, 90)}, envelope("brand", "ab", floor=140))
    assert isinstance(approve(proposal(plan)), Transition)
    refusal = approve(proposal(plan), lines=keys("a"))
    assert code(refusal) is Code.ENVELOPE
    assert "110.00 USD a day would be below its floor of 140.00 USD" in refusal.message


amounts = st.integers(0, 12).map(lambda n: n * 10.0)


@st.composite
def plans(draw):
    moves = {name: (draw(amounts), draw(amounts)) for name in "abcd"}
    groups = st.lists(st.sampled_from("abcd"), unique=True, min_size=1)
    envelopes = [
        envelope(f"e{i}", draw(groups), draw(st.none() | amounts), draw(st.none() | amounts)) for i in range(3)
    ]
    return decision(moves, *envelopes)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(plans())
def test_every_part_of_a_plan_is_approved_exactly_if_it_keeps_every_limit(plan):
    changing = [each for each in plan.lines if each.changes]
    record = proposal(plan)
    for size in range(1, len(changing) + 1):
        for part in combinations(changing, size):
            outcome = approve(record, lines=tuple(each.key for each in part))
            assert isinstance(outcome, Transition) == _feasible(plan, {each.key for each in part})


def _feasible(plan, part):
    for limit in plan.envelopes:
        members = [each for each in plan.lines if each.key in limit.keys]
        before = sum(each.current.micros for each in members)
        chosen = [each for each in members if each.key in part]
        after = before + sum(each.proposed.micros - each.current.micros for each in chosen)
        raises = any(each.proposed > each.current for each in chosen)
        cuts = any(each.proposed < each.current for each in chosen)
        if limit.ceiling is not None and raises and after > max(limit.ceiling.micros, before):
            return False
        if limit.floor is not None and cuts and after < min(limit.floor.micros, before):
            return False
    return True


FOUR_EYES = Policy(usd(39.99))


def test_above_the_threshold_two_people_approve_the_same_lines():
    first = approve(proposal(), policy=FOUR_EYES)
    assert (first.before, first.record.state) == (State.PROPOSED, State.PROPOSED)
    assert (first.record.approved_by, first.record.approvals) == (None, ("ann",))
    assert first.event.action == "awaits-second"
    second = approve(first.record, by="bob", policy=FOUR_EYES)
    assert second.record.state is State.APPROVED
    assert (second.record.approved_by, second.record.approvals) == ("bob", ("ann", "bob"))


def test_a_shift_counts_once_and_the_threshold_itself_needs_one_person():
    assert approval.moved(SHIFT.lines, "USD") == usd(40)
    assert approve(proposal(), policy=Policy(usd(40))).record.state is State.APPROVED


@pytest.mark.parametrize(
    ("by", "author", "lines", "wanted"),
    [
        ("ann", "outlay", None, Code.SAME_PERSON),
        (" ANN ", "outlay", None, Code.SAME_PERSON),
        ("Bea", "bea", None, Code.SAME_PERSON),
        ("bob", "bea", keys("a"), Code.OTHER_LINES),
    ],
)
def test_a_second_approver_is_another_person_for_the_same_lines(by, author, lines, wanted):
    first = approve(proposal(author=author), policy=FOUR_EYES).record
    assert code(approve(first, by=by, lines=lines, policy=FOUR_EYES)) is wanted


def test_who_edited_any_revision_is_no_second_approver_of_what_came_of_it():
    _, second = revise(proposal(author="outlay"), SHIFT, author="bea")
    _, third = revise(second.record, SHIFT, author="bob", now=NOW + SECOND)
    first = approve(third.record, by="bob", policy=FOUR_EYES, earlier=("outlay", "bea")).record
    assert code(approve(first, by="Bea", policy=FOUR_EYES, earlier=("outlay", "bea"))) is Code.SAME_PERSON
    assert code(approve(first, by="ann", policy=FOUR_EYES, earlier=("outlay",))) is Code.UNREADABLE
    assert approve(first, by="ann", policy=FOUR_EYES, earlier=("outlay", "bea")).record.state is State.APPROVED


def test_the_second_approver_by_default_approves_what_the_first_chose():
    first = approve(proposal(), lines=keys("a"), policy=FOUR_EYES).record
    assert approve(first, by="bob", policy=FOUR_EYES).record.approved_lines == keys("a")


def test_rejection_and_revocation_need_a_name_and_a_reason():
    rejected = approval.judge(proposal(), Reject("bob", "Black Friday"), NOW, ANYBODY)
    assert (rejected.record.state, rejected.event.detail) == (State.REJECTED, "Black Friday")
    revoked = approval.judge(approved(SHIFT), Revoke("bob", "stock is out"), NOW, ANYBODY)
    assert (revoked.before, revoked.record.state) == (State.APPROVED, State.REJECTED)
    for verdict in (Reject("bob", " "), Revoke("bob", "")):
        record = proposal() if isinstance(verdict, Reject) else approved(SHIFT)
        assert code(approval.judge(record, verdict, NOW, ANYBODY)) is Code.REASON_MISSING
    for nobody in ("", "policy:autopilot"):
        assert code(approval.judge(proposal(), Reject(nobody, "why"), NOW, ANYBODY)) is Code.NAMELESS
        assert code(approval.judge(approved(SHIFT), Revoke(nobody, "why"), NOW, ANYBODY)) is Code.NAMELESS
    assert code(approval.judge(proposal(), Revoke("bob", "why"), NOW, ANYBODY)) is Code.WRONG_STATE


def test_a_policy_is_checked_at_birth():
    for approvers in (frozenset(), frozenset({""}), frozenset({" "})):
        with pytest.raises(ValueError, match="approvers"):
            Policy(approvers=approvers)
    with pytest.raises(ValueError, match="at least 0"):
        Policy(usd(-1))
    assert isinstance(approve(proposal(), by="ANN", policy=Policy(approvers=frozenset({"Ann"}))), Transition)


def test_drift_closes_a_proposal_and_tells_each_line():
    record = proposal()
    assert approval.outdate(record, live({"a": 100, "b": 50, "c": 31}), NOW) is None
    step = approval.outdate(record, live({"a": 101, "c": 30}), NOW)
    assert (step.record.state, step.event.action) == (State.EXPIRED, "drifted")
    assert "Budget a (files/acme/a): expected 100.00 USD, live 101.00 USD" in step.event.detail
    assert "Budget b (files/acme/b): expected 50.00 USD, live gone" in step.event.detail
    assert approval.outdate(approved(SHIFT, "a"), live({"a": 100}), NOW) is None


def test_a_step_outside_the_table_cannot_be_built():
    rows = {(step.before, step.action): step.after for step in approval.TRANSITIONS}
    assert len(rows) == len(approval.TRANSITIONS)
    for state in State:
        for action in approval.Action:
            record = replace(proposal(), state=state)
            if (state, action) in rows:
                step = take(record, action, at=NOW, actor="ann", detail="")
                assert (step.before, step.record.state) == (state, rows[state, action])
            else:
                with pytest.raises(ValueError, match="no step"):
                    take(record, action, at=NOW, actor="ann", detail="")
