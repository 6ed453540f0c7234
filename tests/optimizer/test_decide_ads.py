"""Ads in the decision: proposed beside the budgets, and not at all where the data are in doubt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from bandits.experiment import Experiment, Kind, Metric, Share
from connectors.contract import AdState, EntityStatus
from connectors.money import Money
from optimizer.decide import decide
from optimizer.goals import Goals
from optimizer.guardrails import Guardrails
from optimizer.plan.recommendation import AdLine, Decision, Objective
from optimizer.plan.snapshot import BudgetMove, Freshness, Snapshot
from optimizer.rotation import Rotation
from tests.optimizer.snapshots import ACCOUNT, NOW, TODAY, snapshot

PAIR = tuple(AdState(ACCOUNT, name, name.upper(), "brand", "g", EntityStatus.ACTIVE) for name in ("ad1", "ad2"))
SEEN = replace(snapshot(ads=True), ads=PAIR)
ALONE = Rotation(keep_running=1)


def decided(seen: Snapshot = SEEN, goals: Goals | None = None, rotation: Rotation = ALONE) -> Decision:
    rng = np.random.default_rng(3)
    return decide(seen, goals or Goals("EUR"), Guardrails(), NOW, rng, rotation=rotation)


def told(decision: Decision) -> list[str]:
    return [line.key.ad_id for line in decision.ads]


def line(decision: Decision) -> AdLine:
    (found,) = decision.ads
    assert found.effect is not None
    return found


def test_the_worse_of_two_ads_is_paused_if_one_may_stand_alone() -> None:
    assert told(decided()) == ["ad2"]
    assert told(decided(rotation=Rotation())) == []
    found = line(decided())
    assert found.evidence.days == 120
    assert found.moved == Money.of("10.00", "EUR")


def test_an_ad_that_is_to_be_tested_tomorrow_is_not_paused_today() -> None:
    arms, first = (Share("ad1", 0.5), Share("ad2", 0.5)), TODAY + timedelta(days=1)
    plan = Experiment("headline", (str(SEEN.targets[0].key),), Kind.AD, arms, "ad1", Metric.CTR, 0.1, first,
                      first + timedelta(days=13))  # fmt: skip
    assert told(decided(replace(SEEN, experiments=(plan,)))) == []


def test_ads_change_nothing_about_the_budgets() -> None:
    with_ads, without = decided(), decided(replace(SEEN, ads=()))
    assert without.ads == ()
    same = {"ads": (), "input_digest": ""}
    assert replace(with_ads, **same) == replace(without, **same)


def test_the_effect_is_of_the_objective() -> None:
    """Twice as good an ad takes over half of the exposure: a third more of what the budget brings."""
    conversions = line(decided()).effect
    revenue = line(decided(goals=Goals("EUR", objective=Objective.REVENUE))).effect
    profit = line(decided(goals=Goals("EUR", objective=Objective.PROFIT, margin=0.5))).effect
    assert conversions is not None
    assert revenue is not None
    assert profit is not None
    now = next(each for each in decided().lines if each.key == line(decided()).target)
    assert conversions.mean == pytest.approx(12 * 0.8 / 3, rel=0.35), now
    assert 25 < revenue.mean / conversions.mean < 55, "a conversion is worth 40"
    assert 10 < profit.mean / conversions.mean < 30, "half of that, and the spend is the same"


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({"freshness": (Freshness("files", "shop", TODAY - timedelta(days=9)),)}, {"stale-data"}),
        ({"panel": "outage"}, {"tracking-outage"}),
    ],
)
def test_nothing_is_switched_on_doubtful_data(change: dict[str, object], codes: set[str]) -> None:
    if change.get("panel") == "outage":
        conversions = SEEN.panel.conversions.copy()
        conversions[:, -4:] = 0.0
        change = {"panel": replace(SEEN.panel, conversions=conversions)}
    decision = decided(replace(SEEN, **change))
    assert codes <= {finding.code for finding in decision.findings}
    assert decision.ads == ()


def test_a_budget_that_rests_keeps_no_ad_from_being_switched() -> None:
    key = SEEN.targets[0].key
    move = BudgetMove(key, NOW - timedelta(hours=3), Money.of(190, "EUR"), Money.of(200, "EUR"))
    decision = decided(replace(SEEN, moves=(move,)))
    assert "cool-down" in {finding.code for finding in decision.findings if finding.subject == str(key)}
    assert told(decision) == ["ad2"]


def test_what_blocks_the_portfolio_blocks_its_ads() -> None:
    silent = replace(SEEN, panel=replace(SEEN.panel, value=np.full_like(SEEN.panel.value, np.nan)))
    decision = decided(silent, Goals("EUR", objective=Objective.REVENUE))
    assert [finding.code for finding in decision.blocked] == ["no-value"]
    assert decision.ads == ()
