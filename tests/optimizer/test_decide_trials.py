"""Trials in a plan: that they leave the money a place, and are told as what they put at risk."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from connectors.money import Money
from optimizer.decide import Choice, choose, decide, search, tell, trying
from optimizer.decide.market import market
from optimizer.decide.search import Plan
from optimizer.goals import Because, Box, Explore, Goals
from optimizer.guardrails import Guardrails
from optimizer.plan.canonical import to_json
from optimizer.plan.problem import Row
from optimizer.plan.recommendation import Decision, Objective
from optimizer.plan.snapshot import Panel, Snapshot
from optimizer.trials import Trial
from tests.optimizer.snapshots import NOW, snapshot

SEEN = snapshot()
WHY = Because("test", "a test says so")


def eur(amount: float) -> Money:
    return Money.of(str(amount), "EUR")


def thin(seed: int, per_unit: float) -> Snapshot:
    """Three campaigns of three weeks and few conversions, of any size and slope: much is left to learn."""
    days, rng = 21, np.random.default_rng(seed)
    usual = rng.lognormal(np.log(200.0), 0.6, 3)
    half = (usual * rng.lognormal(0.0, 0.7, 3))[:, None]
    most = (usual * rng.lognormal(np.log(per_unit), 0.5, 3))[:, None]
    spend = usual[:, None] * rng.uniform(0.6, 1.4, (3, days))
    slope = rng.choice([0.8, 1.0, 1.5, 2.5], 3)[:, None]
    sold = rng.poisson(most * spend**slope / (spend**slope + half**slope)).astype(float)
    unknown = np.full_like(spend, np.nan)
    panel = Panel(SEEN.today - timedelta(days=days), spend, sold, unknown, unknown, unknown, unknown)
    targets = tuple(
        replace(one, budget=replace(one.budget, amount=eur(round(float(now), 2))))
        for one, now in zip(SEEN.targets[:3], usual, strict=True)
    )
    return replace(SEEN, targets=targets, panel=panel)


def chosen(seen: Snapshot, goals: Goals | None = None, guards: Guardrails | None = None) -> Choice:
    return choose(seen, goals or Goals("EUR"), guards or Guardrails(), NOW, np.random.default_rng(1))


def planned(choice: Choice) -> Plan:
    assert choice.plan is not None
    return choice.plan


def halves(choice: Choice) -> list[Trial]:
    """Each budget tried at half of what it is."""
    return [Trial(k, 0.5 * float(now), 9.0, 1.0, 1.0, 50.0) for k, now in enumerate(choice.case.snapshot.current)]


def test_a_trial_that_saves_money_needs_another_budget_that_can_take_it() -> None:
    choice = chosen(SEEN, Goals("EUR", explore_limit=1.0))
    case, now = choice.case, choice.case.snapshot.current
    sober, trials = replace(planned(choice).aim, spend=now), halves(choice)
    for most, found in ((1.2, [1]), (1.8, [0, 1]), (5.0, [0, 1, 2])):
        box = Box(np.zeros(4), most * now, ((WHY,),) * 4, ((WHY,),) * 4)
        assert [t.target for t in trying.admitted(case, box, case.rows, trials, sober)] == found
    assert [t.target for t in trying.admitted(case, box, case.rows, trials[::-1], sober)] == [3, 2, 1]


def test_what_others_can_take_is_reckoned_within_the_limits_of_groups() -> None:
    """Room for all that two trials save, but not within what the others may be together."""
    choice = chosen(SEEN, Goals("EUR", explore_limit=1.0))
    case, now = choice.case, choice.case.snapshot.current
    sober, trials = replace(planned(choice).aim, spend=now), halves(choice)[:2]
    box = Box(np.zeros(4), 5.0 * now, ((WHY,),) * 4, ((WHY,),) * 4)
    assert len(trying.admitted(case, box, case.rows, trials, sober)) == 2
    others = np.array([0.0, 0.0, 1.0, 1.0])
    tight = Row("ceiling:rest", "the others", others, float(others @ now))
    assert trying.admitted(case, box, (*case.rows, tight), trials, sober) == tuple(trials[:1])


def test_trials_that_save_money_find_room_in_the_explored_share_too() -> None:
    for limit in (0.0, 0.3, 1.0):
        choice = chosen(SEEN, Goals("EUR", explore_limit=limit))
        case, now = choice.case, choice.case.snapshot.current
        box = Box(np.zeros(4), 5.0 * now, ((WHY,),) * 4, ((WHY,),) * 4)
        found = trying.admitted(case, box, case.rows, halves(choice), replace(planned(choice).aim, spend=now))
        kept = sum(0.3 * now[trial.target] for trial in found)
        assert kept <= trying.SHARE * limit * case.forecast.hope * now.sum()
        assert bool(found) == (limit > 0.0)


def test_trials_never_leave_money_that_the_expected_curves_would_spend() -> None:
    """Each of three budgets would pay as a trial by itself; together they would take less than there is."""
    seen = thin(16, 0.02)
    choice = chosen(seen)
    ground = search._ground(choice.case)
    assert len(ground.trials) == 3
    assert planned(choice).aim.spend.sum() == pytest.approx(seen.current.sum())
    assert sum(amount.micros for amount in choice.proposed) / 1e6 == pytest.approx(seen.current.sum(), abs=0.03)


def test_a_trial_that_cuts_is_told_as_explored() -> None:
    aim, sober = np.array([40.0, 160.0, 100.0]), np.array([100.0, 100.0, 100.0])
    trial = Trial(0, 40.0, 9.0, 1.0, 1.0, 50.0)
    today = np.array([70.0, 130.0, 100.0])
    assert search._explored(aim, sober, today, ()) == pytest.approx(0.1), "what stands above"
    assert search._explored(aim, sober, today, (trial,)) == pytest.approx(0.1), "the same money, told once"
    left = np.array([70.0, 100.0, 100.0])
    assert search._explored(aim, sober, left, ()) == 0.0
    assert search._explored(aim, sober, left, (trial,)) == pytest.approx(30.0 / 270.0)


def of_profit(seed: int) -> Decision:
    goals = Goals("EUR", objective=Objective.PROFIT, value_per_conversion=eur(400))
    guards = Guardrails(min_gain_probability=0.0)
    return decide(thin(seed, 0.004), goals, guards, NOW, np.random.default_rng(1))


@pytest.mark.parametrize(("seed", "code"), [(6, "trial"), (48, "not-worth-it"), (50, "not-worth-it")])
def test_money_that_trials_hold_back_is_told_so(seed: int, code: str) -> None:
    decision = of_profit(seed)
    assert "trial" in [finding.code for finding in decision.findings]
    assert decision.explanation is not None
    assert decision.explanation.unspent is not None
    assert decision.explanation.unspent.code == code


def test_the_certificate_counts_the_trials_that_it_takes_as_given() -> None:
    """Its bound is that of the problem around them: by the same curves more may be reached without."""
    choice = chosen(thin(9, 0.02))
    plan, case = planned(choice), choice.case
    certificate = tell(choice, np.random.default_rng(1)).certificate
    assert certificate is not None
    assert certificate.trials == plan.given > 0
    hoped = replace(case, forecast=replace(case.forecast, hope=1.0))
    ground = search._ground(hoped)
    free = market(hoped, ground.wide, 64, ground.rows, np.random.default_rng(1)).solve()
    assert free.value > certificate.upper_bound
    without = decide(SEEN, Goals("EUR", explore=Explore.NONE), Guardrails(), NOW, np.random.default_rng(1)).certificate
    assert without is not None
    assert without.trials is None
    assert "trials" not in to_json(without), "so that older hashes stand"
