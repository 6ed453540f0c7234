"""What plans make of appraisals: credit of claimed conversions, and what a new customer brings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from connectors.money import Money
from optimizer.decide import decide
from optimizer.forecast import Forecast
from optimizer.goals import Counting, Goals, GoalsError, Valuing
from optimizer.guardrails import Guardrails
from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.problem import Outcome
from optimizer.plan.recommendation import Decision, Objective, Severity
from optimizer.plan.snapshot import Snapshot
from optimizer.response import learn
from tests.optimizer.snapshots import CHANNELS, CURVES, NOW, snapshot

NAMES = sorted(CURVES)
SOCIAL = np.array([CHANNELS[name] == "social" for name in NAMES])
CREDITED = Goals("EUR", counts=Counting.CREDITED)
LIFETIME = Goals("EUR", objective=Objective.REVENUE, value=Valuing.LIFETIME)


def appraised(subject: Subject, *estimates: Estimate, currency: str = "EUR") -> Snapshot:
    money = currency if subject is Subject.CUSTOMER else ""
    made = Appraisal(subject, "model/1", NOW - timedelta(days=1), "a" * 64, money, estimates)
    return replace(snapshot(), appraisals=(made,))


def forecast(goals: Goals, known: Snapshot) -> Forecast:
    return Forecast(learn(known), goals, known.current)


def told(decision: Decision) -> dict[str, str]:
    return {finding.code: finding.message for finding in decision.findings}


def decided(known: Snapshot, goals: Goals) -> Decision:
    return decide(known, goals, Guardrails(), NOW, np.random.default_rng(1))


def test_credit_multiplies_what_is_claimed_and_makes_it_less_sure() -> None:
    known = appraised(Subject.CREDIT, Estimate("social", 0.5, 0.2))
    budget = known.current[:, None] * np.array([0.5, 1.0])
    plain, counted = (forecast(goals, known).moments(budget) for goals in (Goals("EUR"), CREDITED))
    ratio = counted[0] / plain[0]
    assert ratio[SOCIAL] == pytest.approx(0.5)
    assert ratio[~SOCIAL] == pytest.approx(0.5)  # nothing is told of search: expected to be as what is told of
    assert ((counted[1] / counted[0])[~SOCIAL] > (counted[1] / counted[0])[SOCIAL].max()).all()


def test_a_campaigns_own_credit_goes_before_its_channels() -> None:
    known = snapshot()
    own = known.targets[0]
    estimates = (Estimate(own.channel, 0.8, 0.1), Estimate(own.channel, 0.4, 0.1, campaign=own.campaigns[0]))
    known = appraised(Subject.CREDIT, *estimates)
    counts = forecast(CREDITED, known).claims
    assert counts is not None
    same = np.array([target.channel == own.channel for target in known.targets])
    assert counts.expected[0] == pytest.approx(0.4)
    assert counts.expected[same][1:] == pytest.approx(0.8)
    assert own.budget.name in counts.names


def test_a_target_of_several_campaigns_takes_their_mean() -> None:
    known = snapshot()
    shared = replace(known.targets[0], campaigns=("one", "two"), campaign_names=("one", "two"))
    channel = shared.channel
    estimates = (Estimate(channel, 0.2, 0.1, campaign="one"), Estimate(channel, 0.6, 0.3, campaign="two"))
    known = replace(appraised(Subject.CREDIT, *estimates), targets=(shared, *known.targets[1:]))
    counts = forecast(CREDITED, known).claims
    assert counts is not None
    group = counts.group[0]
    assert (counts.expected[0], counts.sd[group]) == (pytest.approx(0.4), pytest.approx(0.3))
    assert counts.told.tolist() == [k == group for k in range(len(counts.names))]


def test_a_customers_value_stands_for_the_orders() -> None:
    known = appraised(Subject.CUSTOMER, Estimate("social", 90.0, 0.3), Estimate("search", 30.0, 0.1))
    seen, budget = forecast(LIFETIME, known), known.current[:, None]
    conversions = forecast(Goals("EUR"), known).moments(budget)[0]
    worth = np.where(SOCIAL, 90.0, 30.0)[:, None]
    assert seen.moments(budget)[0] == pytest.approx(conversions * worth)
    assert seen.outcomes(budget)[Outcome.VALUE] == pytest.approx(conversions * worth)
    draws = seen.draws(budget, 40_000, np.random.default_rng(3))[..., 0]
    mean, sd = seen.moments(budget)
    assert draws.mean(axis=0) == pytest.approx(mean[:, 0], rel=0.03)
    assert draws.std(axis=0) == pytest.approx(sd[:, 0], rel=0.08)
    promised = seen.outcome_draws(budget, Outcome.VALUE, 40_000, np.random.default_rng(4))[..., 0]
    assert promised.mean(axis=0) == pytest.approx(mean[:, 0], rel=0.03)


def test_value_in_another_currency_is_not_taken() -> None:
    known = appraised(Subject.CUSTOMER, Estimate("social", 90.0, 0.3), currency="JPY")
    assert forecast(LIFETIME, known).customers is None
    assert "none was reckoned in EUR" in told(decided(known, LIFETIME))["no-lifetime"]


def test_money_leaves_a_channel_that_is_credited_less() -> None:
    known = appraised(Subject.CREDIT, Estimate("social", 0.3, 0.1), Estimate("search", 1.0, 0.1))
    claimed, credited = (decided(known, goals) for goals in (Goals("EUR"), CREDITED))

    def social(decision: Decision) -> float:
        return sum(line.proposed.micros / 1e6 for line in decision.lines if line.channel == "social")

    assert social(credited) < social(claimed) - 10.0
    assert credited.unit == "credited conversions a day"
    words = told(credited)["credit"]
    assert "by model/1 of" in words
    assert "100 claimed ones of social count 29.9 (80%: 26.3 to 33.9)" in words


def test_the_recommendation_says_what_it_rests_on() -> None:
    bare = decided(snapshot(), CREDITED)
    assert "what platforms claim stands in" in told(bare)["no-credit"]
    assert bare.unit == "conversions a day"
    known = appraised(Subject.CUSTOMER, Estimate("social", 90.0, 0.3))
    words = told(decided(known, LIFETIME))["lifetime"]
    assert "a customer of social brings" in words
    assert "Of search there is no order; the others' stand in, widely." in words


def test_without_reported_value_a_lifetime_is_enough() -> None:
    known = appraised(Subject.CUSTOMER, Estimate("social", 90.0, 0.3), Estimate("search", 30.0, 0.1))
    silent = replace(known, panel=replace(known.panel, value=np.full(known.panel.value.shape, np.nan)))
    assert not [f for f in decided(silent, LIFETIME).findings if f.severity is Severity.BLOCK]
    assert "no-value" in told(decided(replace(silent, appraisals=()), LIFETIME))


@pytest.mark.parametrize(
    ("goals", "words"),
    [
        ({}, "counts nothing where only conversions do"),
        ({"objective": Objective.REVENUE, "value_per_conversion": Money.of("5", "EUR")}, "each say what one is worth"),
    ],
)
def test_lifetime_goals_that_make_no_sense_are_refused(goals: dict[str, object], words: str) -> None:
    with pytest.raises(GoalsError, match=words):
        Goals("EUR", value=Valuing.LIFETIME, **goals)  # type: ignore[arg-type]  # of several kinds
