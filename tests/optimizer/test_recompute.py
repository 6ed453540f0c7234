"""A past decision made again: the same bytes from the same past, and what differs named where they are not."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from connectors.money import Money
from optimizer.agent import cycle, recompute, writing
from optimizer.goals import Explore, Goals, Limit, Pin, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan.canonical import content_hash, from_json, to_json
from optimizer.plan.recommendation import Objective
from optimizer.ports import NotFound, StoreError
from tests.optimizer.test_cycle import rig

FULL = Goals(
    "EUR",
    objective=Objective.PROFIT,
    total=Money.of(1000, "EUR"),
    value_per_conversion=Money.of("12.34", "EUR"),
    margin=1 / 3,
    largest_step=0.1,
    limits=(
        Limit(Scope.parse("channel:search"), floor=Money.of(1, "EUR"), ceiling=Money.of(9, "EUR"), share_floor=0.1),
        Limit(Scope.parse("tag:brand — new"), roas_floor=2.5, cpa_ceiling=Money.of(7, "EUR")),
        Limit(Scope.parse("all"), minimum_when_on=Money.of(3, "EUR")),
    ),
    pins=(
        Pin(Scope.parse("campaign:7"), "ann", "launch", date(2026, 3, 1)),
        Pin(Scope.parse("budget:x"), "bob", "why"),
    ),
    roas_floor=1.1,
    cpa_ceiling=Money.of(20, "EUR"),
    confidence=0.9,
    explore=Explore.THOMPSON,
    explore_limit=0.2,
    risk_aversion=0.25,
    risk_tail=0.3,
    switching_cost=1e-9,
)


def test_goals_and_guards_that_were_kept_are_read_back_as_they_were():
    guards = Guardrails(largest_step_24h=1 / 3, max_changes=4)
    assert from_json(Goals, to_json(FULL)) == FULL
    assert content_hash(from_json(Goals, to_json(FULL))) == FULL.digest()
    assert from_json(Guardrails, to_json(guards)) == guards


def test_later_readings_do_not_change_what_comes_out():
    it = rig()
    made = it.proposed().recommendation
    for _ in range(3):
        it.house.clock.sleep(86_400)
        cycle.pull(it.house, it.today + timedelta(days=1))
    other = replace(it.house, goals=Goals("JPY", risk_aversion=0.9), history_days=20)
    found = recompute.recompute(other, made.rec_id)
    assert (found.same, found.plan_hash, found.causes, found.differences) == (True, made.plan_hash, (), ())


def test_an_edited_revision_is_decided_around_the_same_lines():
    it = rig()
    made = it.proposed().recommendation
    key = made.decision.lines[0].key
    edited = cycle.edit(it.house, made.rec_id, {}, "ada", keep=[key]).recommendation
    assert recompute.recompute(it.house, made.rec_id).plan_hash == edited.plan_hash
    assert recompute.recompute(it.house, made.rec_id, 1).plan_hash == made.plan_hash


def test_what_differs_is_named_with_its_cause(monkeypatch):
    it = rig()
    made = it.proposed().recommendation
    decided = recompute.decided
    monkeypatch.setattr(recompute, "decided", lambda *given, **more: _doubled(decided(*given, **more)))
    found = recompute.recompute(replace(it.house, code_version="9.9"), made.rec_id)
    assert not found.same
    assert found.causes == ("It was made by version test; this is 9.9.",)
    assert {d.path for d in found.differences} == {"decision.expected_now", "plan_hash"}


def _doubled(decision):
    return replace(decision, expected_now=2 * decision.expected_now)


def test_a_revision_that_was_changed_behind_the_store_is_told():
    it = rig()
    record = it.proposed()
    forged = replace(record.recommendation, seed=record.recommendation.seed + 1)
    it.house.store._records[forged.rec_id, 1] = replace(record, recommendation=forged)
    found = recompute.recompute(it.house, forged.rec_id)
    assert not found.same
    assert any("does not have the hash that it was issued with" in cause for cause in found.causes)


def test_what_cannot_be_decided_again_says_why():
    it = rig()
    record = it.approved()
    writing.apply(it.house, record.recommendation.rec_id)
    writing.verify(it.house, record.recommendation.rec_id)
    child = writing.rollback(it.house, record.recommendation.rec_id, "ada").recommendation
    with pytest.raises(StoreError, match="restores what stood before"):
        recompute.recompute(it.house, child.rec_id)
    with pytest.raises(NotFound):
        recompute.recompute(it.house, "R-none")
    kept = it.house.store._bases.pop((record.recommendation.rec_id, 1))
    with pytest.raises(StoreError, match="goals and guardrails were not kept"):
        recompute.recompute(it.house, record.recommendation.rec_id)
    it.house.store._bases[record.recommendation.rec_id, 1] = replace(kept, goals='{"currency":"EUR","wish":1')
    with pytest.raises(StoreError, match=r"goals cannot be read by this version\. Mend: use the version"):
        recompute.recompute(it.house, record.recommendation.rec_id)
