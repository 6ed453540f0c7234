"""What is paid for: by hand in reports, and in the forecast that a plan is made from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from connectors.money import Money
from optimizer.decide import decide
from optimizer.forecast import Forecast
from optimizer.goals import Goals, GoalsError, Model, Payment, Scope, by_value, owed
from optimizer.guardrails import Guardrails
from optimizer.measure.metrics import costed
from optimizer.plan.problem import Outcome
from optimizer.plan.recommendation import Objective
from optimizer.response import learn
from tests.optimizer import snapshots
from tests.optimizer.performances import MICROS, TODAY, performance, series

SOCIAL = Scope.parse("channel:social")


# Reports


@pytest.mark.parametrize(
    ("model", "rate", "spend"),
    [("cpm", 4.5, 90.0), ("cpc", 0.35, 105.0), ("cpl", 12.5, 125.0), ("cpa", 12.5, 125.0), ("cpi", 0.1, 1.0),
     ("revenue-share", 0.08, 40.0)],
)  # fmt: skip
def test_each_model_by_hand(model, rate, spend):
    """20,000 impressions, 300 clicks, 9 conversions and 450 of value told; one and 50 still to come."""
    told = performance([(series(), TODAY - timedelta(days=1), (0.0, 9.0, 450.0, 20_000.0, 300.0))])
    come = np.array([[MICROS, 50 * MICROS]])
    found = costed(told, come, lambda _: Payment(SOCIAL, Model(model), rate))
    assert found.micros[0].tolist() == [round(spend * MICROS), *told.micros[0, 1:].tolist()]


def test_what_the_platform_bills_stands_and_what_is_not_paid_by_contract_costs_nothing():
    day = TODAY - timedelta(days=1)
    told = performance(
        [(series("billed"), day, (7.0, 9.0, None, None, None)), (series("free"), day, (0.0, 9.0, None, None, None)),
         (series("paid"), day, (0.0, 9.0, None, None, None)), (series("back"), day, (0.0, -1.0, None, None, None))]
    )  # fmt: skip
    paid = Payment(SOCIAL, Model.CPA, 2.0)
    found = costed(told, np.zeros((4, 2), np.int64), lambda each: None if each.campaign_id == "free" else paid)
    spends = dict(zip([each.campaign_id for each in told.series], found.micros[:, 0].tolist(), strict=True))
    assert spends == {"billed": 7 * MICROS, "free": 0, "paid": 18 * MICROS, "back": 0}


def test_a_bill_covers_days_and_definitions_of_its_campaign_that_carry_no_spend():
    """A late conversion on a day without spend, and a second definition, are of what was billed already."""
    days = [TODAY - timedelta(days=n) for n in (2, 1)]
    lead, sale = series("billed"), series("billed", conversion_definition="sale")
    told = performance(
        [(lead, days[0], (7.0, 9.0, None, None, None)), (lead, days[1], (0.0, 1.0, None, None, None)),
         (sale, days[0], (0.0, 3.0, None, None, None)),
         (series("owed", conversion_definition="sale"), days[0], (0.0, 3.0, None, None, None)),
         (series("owed"), days[0], (0.0, 1.0, None, None, None))]
    )  # fmt: skip
    found = costed(told, np.zeros((5, 2), np.int64), lambda _: Payment(SOCIAL, Model.CPA, 2.0))
    spent = {"billed": 0, "owed": 0}
    for place, micros in zip(told.row.tolist(), found.micros[:, 0].tolist(), strict=True):
        spent[told.series[place].campaign_id] += micros
    assert spent == {"billed": 7 * MICROS, "owed": 8 * MICROS}


def test_a_share_is_of_what_a_conversion_counts():
    told = performance([(series(), TODAY - timedelta(days=1), (0.0, 3.0, None, None, None))])
    paid = Payment(SOCIAL, Model.REVENUE_SHARE, 0.1)
    found = costed(told, np.zeros((1, 2), np.int64), lambda _: paid, Money.of("33.335", "EUR"))
    assert found.micros[0, 0] == 10_000_500


@pytest.mark.parametrize(
    ("scope", "model", "rate", "words"),
    [("all", "cpa", 0.0, "must be above 0"), ("all", "revenue-share", 8.0, "above all of it. Mend: write 0.1 for 10%"),
     ("budget:b", "cpa", 1.0, "only all, a channel or a campaign is paid"), ("ad:a", "cpa", 1.0, "only all")],
)  # fmt: skip
def test_a_payment_that_makes_no_sense_is_refused(scope, model, rate, words):
    with pytest.raises(GoalsError, match=words):
        Payment(Scope.parse(scope), Model(model), rate)


# Plans


def paid(*payments, **changes):
    return Goals(currency="EUR", objective=Objective.PROFIT, payments=payments, **changes)


def forecast(goals):
    seen = snapshots.snapshot()
    belief = learn(seen)
    return Forecast(belief, goals, seen.current, owed=owed(goals, seen.targets, belief.worth.mean))


def pair():
    current = snapshots.snapshot().current
    return np.stack([current, 1.2 * current], axis=1)


def of_channel(name):
    return np.array([target.channel == name for target in snapshots.snapshot().targets])


def test_what_a_target_owes_per_conversion_by_hand():
    seen, worth = snapshots.snapshot(), np.full(4, 50.0)
    share = Payment(SOCIAL, Model.REVENUE_SHARE, 0.1)
    action = Payment(Scope.parse("all"), Model.CPL, 3.0)
    found = owed(paid(share, action), seen.targets, worth)
    assert found.tolist() == [5.0 if target.channel == "social" else 3.0 for target in seen.targets]
    fixed = owed(paid(share, value_per_conversion=Money.of(80, "EUR")), seen.targets, worth)
    assert np.nan_to_num(fixed).tolist() == [8.0 if target.channel == "social" else 0.0 for target in seen.targets]
    assert owed(paid(Payment(SOCIAL, Model.CPC, 0.4)), seen.targets, worth) is None, "it costs what is delivered"
    assert owed(paid(), seen.targets, worth) is None


def test_the_cost_of_a_target_that_is_paid_per_action_is_its_rate_times_what_it_brings():
    goals = paid(Payment(SOCIAL, Model.CPA, 9.0))
    by_action, by_media = forecast(goals), forecast(paid())
    social = of_channel("social")
    conversions = by_action.belief.moments(pair(), Outcome.CONVERSIONS)[0]
    assert by_action.spend(pair())[social] == pytest.approx(9.0 * conversions[social])
    assert by_action.cost(pair())[~social] == pytest.approx(by_media.cost(pair())[~social])
    mean, brought = by_action.moments(pair())[0], by_action.brought(pair())
    assert mean[social] == pytest.approx(brought[social] - 9.0 * conversions[social])
    assert not forecast(replace(goals, objective=Objective.REVENUE)).cost(pair()).any()


def test_the_uncertainty_of_what_is_paid_per_action_is_that_of_what_is_left():
    """Each order is worth 40 and costs 9: profit is 31 an order, and so is all that is uncertain of it."""
    worth = {"value_per_conversion": Money.of(40, "EUR")}
    goals, social = paid(Payment(SOCIAL, Model.CPA, 9.0), **worth), of_channel("social")
    found = forecast(goals)
    mean, sd = found.belief.moments(pair(), Outcome.CONVERSIONS)
    assert found.moments(pair())[0][social] == pytest.approx(31.0 * mean[social])
    assert found.moments(pair())[1][social] == pytest.approx(31.0 * sd[social])
    drawn = found.draws(pair(), 50, np.random.default_rng(4))
    plain = found.belief.draws(pair(), Outcome.CONVERSIONS, 50, np.random.default_rng(4))
    assert drawn[:, social] == pytest.approx(31.0 * plain[:, social])


def test_an_action_that_costs_more_than_it_brings_is_a_loss_that_grows_with_the_cap():
    found = forecast(paid(Payment(SOCIAL, Model.CPA, 60.0), value_per_conversion=Money.of(40, "EUR")))
    mean, social = found.moments(pair())[0], of_channel("social")
    assert (mean[social] < 0.0).all()
    assert (mean[social, 1] < mean[social, 0]).all()
    assert (found.utility(pair())[social, 1] < found.utility(pair())[social, 0]).all()


def proposed(goals):
    seen = snapshots.snapshot()
    told = decide(seen, goals, Guardrails(min_gain_probability=0.0), snapshots.NOW, np.random.default_rng(8))
    return {line.key.budget_id: line.proposed.micros - line.current.micros for line in told.lines}


def test_a_plan_moves_to_what_is_left_after_paying():
    dear = proposed(paid(Payment(SOCIAL, Model.CPA, 39.0)))
    cheap = proposed(paid(Payment(SOCIAL, Model.CPA, 1.0)))
    socials = ("retargeting", "prospecting")
    assert sum(dear[name] for name in socials) < 0 < sum(cheap[name] for name in socials)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_what_is_billed_is_of_the_same_worlds_as_what_came(outcome):
    """So much for each drawn conversion, or a share of the drawn value; what is delivered costs the same in all."""
    social, seen = of_channel("social"), snapshots.snapshot()
    for model, rate in ((Model.CPA, 9.0), (Model.REVENUE_SHARE, 0.1)):
        goals = paid(Payment(SOCIAL, model, rate))
        found, shared = forecast(goals), by_value(goals, seen.targets)
        assert shared.tolist() == (social & (model is Model.REVENUE_SHARE)).tolist()
        spend, brought = found.billed(pair(), outcome, shared, 500, np.random.default_rng(4))
        assert brought == pytest.approx(found.outcome_draws(pair(), outcome, 500, np.random.default_rng(4)))
        assert spend[:, ~social] == pytest.approx(np.broadcast_to(found.spend(pair()), spend.shape)[:, ~social])
        conversions = found.belief.draws(pair(), Outcome.CONVERSIONS, 500, np.random.default_rng(4))[:, social]
        each = 9.0 if model is Model.CPA else 0.1 * found.belief.worth.mean[social][:, None]
        by_share = model is Model.REVENUE_SHARE and outcome is Outcome.VALUE
        assert spend[:, social] == pytest.approx(0.1 * brought[:, social] if by_share else each * conversions)


def test_a_promise_that_the_contract_keeps_is_kept_with_certainty():
    """A conversion that is paid with 10.00 never costs 10.50, and always costs more than 9.50, however many come."""
    wanted = Goals(
        currency="EUR",
        objective=Objective.REVENUE,
        confidence=0.95,
        payments=(Payment(Scope.parse("all"), Model.CPA, 10.0),),
    )
    for ceiling, sure in (("10.50", 1.0), ("9.50", 0.0)):
        goals = replace(wanted, cpa_ceiling=Money.of(ceiling, "EUR"))
        decision = decide(
            snapshots.snapshot(), goals, Guardrails(min_gain_probability=0.0), snapshots.NOW, np.random.default_rng(1)
        )
        (promise,) = decision.promises
        assert promise.probability == sure
        assert bool(decision.blocked) == (sure == 0.0)
        assert bool(decision.moves) == (sure == 1.0)
