"""From approval to live budgets: beginning, order of writes, intents, recovery, conclusion, retry, rollback."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from connectors.contract import BudgetKey, BudgetKind, Receipt
from optimizer import approval
from optimizer.approval import Blocked, Code, Refusal, Waiting
from optimizer.approval.intents import most, planned
from optimizer.plan.record import Intent, IntentState, State, Transition
from tests.optimizer.approval_world import (
    ANYBODY,
    DAY,
    NOW,
    SECOND,
    approved,
    as_planned,
    begun,
    decision,
    done,
    envelope,
    issued,
    key,
    keys,
    line,
    live,
    names,
    target,
    usd,
)

SHIFT = decision(
    {"a": (100, 60), "b": (50, 90), "c": (30, 30), "d": (80, 70), "e": (20, 30)},
    envelope("total", "abcde", ceiling=280),
)
LIVE = as_planned(SHIFT)


def refusal(outcome, code):
    assert isinstance(outcome, Refusal), outcome
    assert outcome.code is code
    assert outcome.mend
    return outcome


def begin(record, now=NOW, budgets=None, open_intents=()):
    return approval.begin(record, LIVE if budgets is None else budgets, now, open_intents=open_intents)


def changed(**amounts):
    return LIVE | live(amounts)


def test_begin_plans_absolute_sets_cuts_first_the_largest_ahead():
    step = begin(approved(SHIFT))
    assert (step.before, step.record.state) == (State.APPROVED, State.APPLYING)
    assert names(step.intents) == ["a", "d", "e", "b"]
    assert [intent.order for intent in step.intents] == [0, 1, 2, 3]
    assert {intent.state for intent in step.intents} == {IntentState.PLANNED}
    assert [intent.target for intent in step.intents] == [usd(60), usd(70), usd(30), usd(90)]


def test_idempotency_keys_tell_apart_budgets_whose_names_hold_slashes():
    recommendation = issued(SHIFT).record.recommendation
    rows = [replace(line("x", 1, 2), key=BudgetKey("c", *ids)) for ids in (("a", "b/c"), ("a/b", "c"))]
    first, second = (planned(recommendation, row, order=0, now=NOW) for row in rows)
    assert str(first.key) == str(second.key)
    assert first.idempotency_key != second.idempotency_key
    assert first.idempotency_key.startswith(f"{recommendation.rec_id}.1.")


def test_begin_writes_the_approved_lines_only():
    assert names(begin(approved(SHIFT, "ae")).intents) == ["a", "e"]


def test_begin_tells_drift_line_by_line_and_offers_the_step_that_closes_the_approval():
    outcome = refusal(begin(approved(SHIFT), budgets=changed(a=101, b=49)), Code.DRIFT)
    assert [(d.key, d.expected, d.live) for d in outcome.drifts] == [
        (key("a"), usd(100), usd(101)),
        (key("b"), usd(50), usd(49)),
    ]
    assert "Budget a" in outcome.message
    assert (outcome.step.before, outcome.step.record.state) == (State.APPROVED, State.EXPIRED)


def test_a_budget_that_is_gone_has_drifted():
    outcome = refusal(begin(approved(SHIFT), budgets={k: v for k, v in LIVE.items() if k != key("a")}), Code.DRIFT)
    assert outcome.drifts[0].live is None


def test_begin_refuses_what_is_late_unapproved_busy_or_forged():
    record = approved(SHIFT)
    late = refusal(begin(record, now=NOW + DAY), Code.EXPIRED)
    assert late.step.record.state is State.EXPIRED
    refusal(begin(issued(SHIFT).record), Code.WRONG_STATE)
    refusal(begin(replace(record, approvals=())), Code.UNREADABLE)
    refusal(begin(replace(record, approved_lines=())), Code.UNREADABLE)
    forged = replace(record.recommendation, decision=decision({"a": (100, 9000)}))
    refusal(begin(replace(record, recommendation=forged)), Code.TAMPERED)
    other = begun(approved(decision({"z": (1, 2)}))).intents
    assert other[0].rec_id in refusal(begin(record, open_intents=other), Code.BUSY).message
    closed = [replace(intent, state=IntentState.VERIFIED) for intent in other]
    assert isinstance(begin(record, open_intents=closed), Transition)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shared": True}, "others draw on"),
        ({"kind": BudgetKind.LIFETIME}, "not a daily budget"),
        ({"minimum": usd(61)}, "the least that it may be is 61.00 USD"),
        ({"quantum_micros": 7_000_000}, "multiples of 7.00 USD"),
    ],
)
def test_begin_refuses_what_the_platform_would_not_take(change, words):
    budgets = LIVE | {key("a"): replace(LIVE[key("a")], **change)}
    assert words in refusal(begin(approved(SHIFT), budgets=budgets), Code.NOT_WRITABLE).message


def test_begin_counts_the_live_budgets_of_lines_that_were_not_approved():
    refusal(begin(approved(SHIFT), budgets=changed(c=31)), Code.ENVELOPE)
    assert isinstance(begin(approved(SHIFT, "ad"), budgets=changed(c=300)), Transition)
    without = {k: v for k, v in LIVE.items() if k != key("c")}
    assert "cannot be read" in refusal(begin(approved(SHIFT), budgets=without), Code.UNREADABLE).message


def test_a_raise_goes_ahead_of_a_cut_that_would_break_a_floor_while_it_fits():
    plan = decision(
        {"a": (100, 40), "b": (50, 80), "c": (50, 80)},
        envelope("total", "abc", ceiling=230),
        envelope("brand", "abc", floor=160),
    )
    assert names(begun(approved(plan)).intents) == ["b", "a", "c"]
    tight = decision({"a": (100, 40), "b": (50, 110)}, envelope("total", "ab", ceiling=150, floor=150))
    assert names(begun(approved(tight)).intents) == ["a", "b"]


amounts = st.integers(0, 12).map(lambda n: n * 10.0)


@st.composite
def plans(draw):
    moves = {name: (draw(amounts), draw(amounts)) for name in "abcde"}
    groups = st.lists(st.sampled_from("abcde"), unique=True, min_size=1)
    bounds = st.none() | st.integers(0, 40).map(lambda n: n * 10.0)
    envelopes = [envelope(f"e{i}", draw(groups), draw(bounds), draw(bounds)) for i in range(3)]
    plan = decision(moves, *envelopes)
    assume(plan.moves)
    outcome = _approve(plan)
    assume(isinstance(outcome, Transition))
    return outcome.record


def _approve(plan):
    record = issued(plan).record
    return approval.judge(record, approval.Approve("ann", record.recommendation.plan_hash), NOW, ANYBODY)


def _ceilings(plan, start):
    for limit in plan.envelopes:
        if limit.ceiling is not None:
            yield limit.keys, max(limit.ceiling.micros, sum(start[each] for each in limit.keys))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(plans())
def test_no_ceiling_is_passed_after_any_number_of_writes(record):
    plan = record.recommendation.decision
    levels = {each.key: each.current.micros for each in plan.lines}
    ceilings = list(_ceilings(plan, levels))
    intents = begun(record).intents
    assert sorted(intent.key for intent in intents) == sorted(record.approved_lines)
    for intent in intents:
        levels[intent.key] = intent.target.micros
        assert all(sum(levels[each] for each in members) <= top for members, top in ceilings)
    if all(limit.floor is None for limit in plan.envelopes):
        changes = [intent.target.micros - intent.base.micros for intent in intents]
        assert changes == sorted(changes)


FATES = ("planned", "sent", "acknowledged", "refused", "tried")


def _fate(intent, fate):
    if fate == "planned":
        return intent
    sent = approval.sending(intent, intent.base, NOW)
    match fate:
        case "acknowledged":
            return approval.recover(sent, sent.target, NOW)
        case "refused":
            return approval.refused(sent, "no", NOW)
        case "tried":
            return approval.postponed(sent, "throttled", NOW)
    return sent


def _possible(intent):
    """All amounts at which the budget of an intent may stand, whatever the platform did with the open calls."""
    if intent.state is IntentState.ACKNOWLEDGED:
        return {intent.target.micros}
    if intent.state is IntentState.SENDING or (intent.state is IntentState.PLANNED and intent.attempts):
        return {intent.base.micros, intent.target.micros}
    return {intent.base.micros}


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(plans(), st.lists(st.sampled_from(FATES), min_size=5, max_size=5))
def test_what_is_sent_next_keeps_every_ceiling_whatever_became_of_the_rest(record, fates):
    step = begun(record)
    intents = [_fate(intent, fate) for intent, fate in zip(step.intents, fates, strict=False)]
    plan = record.recommendation.decision
    start = {each.key: each.current.micros for each in plan.lines}
    settled = {i.key.budget_id: i.target for i in intents if i.state is IntentState.ACKNOWLEDGED}
    budgets = as_planned(plan) | {key(name): target(name, amount) for name, amount in settled.items()}
    chosen = approval.sendable(step.record, intents, budgets, NOW)
    if not isinstance(chosen, Intent):
        return
    others = [intent for intent in intents if intent.key != chosen.key]
    if chosen.target < chosen.base:
        return
    for combination in product(*map(_possible, others)):
        levels = start | dict(zip((each.key for each in others), combination, strict=True))
        levels[chosen.key] = chosen.target.micros
        for members, top in _ceilings(plan, start):
            if chosen.key in members:
                assert sum(levels[each] for each in members) <= top


def walk(step, outcome=done, budgets=None):
    """Send until nothing more can be, each write ending as `outcome` says, with the budgets read before each."""
    intents = {intent.idempotency_key: intent for intent in step.intents}
    budgets = dict(budgets or LIVE)
    order = []
    while isinstance(chosen := approval.sendable(step.record, intents.values(), budgets, NOW), Intent):
        order.append(chosen.key.budget_id)
        ended = intents[chosen.idempotency_key] = outcome(chosen)
        if ended.state is IntentState.ACKNOWLEDGED:
            budgets[ended.key] = replace(budgets[ended.key], amount=ended.target)
    return order, tuple(intents.values()), chosen


def test_a_smooth_plan_is_sent_in_order_and_ends_applied_then_verified():
    step = begun(approved(SHIFT))
    order, intents, left = walk(step)
    assert (order, left) == (["a", "d", "e", "b"], None)
    applied = approval.conclude(step.record, intents, NOW)
    assert applied.record.state is State.APPLIED
    assert approval.verified(applied.record, intents, NOW) is None
    intents = [approval.verify(intent, intent.target, NOW) for intent in intents]
    assert approval.verified(applied.record, intents, NOW).record.state is State.VERIFIED


def _refuse(name):
    def outcome(intent):
        if intent.key.budget_id != name:
            return done(intent)
        return approval.refused(approval.sending(intent, intent.base, NOW), "learning phase", NOW)

    return outcome


def test_raises_that_a_refused_cut_was_to_fund_are_not_sent():
    step = begun(approved(SHIFT))
    order, intents, blocked = walk(step, _refuse("a"))
    assert order == ["a", "d", "e"]
    assert isinstance(blocked, Blocked)
    assert names(blocked.intents) == ["b"]
    assert "above its ceiling of 280.00 USD" in blocked.refusal.message
    assert approval.conclude(step.record, intents, NOW) is None
    ended = [approval.cancel(i, "no room", NOW) if i in blocked.intents else i for i in intents]
    failed = approval.conclude(step.record, ended, NOW)
    assert failed.record.state is State.FAILED
    assert "files/acme/a: refused, learning phase" in failed.event.detail
    assert "files/acme/b: cancelled, no room" in failed.event.detail


def test_a_raise_waits_while_a_cut_that_funds_it_is_under_way():
    step = begun(approved(SHIFT))
    order, _, waiting = walk(step, lambda intent: approval.sending(intent, intent.base, NOW))
    assert order == ["a", "d"]
    assert isinstance(waiting, Waiting)
    assert names(waiting.intents) == ["a", "d"]


def test_a_raise_elsewhere_that_takes_the_room_is_seen():
    step = begun(approved(SHIFT))
    order, _, blocked = walk(step, budgets=changed(c=80))
    assert (order, names(blocked.intents)) == (["a", "d"], ["e", "b"])
    unread = {k: v for k, v in LIVE.items() if k != key("c")}
    order, _, blocked = walk(step, budgets=unread)
    assert (order, names(blocked.intents)) == (["a", "d"], ["e", "b"])


def test_a_raise_is_not_sent_when_somebody_raised_what_was_already_written():
    step = begun(approved(SHIFT))
    cuts = [done(intent) for intent in step.intents[:2]]
    intents, written = (*cuts, *step.intents[2:]), changed(a=60, d=70)
    assert approval.sendable(step.record, intents, written, NOW) == step.intents[2]
    assert isinstance(approval.sendable(step.record, intents, written | live({"a": 101}), NOW), Blocked)


@pytest.mark.parametrize(
    ("state", "attempts", "now", "most_of_a_cut", "most_of_a_raise"),
    [
        (IntentState.PLANNED, 0, 0, 100, 50),
        (IntentState.PLANNED, 1, 0, 100, 90),
        (IntentState.SENDING, 1, 0, 100, 90),
        (IntentState.ACKNOWLEDGED, 1, 0, 60, 90),
        (IntentState.VERIFIED, 1, 0, 60, 90),
        (IntentState.REFUSED, 1, 0, 100, 50),
        (IntentState.REFUSED, 2, 0, 100, 90),
        (IntentState.CANCELLED, 0, 0, 100, 50),
        (IntentState.CANCELLED, 1, 0, 100, 90),
        (IntentState.DRIFT, 0, 300, 300, 300),
        (IntentState.DRIFT, 0, 20, 20, 20),
        (IntentState.DRIFT, 1, 20, 100, 90),
        (IntentState.ACKNOWLEDGED, 1, 300, 300, 300),
    ],
)
def test_a_budget_counts_at_the_most_that_it_may_come_to(state, attempts, now, most_of_a_cut, most_of_a_raise):
    step = begun(approved(SHIFT))
    cut, up = (replace(step.intents[place], state=state, attempts=attempts) for place in (0, 3))
    assert most(cut, usd(now)) == usd(most_of_a_cut).micros
    assert most(up, usd(now)) == usd(most_of_a_raise).micros


def test_nothing_is_sent_on_an_approval_whose_time_has_passed_or_that_is_not_being_applied():
    step = begun(approved(SHIFT))
    blocked = approval.sendable(step.record, step.intents, LIVE, NOW + DAY)
    assert isinstance(blocked, Blocked)
    assert blocked.refusal.code is Code.EXPIRED
    assert names(blocked.intents) == ["a", "d", "e", "b"]
    with pytest.raises(ValueError, match="nothing of it may be sent"):
        approval.sendable(approved(SHIFT), step.intents, LIVE, NOW)


@pytest.mark.parametrize("forge", [{"target": usd(1)}, {"base": usd(1)}, {"key": key("c")}])
def test_intents_that_are_not_those_of_the_approved_lines_are_not_sent(forge):
    step = begun(approved(SHIFT))
    forged = (replace(step.intents[0], **forge), *step.intents[1:])
    for act in (
        lambda: approval.sendable(step.record, forged, LIVE, NOW),
        lambda: approval.conclude(step.record, forged, NOW),
    ):
        with pytest.raises(ValueError, match="not those of the approved lines"):
            act()


CUT = begun(approved(SHIFT)).intents[0]
SENT = approval.sending(CUT, CUT.base, NOW)
RECEIPT = Receipt(CUT.key, CUT.target, "req-9", NOW)
OTHER = usd(61)


def test_sending_compares_first_and_counts_the_attempt():
    assert (SENT.state, SENT.attempts, SENT.updated_at) == (IntentState.SENDING, 1, NOW)
    assert approval.sending(CUT, OTHER, NOW).state is IntentState.DRIFT
    assert approval.sending(CUT, None, NOW).state is IntentState.DRIFT
    assert approval.sending(CUT, CUT.target, NOW).state is IntentState.DRIFT
    tried = approval.postponed(SENT, "throttled", NOW)
    assert approval.sending(tried, CUT.target, NOW).state is IntentState.ACKNOWLEDGED
    assert approval.sending(tried, CUT.base, NOW).attempts == 2


def test_a_receipt_is_believed_only_with_the_read_back():
    believed = approval.acknowledged(SENT, RECEIPT, CUT.target, NOW)
    assert (believed.state, believed.request_id) == (IntentState.ACKNOWLEDGED, "req-9")
    doubted = approval.acknowledged(SENT, RECEIPT, CUT.base, NOW + SECOND)
    assert (doubted.state, doubted.request_id, doubted.updated_at) == (IntentState.SENDING, "req-9", NOW + SECOND)
    assert approval.acknowledged(SENT, RECEIPT, OTHER, NOW).state is IntentState.DRIFT
    assert approval.acknowledged(SENT, RECEIPT, None, NOW).state is IntentState.DRIFT
    with pytest.raises(ValueError, match="receipt is of"):
        approval.acknowledged(SENT, replace(RECEIPT, key=key("b")), CUT.target, NOW)


def test_recovery_reads_the_outcome_from_the_live_budget():
    soon, late = NOW + approval.RESEND_AFTER - SECOND, NOW + approval.RESEND_AFTER
    assert approval.recover(SENT, CUT.target, soon).state is IntentState.ACKNOWLEDGED
    assert approval.recover(SENT, CUT.base, soon) == SENT
    again = approval.recover(SENT, CUT.base, late)
    assert (again.state, again.attempts) == (IntentState.PLANNED, 1)
    assert approval.recover(SENT, OTHER, soon).state is IntentState.DRIFT
    assert approval.recover(SENT, None, late).state is IntentState.DRIFT
    assert approval.recover(SENT, CUT.base, NOW + SECOND, wait=SECOND).state is IntentState.PLANNED
    doubted = approval.unknown(SENT, "lost", soon)
    assert approval.recover(doubted, CUT.base, late) == doubted


def test_verification_finds_a_change_since():
    written = approval.acknowledged(SENT, RECEIPT, CUT.target, NOW)
    assert approval.verify(written, CUT.target, NOW).state is IntentState.VERIFIED
    found = approval.verify(written, CUT.base, NOW)
    assert found.state is IntentState.DRIFT
    assert "live is 100.00 USD" in found.note


@pytest.mark.parametrize(
    ("act", "allowed"),
    [
        (lambda i: approval.sending(i, i.base, NOW), {IntentState.PLANNED}),
        (lambda i: approval.acknowledged(i, RECEIPT, i.target, NOW), {IntentState.SENDING}),
        (lambda i: approval.refused(i, "no", NOW), {IntentState.PLANNED, IntentState.SENDING}),
        (lambda i: approval.postponed(i, "later", NOW), {IntentState.SENDING}),
        (lambda i: approval.unknown(i, "lost", NOW), {IntentState.SENDING}),
        (lambda i: approval.recover(i, i.base, NOW), {IntentState.SENDING}),
        (lambda i: approval.verify(i, i.target, NOW), {IntentState.ACKNOWLEDGED}),
        (lambda i: approval.cancel(i, "no", NOW), {IntentState.PLANNED}),
        (
            lambda i: approval.drifted(i, OTHER, NOW),
            {IntentState.PLANNED, IntentState.SENDING, IntentState.ACKNOWLEDGED},
        ),
    ],
)
def test_each_step_of_an_intent_starts_from_its_own_states_only(act, allowed):
    for state in IntentState:
        intent = replace(CUT, state=state)
        if state in allowed:
            act(intent)
        else:
            with pytest.raises(ValueError, match="this needs one that is"):
                act(intent)


def failed(name="a"):
    """A plan whose cut of one budget was refused, and what had to be cancelled in consequence."""
    step = begun(approved(SHIFT))
    _, intents, blocked = walk(step, _refuse(name))
    ended = tuple(approval.cancel(i, "no room", NOW) if i in blocked.intents else i for i in intents)
    return approval.conclude(step.record, ended, NOW).record, ended


def retry(record, intents, budgets, now=NOW, open_intents=()):
    return approval.retry(record, intents, budgets, now, open_intents=open_intents)


def test_a_retry_plans_the_unresolved_lines_anew_with_keys_of_their_own():
    record, intents = failed()
    budgets = changed(d=70, e=30)
    step = retry(record, intents, budgets)
    assert (step.before, step.record.state) == (State.FAILED, State.APPLYING)
    assert names(step.intents) == ["a", "b"]
    assert [intent.order for intent in step.intents] == [4, 5]
    assert not {i.idempotency_key for i in step.intents} & {i.idempotency_key for i in intents}
    again = replace(step, intents=(*intents, *step.intents))
    order, every, left = walk(again, budgets=budgets)
    assert (order, left) == (["a", "b"], None)
    assert approval.conclude(step.record, every, NOW).record.state is State.APPLIED


def test_a_retry_is_refused_when_late_drifted_busy_or_empty():
    record, intents = failed()
    budgets = changed(d=70, e=30)
    assert refusal(retry(record, intents, budgets, now=NOW + DAY), Code.EXPIRED).step is None
    assert refusal(retry(record, intents, changed(a=99, d=70, e=30)), Code.DRIFT).step is None
    refusal(retry(record, intents, budgets, open_intents=[CUT]), Code.BUSY)
    refusal(retry(approved(SHIFT), intents, budgets), Code.WRONG_STATE)
    drifts = tuple(approval.drifted(replace(i, state=IntentState.PLANNED), OTHER, NOW) for i in intents)
    refusal(retry(record, drifts, budgets), Code.NOTHING_TO_DO)


def test_drift_found_by_the_read_back_fails_an_applied_plan():
    step = begun(approved(SHIFT))
    _, intents, _ = walk(step)
    applied = approval.conclude(step.record, intents, NOW).record
    found = [approval.verify(i, OTHER if i.key == key("a") else i.target, NOW) for i in intents]
    outcome = approval.verified(applied, found, NOW)
    assert outcome.record.state is State.FAILED
    assert "files/acme/a: drift" in outcome.event.detail


def applied(plan=SHIFT, lines=None):
    step = begun(approved(plan, lines))
    _, intents, left = walk(step, budgets=as_planned(plan))
    assert left is None
    return approval.conclude(step.record, intents, NOW).record, intents


def rollback(record, intents, budgets, lines=None, now=NOW):
    return approval.rollback(
        record, intents, budgets, now, author="ann", valid_for=DAY, code_version="0.1", lines=lines
    )


AFTER = changed(a=60, b=90, d=70, e=30)


def test_a_rollback_proposes_the_exact_priors_and_the_negated_effect():
    record, intents = applied()
    step = rollback(record, intents, AFTER, now=NOW + 3 * DAY)
    child = step.record.recommendation
    assert step.record.state is State.PROPOSED
    assert (child.parent_id, child.author, child.revision) == (record.recommendation.rec_id, "ann", 1)
    assert {i.key.budget_id: (i.current, i.proposed) for i in child.decision.lines if i.changes} == {
        "a": (usd(60), usd(100)),
        "b": (usd(90), usd(50)),
        "d": (usd(70), usd(80)),
        "e": (usd(30), usd(20)),
    }
    was, now = SHIFT.total, child.decision.total
    assert (now.mean, now.low80, now.high80, now.low95, now.high95) == pytest.approx(
        (-was.mean, -was.high80, -was.low80, -was.high95, -was.low95)
    )
    assert now.p_worse == pytest.approx(0.9)
    assert child.decision.expected_now == SHIFT.expected_then
    assert child.decision.expected_then == SHIFT.expected_now
    assert child.decision.as_of == NOW.date() + timedelta(days=3)


def test_a_rollback_of_some_lines_sums_their_effects_on_the_careful_side():
    record, intents = applied()
    total = rollback(record, intents, AFTER, lines=keys("ab")).record.recommendation.decision.total
    # a: -4, b: +4 a day by themselves; undone +4 and -4, each with P(worse) 0.75.
    assert (total.mean, total.low80, total.high80, total.p_worse) == pytest.approx((0, -4, 2, 1))


def test_a_rollback_reports_drift_and_restores_the_rest_when_asked_to():
    record, intents = applied()
    outcome = refusal(rollback(record, intents, AFTER | live({"a": 61})), Code.DRIFT)
    assert [(d.key, d.expected, d.live) for d in outcome.drifts] == [(key("a"), usd(60), usd(61))]
    gone = {k: v for k, v in AFTER.items() if k != key("a")}
    assert refusal(rollback(record, intents, gone), Code.DRIFT).drifts[0].live is None
    rest = rollback(record, intents, AFTER | live({"a": 61}), lines=keys("be"))
    assert {i.key for i in rest.record.recommendation.decision.lines if i.changes} == set(keys("be"))


def test_a_rollback_takes_back_only_what_was_written():
    record, intents = failed()
    step = rollback(record, intents, changed(d=70, e=30))
    assert {i.key for i in step.record.recommendation.decision.lines if i.changes} == set(keys("de"))
    assert step.record.recommendation.decision.expected_now == pytest.approx(100.0 - 1 + 1)
    refusal(rollback(record, intents, changed(d=70, e=30), lines=keys("a")), Code.UNKNOWN_LINE)
    refusal(rollback(record, intents, changed(d=70, e=30), lines=()), Code.NOTHING_TO_DO)
    refusal(rollback(approved(SHIFT), (), LIVE), Code.WRONG_STATE)


def test_a_rollback_gives_way_to_a_ceiling_but_not_to_a_floor():
    above = decision({"a": (100, 60), "b": (100, 80)}, envelope("total", "ab", ceiling=150))
    record, intents = applied(above)
    refusal(rollback(record, intents, live({"a": 60, "b": 80})), Code.ENVELOPE)
    below = decision({"a": (20, 60)}, envelope("brand", "a", floor=50))
    record, intents = applied(below)
    assert isinstance(rollback(record, intents, live({"a": 60})), Transition)


def test_the_parent_is_rolled_back_once_a_child_that_restores_all_is_verified():
    record, intents = applied()
    child = rollback(record, intents, AFTER).record
    assert approval.rolled_back(record, intents, child, NOW) is None
    whole = replace(child, state=State.VERIFIED, approved_lines=keys("abde"))
    assert approval.rolled_back(record, intents, whole, NOW).record.state is State.ROLLED_BACK
    part = replace(whole, approved_lines=keys("ab"))
    assert approval.rolled_back(record, intents, part, NOW) is None
    stranger = replace(whole, recommendation=record.recommendation)
    assert approval.rolled_back(record, intents, stranger, NOW) is None
