"""Writes of ads: the states of a budget's write, and at no instant a budget without a running ad."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from bandits.experiment import Experiment, Kind, Metric, Share
from connectors.contract import AdKey, EntityStatus, Receipt, StatusReceipt
from optimizer import approval
from optimizer.approval import Blocked, Code, Refusal, Waiting, switching
from optimizer.approval.intents import planned
from optimizer.goals import Goals, Pin, Scope
from optimizer.plan.canonical import from_json, to_json
from optimizer.plan.recommendation import Decision, Recommendation
from optimizer.plan.record import AdIntent, IntentState, Record, State, Transition
from optimizer.plan.snapshot import Arm, ArmPanel
from optimizer.rotation import Rotation
from tests.optimizer.approval_world import (
    ANYBODY,
    DAY,
    NOW,
    SECOND,
    ad_key,
    ad_line,
    ads,
    as_planned,
    decision,
    envelope,
    issued,
    key,
    line,
    live,
    usd,
)
from tests.optimizer.snapshots import snapshot

ACTIVE, PAUSED = EntityStatus.ACTIVE, EntityStatus.PAUSED
BUDGETS = decision({"a": (100, 60), "b": (50, 90)}, envelope("total", "ab", ceiling=150))
EXCHANGE = replace(BUDGETS, ads=(ad_line("z", "active"), ad_line("x", "paused", moved=25)))
SEEN = ads("wxy", "z")
STILL = decision({"a": (100, 100)})
LIVE = as_planned(BUDGETS)


def refusal(outcome, code):
    assert isinstance(outcome, Refusal), outcome
    assert outcome.code is code
    assert outcome.mend
    return outcome


def approved(plan: Decision, *keys: object) -> Record:
    record = issued(plan).record
    verdict = approval.Approve("ann", record.recommendation.plan_hash, tuple(keys) or None)
    step = approval.judge(record, verdict, NOW, ANYBODY)
    assert isinstance(step, Transition), step
    return step.record


def begin(record, seen=SEEN, budgets=LIVE, open_intents=()):
    return approval.begin(record, budgets, NOW, open_intents=open_intents, ads=seen)


def begun(record, seen=SEEN) -> Transition:
    step = begin(record, seen)
    assert isinstance(step, Transition), step
    return step


ONLY_ADS = (ad_key("z"), ad_key("x"))
INTENT = begun(approved(EXCHANGE, *ONLY_ADS)).intents[1]
SENT = approval.sending(INTENT, ACTIVE, NOW)
RECEIPT = StatusReceipt(ad_key("x"), PAUSED, "req-1", NOW)


# The values


def test_an_older_recommendation_without_ads_keeps_its_hash():
    assert "ads" not in json.loads(to_json(BUDGETS))
    assert json.loads(to_json(EXCHANGE))["ads"][0]["proposed"] == "active"


def test_a_recommendation_and_its_approval_survive_json():
    record = approved(EXCHANGE, key("a"), ad_key("x"))
    assert from_json(Record, to_json(record)) == record
    recommendation = record.recommendation
    assert from_json(Recommendation, to_json(recommendation)).computed_hash() == recommendation.plan_hash
    assert replace(recommendation, decision=BUDGETS).computed_hash() != recommendation.plan_hash


def test_ads_alone_are_worth_a_proposal():
    still = decision({"a": (100, 100)})
    assert issued(still).record.state is State.HELD
    proposed = issued(replace(still, ads=(ad_line("x", "paused"),)))
    assert (proposed.record.state, proposed.event.detail) == (
        State.PROPOSED,
        "0 of 1 budgets and 1 ad change, 10.00 USD a day is moved",
    )


# Approving


def test_ads_are_approved_by_themselves_or_with_budgets():
    record = approved(EXCHANGE, key("a"), ad_key("x"))
    assert record.approved_lines == (key("a"), ad_key("x"))
    assert [each.key for each in approval.chosen(record)] == [key("a"), ad_key("x")]
    assert [each.key for each in approval.chosen(approved(EXCHANGE))] == [key("a"), key("b"), *ONLY_ADS]
    event = approval.judge(
        issued(EXCHANGE).record, approval.Approve("ann", issued(EXCHANGE).record.recommendation.plan_hash), NOW, ANYBODY
    ).event
    assert "in 2 budgets and 2 ads (" in event.detail


def test_an_ad_that_is_not_in_the_plan_is_refused():
    record = issued(EXCHANGE).record
    verdict = approval.Approve("ann", record.recommendation.plan_hash, (ad_key("a"),))
    assert (
        "files/acme/ads/a is not in the plan"
        in refusal(approval.judge(record, verdict, NOW, ANYBODY), Code.UNKNOWN_LINE).message
    )


def test_a_part_that_leaves_too_few_ads_running_is_not_approved():
    plan = replace(BUDGETS, ads=(ad_line("z", "active", running=2), ad_line("x", "paused", running=2)))
    record = issued(plan).record
    verdict = approval.Approve("ann", record.recommendation.plan_hash, (ad_key("x"),))
    told = refusal(approval.judge(record, verdict, NOW, ANYBODY), Code.LAST_AD)
    assert "Ad x: 1 of the ads of its budget would run, and at least 2 must" in told.message
    assert approved(plan, ad_key("z")).approved_lines == (ad_key("z"),)


def test_what_ads_spend_counts_towards_the_second_approver():
    assert approval.moved(approval.chosen(approved(EXCHANGE)), "USD") == usd(40 + 25)
    record = issued(replace(EXCHANGE, lines=STILL.lines, envelopes=())).record
    policy = approval.Policy(usd(20))
    verdict = approval.Approve("ann", record.recommendation.plan_hash)
    first = approval.judge(record, verdict, NOW, policy)
    assert (first.record.state, first.event.action) == (State.PROPOSED, "awaits-second")
    other = approval.judge(first.record, replace(verdict, by="bob", lines=(ad_key("z"),)), NOW, policy)
    refusal(other, Code.OTHER_LINES)
    assert approval.judge(first.record, replace(verdict, by="bob"), NOW, policy).record.state is State.APPROVED


# Beginning


def test_begin_plans_budgets_then_resumes_then_pauses():
    plan = replace(
        BUDGETS,
        ads=(ad_line("x", "paused"), ad_line("p", "paused", "b"), ad_line("z", "active"), ad_line("q", "active", "b")),
    )
    step = begun(approved(plan), SEEN | ads("pr", "q", "b"))
    names = [(getattr(i.key, "ad_id", ""), str(i.target)) for i in step.intents]
    assert names[2:] == [("z", "active"), ("x", "paused"), ("q", "active"), ("p", "paused")]
    assert [i.order for i in step.intents] == list(range(6))
    assert "Ad z: paused -> active; Ad x: active -> paused" in step.event.detail


def test_an_ad_and_a_budget_of_one_name_have_keys_of_their_own():
    recommendation = issued(BUDGETS).record.recommendation
    rows = [line("x", 1, 2), ad_line("x", "paused")]
    first, second = (planned(recommendation, row, order=0, now=NOW).idempotency_key for row in rows)
    assert first != second


def test_begin_tells_an_ad_that_somebody_switched_and_closes_the_approval():
    told = refusal(begin(approved(EXCHANGE), ads("wy", "xz")), Code.DRIFT)
    assert "Ad x (files/acme/ads/x): expected active, live paused" in told.message
    assert told.message.startswith("Somebody changed ads")
    assert told.step.record.state is State.EXPIRED
    assert "live gone" in refusal(begin(approved(EXCHANGE), ads("wy", "z")), Code.DRIFT).message


def test_without_a_reading_of_the_ads_nothing_is_begun():
    refusal(approval.begin(approved(EXCHANGE), LIVE, NOW, open_intents=()), Code.DRIFT)


def test_begin_refuses_while_another_write_is_open():
    refusal(begin(approved(EXCHANGE), open_intents=(SENT,)), Code.BUSY)


def test_begin_refuses_what_would_leave_a_budget_dark_since_somebody_paused_the_others():
    plan = replace(BUDGETS, ads=(ad_line("x", "paused", running=4),))
    told = refusal(begin(approved(plan), ads("xw", "yz")), Code.LAST_AD)
    assert "1 of the ads of its budget would run, and at least 2 must" in told.message
    refusal(begin(approved(plan), ads("x", "wyz")), Code.LAST_AD)
    assert begun(approved(plan), ads("xwy", "z"))


def test_begin_refuses_an_ad_that_moved_to_another_budget():
    moved = SEEN | {ad_key("x"): replace(SEEN[ad_key("x")], campaign_id="b")}
    assert (
        "does not draw on files/acme/a any more" in refusal(begin(approved(EXCHANGE), moved), Code.NOT_WRITABLE).message
    )


# Sending


def current(step: Transition, **states: IntentState):
    """The intents of a step, some of them further on."""
    found = []
    for intent in step.intents:
        name = getattr(intent.key, "ad_id", getattr(intent.key, "budget_id", ""))
        state = states.get(name, intent.state)
        found.append(replace(intent, state=state, attempts=int(state is not IntentState.PLANNED)))
    return found


def following(step: Transition, seen, **states: IntentState):
    return approval.sendable(step.record, current(step, **states), LIVE, NOW, ads=seen)


SWAP = replace(BUDGETS, ads=(ad_line("z", "active", running=1, least=1), ad_line("x", "paused", running=1, least=1)))


def test_a_pause_waits_until_the_ad_that_takes_its_place_runs():
    step = begun(approved(SWAP, *ONLY_ADS), ads("x", "z"))
    assert following(step, ads("x", "z")).key == ad_key("z")
    assert isinstance(following(step, ads("x", "z"), z=IntentState.SENDING), Waiting)
    assert following(step, ads("xz"), z=IntentState.ACKNOWLEDGED).key == ad_key("x")


@pytest.mark.parametrize("end", [IntentState.REFUSED, IntentState.DRIFT, IntentState.CANCELLED])
def test_without_its_place_taken_a_pause_is_given_up(end):
    step = begun(approved(SWAP, *ONLY_ADS), ads("x", "z"))
    outcome = following(step, ads("x", "z"), z=end)
    assert isinstance(outcome, Blocked)
    assert [intent.key for intent in outcome.intents] == [ad_key("x")]
    refusal(outcome.refusal, Code.LAST_AD)
    assert "No further pause fits: Ad x: 0 of the ads" in outcome.refusal.message


def test_a_resume_that_is_acknowledged_but_not_read_back_keeps_the_pause_waiting():
    step = begun(approved(SWAP, *ONLY_ADS), ads("x", "z"))
    assert isinstance(following(step, ads("x", "z"), z=IntentState.ACKNOWLEDGED), Blocked)


def test_a_pause_under_way_counts_as_done_for_the_next():
    plan = replace(BUDGETS, ads=(ad_line("x", "paused"), ad_line("y", "paused")))
    step = begun(approved(replace(plan, ads=tuple(replace(a, least=1) for a in plan.ads)), *map(ad_key, "xy")))
    assert following(step, SEEN, x=IntentState.SENDING).key == ad_key("y"), "w runs for sure"
    assert isinstance(following(step, ads("xy", "wz"), x=IntentState.SENDING), Waiting), "somebody paused w"
    assert isinstance(following(step, ads("xy", "wz"), x=IntentState.ACKNOWLEDGED), Blocked), "a stale reading"


def test_more_ads_that_must_run_since_the_approval_hold_back_the_pause():
    step = begun(approved(replace(STILL, ads=(ad_line("x", "paused"),))))
    assert following(step, SEEN).key == ad_key("x")

    def strict(record):
        return approval.sendable(record, current(step), LIVE, NOW, ads=SEEN, keep=3)

    refusal(strict(step.record).refusal, Code.LAST_AD)
    child = replace(step.record, recommendation=replace(step.record.recommendation, parent_id="R-0"))
    assert strict(child).key == ad_key("x"), "a rollback restores what ran before"


def test_a_blocked_raise_does_not_keep_ads_from_being_switched():
    step = begun(approved(EXCHANGE))
    outcome = approval.sendable(step.record, current(step, a=IntentState.REFUSED), LIVE, NOW, ads=SEEN)
    assert outcome.key == ad_key("z")


def test_a_write_of_an_ad_walks_the_states_of_any_other():
    assert (SENT.state, SENT.attempts) == (IntentState.SENDING, 1)
    assert approval.sending(INTENT, PAUSED, NOW).state is IntentState.DRIFT, "somebody paused it: it is not ours"
    assert approval.sending(replace(INTENT, attempts=1), PAUSED, NOW).state is IntentState.ACKNOWLEDGED
    gone = approval.sending(INTENT, None, NOW)
    assert (gone.state, gone.note) == (IntentState.DRIFT, "drift: expected active or paused, the ad is gone")
    assert approval.told(INTENT, SENT, NOW).detail.startswith("files/acme/ads/x: active -> paused; ")


def test_a_receipt_of_an_ad_is_believed_only_with_the_read_back():
    assert approval.acknowledged(SENT, RECEIPT, PAUSED, NOW).state is IntentState.ACKNOWLEDGED
    unsure = approval.acknowledged(SENT, RECEIPT, ACTIVE, NOW)
    assert (unsure.state, unsure.note) == (
        IntentState.SENDING,
        "the platform acknowledged paused, but active is read back",
    )
    assert approval.acknowledged(SENT, RECEIPT, None, NOW).state is IntentState.DRIFT
    for strange in (replace(RECEIPT, key=ad_key("y")), Receipt(key("x"), usd(1), "r", NOW)):
        with pytest.raises(ValueError, match="the receipt is of"):
            approval.acknowledged(SENT, strange, PAUSED, NOW)


def test_a_lost_answer_is_settled_from_the_live_status():
    assert approval.recover(SENT, PAUSED, NOW).state is IntentState.ACKNOWLEDGED
    assert approval.recover(SENT, ACTIVE, NOW + 59 * SECOND) == SENT
    assert approval.recover(SENT, ACTIVE, NOW + approval.RESEND_AFTER).state is IntentState.PLANNED
    assert approval.recover(SENT, None, NOW).state is IntentState.DRIFT


def test_what_a_person_has_undone_is_not_switched_again():
    """Of two statuses the base is what stands after the undoing, too: only the etag tells."""
    plan = replace(EXCHANGE, ads=tuple(replace(ad, etag="e1") for ad in EXCHANGE.ads))
    record = approved(plan, *ONLY_ADS)
    same, other = ({k: replace(ad, etag=etag) for k, ad in SEEN.items()} for etag in ("e1", "e2"))
    assert approval.touched(record, SENT, other)
    assert not approval.touched(record, SENT, same)
    assert not approval.touched(record, SENT, SEEN), "a platform without etags"
    assert not approval.touched(record, SENT, {})
    late = NOW + approval.RESEND_AFTER
    assert approval.recover(SENT, ACTIVE, late, touched=True).state is IntentState.DRIFT
    assert approval.recover(SENT, PAUSED, late, touched=True).state is IntentState.ACKNOWLEDGED
    again = approval.recover(SENT, ACTIVE, late)
    assert approval.sending(again, ACTIVE, late, touched=True).state is IntentState.DRIFT
    assert approval.sending(INTENT, ACTIVE, late, touched=True).state is IntentState.SENDING, "nothing of ours to undo"


def test_verifying_compares_what_stands_with_what_was_written():
    written = approval.acknowledged(SENT, RECEIPT, PAUSED, NOW)
    assert approval.verify(written, PAUSED, NOW).state is IntentState.VERIFIED
    assert approval.verify(written, ACTIVE, NOW).state is IntentState.DRIFT


def test_a_revision_of_ads_is_concluded_and_verified():
    step = begun(approved(EXCHANGE, *ONLY_ADS))
    done = current(step, x=IntentState.ACKNOWLEDGED, z=IntentState.ACKNOWLEDGED)
    applied = approval.conclude(step.record, done, NOW)
    assert (applied.record.state, applied.event.detail) == (State.APPLIED, "2 ads were set")
    read = [replace(intent, state=IntentState.VERIFIED) for intent in done]
    assert approval.verified(applied.record, read, NOW).record.state is State.VERIFIED
    drifted = [replace(done[0], state=IntentState.DRIFT), done[1]]
    assert approval.verified(applied.record, drifted, NOW).record.state is State.FAILED


def failed(**states: IntentState) -> tuple[Record, list[AdIntent]]:
    step = begun(approved(EXCHANGE, *ONLY_ADS))
    ended = current(step, **states)
    return approval.conclude(step.record, ended, NOW).record, ended


def test_a_retry_plans_the_unresolved_ads_anew():
    record, ended = failed(z=IntentState.ACKNOWLEDGED, x=IntentState.REFUSED)
    step = approval.retry(record, ended, LIVE, NOW, open_intents=(), ads=ads("wxyz"))
    (again,) = step.intents
    assert (again.key, again.attempts) == (ad_key("x"), 1)
    assert again.idempotency_key not in {intent.idempotency_key for intent in ended}
    refusal(approval.retry(record, ended, LIVE, NOW, open_intents=(), ads=ads("wyz", "x")), Code.DRIFT)


# The guards of this moment

WORLD = snapshot(days=40)
SHOP = replace(STILL, ads=tuple(replace(ad, target=WORLD.targets[0].key) for ad in EXCHANGE.ads))


def forbidden(goals=None, rotation=None, record=None, seen=WORLD):
    record = record or approved(SHOP)
    intents = [planned(record.recommendation, each, order=n, now=NOW) for n, each in enumerate(approval.chosen(record))]
    return approval.forbidden(record, intents, seen, goals or Goals("EUR"), rotation or Rotation(), NOW)


@pytest.mark.parametrize("scope", ["ad:x", "ad:Ad x", "budget:brand", "campaign:brand", "channel:search", "all"])
def test_a_pin_of_now_forbids_the_write(scope):
    pinned = Goals("EUR", pins=(Pin(Scope.parse(scope), "ada", "launch"),))
    assert "may not be set to" in refusal(forbidden(pinned), Code.NOT_WRITABLE).message
    assert "pinned by ada: launch" in forbidden(pinned).message


def test_other_pins_and_none_let_it_through():
    other = Goals("EUR", pins=(Pin(Scope.parse("ad:w"), "ada", "launch"), Pin(Scope.parse("tag:x"), "ada", "no")))
    assert forbidden(other) is None


def test_an_experiment_that_was_registered_after_the_plan_forbids_the_write():
    key, first = WORLD.targets[0].key, WORLD.today + timedelta(days=1)
    table = np.ones((1, WORLD.panel.days))
    panel = ArmPanel((Arm(0, None, "x", None, None, "X"),), table, table, table, table, table)

    def tested(*ids):
        plan = Experiment("headline", (str(key),), Kind.AD, tuple(Share(each, 0.5) for each in ids), ids[0], Metric.CTR,
                          0.1, first, first + timedelta(days=13))  # fmt: skip
        return forbidden(seen=replace(WORLD, arms=panel, experiments=(plan,)))

    assert "it is in an open experiment" in refusal(tested("x", "y"), Code.NOT_WRITABLE).message
    assert tested("v", "w") is None


def test_ads_that_are_switched_off_in_the_settings_are_not_written_but_restored():
    off = Rotation(max_changes=0)
    refusal(forbidden(rotation=off), Code.NOT_WRITABLE)
    record = approved(SHOP)
    child = replace(record, recommendation=replace(record.recommendation, parent_id="R-0"))
    assert forbidden(rotation=off, record=child) is None
    assert forbidden(Goals("EUR", pins=(Pin(Scope.parse("ad:x"), "ada", "no"),)), off, child) is not None


# Rolling back


def rolled(record, ended, seen, lines=None):
    return approval.rollback(
        record, ended, LIVE, NOW, author="bob", valid_for=DAY, code_version="0", lines=lines, ads=seen
    )


def applied() -> tuple[Record, list[AdIntent]]:
    return failed(z=IntentState.ACKNOWLEDGED, x=IntentState.ACKNOWLEDGED)


def test_a_rollback_proposes_the_exact_prior_statuses_resumes_first():
    record, ended = applied()
    step = rolled(record, ended, ads("wyz", "x"))
    assert step.record.state is State.PROPOSED
    back = step.record.recommendation.decision
    assert [(each.key.ad_id, each.current, each.proposed) for each in back.ads] == [
        ("x", PAUSED, ACTIVE), ("z", ACTIVE, PAUSED),
    ]  # fmt: skip
    assert {(each.running, each.least) for each in back.ads} == {(3, 1)}
    assert [each.effect.mean for each in back.ads] == [-1.0, -1.0]
    assert not any(each.changes for each in back.lines)


def test_a_rollback_reports_ads_that_somebody_switched_and_restores_the_rest_when_asked_to():
    record, ended = applied()
    told = refusal(rolled(record, ended, ads("wyxz")), Code.DRIFT)
    assert "Somebody changed ads" in told.message
    assert "Ad x (files/acme/ads/x): expected paused, live active" in told.message
    step = rolled(record, ended, ads("wyxz"), lines=[ad_key("z")])
    assert [each.key for each in step.record.recommendation.decision.ads] == [ad_key("z")]
    refusal(rolled(record, ended, ads("wyxz"), lines=[ad_key("w")]), Code.UNKNOWN_LINE)


def test_a_rollback_that_would_leave_a_budget_dark_is_refused():
    plan = replace(BUDGETS, ads=(ad_line("z", "active", running=1, least=1),))
    step = begun(approved(plan, ad_key("z")), ads("w", "z"))
    record = approval.conclude(step.record, current(step, z=IntentState.ACKNOWLEDGED), NOW).record
    written = current(step, z=IntentState.ACKNOWLEDGED)
    assert isinstance(rolled(record, written, ads("wz")), Transition)
    refusal(rolled(record, written, ads("z", "w")), Code.LAST_AD)


def test_the_parent_is_marked_once_all_that_it_set_is_restored():
    record, ended = applied()
    step = rolled(record, ended, ads("wyz", "x"))
    for keys, whole in ((ONLY_ADS, True), (ONLY_ADS[:1], False)):
        child = replace(step.record, state=State.VERIFIED, approved_lines=keys)
        marked = approval.rolled_back(record, ended, child, NOW)
        assert (marked is not None) is whole
    detail = approval.rolled_back(
        record, ended, replace(step.record, state=State.VERIFIED, approved_lines=ONLY_ADS), NOW
    )
    assert detail.event.detail == f"2 ads restored by {step.record.recommendation.rec_id}"


# At every instant

CREW = "uvwxyz"
events = st.lists(
    st.tuples(
        st.just("send"), st.sampled_from(("none", "lost-after", "lost-before", "delayed", "refused", "throttled"))
    )
    | st.tuples(st.just("person"), st.tuples(st.sampled_from(CREW), st.booleans(), st.booleans()))
    | st.tuples(st.just("wait"), st.sampled_from(((5, False), (70, True), (70, False)))),
    max_size=25,
)
members = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=len(CREW))


class Stage:
    """A platform that does not compare before it sets, with one budget, and the house's writes on it."""

    def __init__(self, crew, keep):
        self.now = NOW
        self.statuses = {ad_key(n): ACTIVE if runs else PAUSED for n, (runs, _) in zip(CREW, crew, strict=False)}
        self.began = dict(self.statuses)
        self.changes: Counter[AdKey] = Counter()
        running = self.running()
        switched = [n for n, (_, changes) in zip(CREW, crew, strict=False) if changes]
        rows = tuple(
            ad_line(
                n,
                "paused" if self.statuses[ad_key(n)] is ACTIVE else "active",
                running=running,
                least=min(keep, running),
            )
            for n in switched
        )
        self.plan = replace(STILL, ads=tuple(replace(row, etag="e0") for row in rows))
        self.flight: list[AdIntent] = []
        self.effects: Counter[str] = Counter()
        self.persons = 0

    def running(self):
        return sum(status is ACTIVE for status in self.statuses.values())

    def seen(self):
        known = ads("".join(key.ad_id for key in self.statuses))
        return {key: replace(ad, status=self.statuses[key], etag=f"e{self.changes[key]}") for key, ad in known.items()}

    def put(self, key, status):
        self.changes[key] += self.statuses[key] is not status
        self.statuses[key] = status

    def land(self, intent):
        before = self.statuses[intent.key]
        if before is intent.target:
            return
        assert before is intent.base
        self.put(intent.key, intent.target)
        self.effects[intent.idempotency_key] += 1
        assert self.effects[intent.idempotency_key] == 1, "a write took effect twice"
        assert self.running() >= 1, "a budget stands without a running ad"

    def settle_flight(self, landing):
        calls, self.flight = self.flight, []
        for intent in calls if landing else ():
            self.land(intent)

    def run(self, record, script):
        step = approval.begin(record, live({"a": 100}), self.now, open_intents=(), ads=self.seen())
        if isinstance(step, Refusal):
            return None
        self.record = step.record
        self.intents = {intent.idempotency_key: intent for intent in step.intents}
        for kind, what in script:
            match kind:
                case "send":
                    self.send(what)
                case "person":
                    self.switch(*what)
                case "wait":
                    self.now += timedelta(seconds=what[0])
                    if what[0] > 30:
                        self.settle_flight(what[1])
        return self.record

    def switch(self, name, runs, landing):
        if ad_key(name) in self.statuses:
            self.settle_flight(landing)
            self.persons += 1
            self.put(ad_key(name), ACTIVE if runs else PAUSED)

    def keep(self, intent):
        self.intents[intent.idempotency_key] = intent
        return intent

    def send(self, fault):
        self.recover()
        outcome = approval.sendable(self.record, self.intents.values(), live({"a": 100}), self.now, ads=self.seen())
        if isinstance(outcome, Blocked):
            for intent in outcome.intents:
                self.keep(approval.cancel(intent, "no", self.now))
        if isinstance(outcome, AdIntent):
            touched = approval.touched(self.record, outcome, self.seen())
            self.call(
                self.keep(approval.sending(outcome, self.statuses[outcome.key], self.now, touched=touched)), fault
            )

    def recover(self):
        for intent in list(self.intents.values()):
            if intent.state is IntentState.SENDING:
                touched = approval.touched(self.record, intent, self.seen())
                self.keep(approval.recover(intent, self.statuses[intent.key], self.now, touched=touched))

    def call(self, intent, fault):
        if intent.state is not IntentState.SENDING:
            return
        if fault in ("none", "lost-after"):
            self.land(intent)
        match fault:
            case "none":
                receipt = StatusReceipt(intent.key, intent.target, "r", self.now)
                self.keep(approval.acknowledged(intent, receipt, self.statuses[intent.key], self.now))
            case "refused":
                self.keep(approval.refused(intent, "no", self.now))
            case "throttled":
                self.keep(approval.postponed(intent, "429", self.now))
            case _:
                if fault == "delayed":
                    self.flight.append(intent)
                self.keep(approval.unknown(intent, "timeout", self.now))

    def finish(self):
        """Let everything come to its end without further faults."""
        self.settle_flight(landing=True)
        for _ in range(3 * len(self.statuses)):
            self.now += timedelta(seconds=70)
            self.send("none")
        return approval.conclude(self.record, self.intents.values(), self.now).record


def walk(crew, keep, script):
    stage = Stage(crew, keep)
    record = issued(stage.plan).record
    verdict = approval.judge(record, approval.Approve("ann", record.recommendation.plan_hash), NOW, ANYBODY)
    if not stage.plan.ads or isinstance(verdict, Refusal) or stage.run(verdict.record, script) is None:
        return
    record = stage.finish()
    told = {i.key for i in stage.intents.values() if i.state is IntentState.ACKNOWLEDGED}
    written = {i.key for i in stage.intents.values() if stage.effects[i.idempotency_key]}
    # A person may undo what was written, or do what was to be done, while an answer is lost.
    assert stage.persons or written == told, "an effect that no intent tells, or the other way round"
    if stage.persons or record.state is not State.APPLIED:
        return
    assert all(stage.statuses[each.key] is each.proposed for each in stage.plan.ads)
    intents = tuple(stage.intents.values())
    back = approval.rollback(
        record, intents, live({"a": 100}), stage.now, author="bob", valid_for=DAY, code_version="0", ads=stage.seen()
    )
    if isinstance(back, Refusal):
        assert back.code is Code.LAST_AD, back
        assert sum(status is ACTIVE for status in stage.began.values()) == 0, "what ran before can be restored"
        return
    child = approval.judge(
        back.record, approval.Approve("ann", back.record.recommendation.plan_hash), stage.now, ANYBODY
    ).record
    assert stage.run(child, ()) is not None
    stage.finish()
    assert stage.statuses == stage.began


WALKS = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
# The ad that is to take over is refused, one pause is under way, and the other would be the last.
TIGHT = {
    "crew": [(False, True), (True, True), (True, True)],
    "keep": 1,
    "script": [("send", "refused"), ("send", "delayed"), ("send", "none")],
}

# A pause takes effect, its answer is lost, and somebody resumes the ad.
UNDONE = {
    "crew": [(True, False), (True, False), (True, True)],
    "keep": 1,
    "script": [("send", "lost-after"), ("person", ("w", True, False)), ("wait", (70, False)), ("send", "none")],
}


def walks(chosen):
    chosen(example(**TIGHT)(example(**UNDONE)(given(crew=members, keep=st.integers(1, 3), script=events)(walk))))()


def test_no_budget_is_ever_without_a_running_ad_by_our_hand_and_a_rollback_restores_all():
    walks(WALKS)


def _nothing(*_args, **_kwargs):
    return None


def _pauses_first(rows):
    return tuple(sorted(rows, key=lambda row: (row.target, row.proposed is ACTIVE, row.key)))


MUTATIONS = {
    "the ads beside are not counted": ([(switching, "darkens", _nothing), (switching, "alone", _nothing),
                                  (switching, "darkened", _nothing)], "without a running ad"),
    "pauses go first, unguarded": ([(switching, "in_order", _pauses_first), (switching, "darkens", _nothing)],
                                   "without a running ad"),
    "calls under way count as not done": ([(switching, "_may_stop", lambda _intent: False)], "without a running ad"),
    "the plan alone is believed": ([(switching, "darkens", _nothing)], "without a running ad"),
    "there and back is not noticed": ([(approval, "touched", lambda *_: False)], "took effect twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_walk_notices_a_guard_that_is_gone(name, monkeypatch):
    changes, words = MUTATIONS[name]
    for module, attribute, replacement in changes:
        monkeypatch.setattr(module, attribute, replacement)
    with pytest.raises(AssertionError, match=words):
        walks(settings(WALKS, max_examples=600))


def test_the_keys_of_ads_are_told_apart_from_budgets():
    assert str(ad_key("x")) == "files/acme/ads/x"
    assert sorted([ad_key("b"), ad_key("a")]) == [ad_key("a"), ad_key("b")]
    assert isinstance(ad_key("a"), AdKey)
