"""Learning from a whole snapshot: invariances, thin and broken histories, and whether the intervals cover."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import Account, BudgetTarget, Level
from connectors.money import Money
from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.plan.problem import Outcome
from optimizer.plan.snapshot import DelayTriangle, Panel, Snapshot, Target
from optimizer.response import MODEL_VERSION, learn

FIRST = date(2025, 1, 1)
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "campaigns" / "internet_service_provider.csv"


def target(number, amount=100.0):
    account = Account("sim", "1", "EUR", "UTC")
    money = Money(round(amount * 1e6), "EUR")
    budget = BudgetTarget(account, f"{number:04}", "b", Level.CAMPAIGN, (str(number),), money)
    return Target(budget, "search", (), (str(number),), ("c",))


def snapshot(
    spend, conversions, value=None, budget=None, delays=(), today=None, current=100.0, clicks=None, impressions=None
):
    spend = np.asarray(spend, dtype=float)
    empty = np.full_like(spend, np.nan)
    panel = Panel(
        first_day=FIRST,
        spend=spend,
        conversions=np.asarray(conversions, dtype=float),
        value=empty if value is None else value,
        clicks=empty if clicks is None else np.asarray(clicks, dtype=float),
        impressions=empty if impressions is None else np.asarray(impressions, dtype=float),
        budget=empty if budget is None else budget,
    )
    today = today or FIRST + timedelta(days=spend.shape[1])
    at = datetime(today.year, today.month, today.day, tzinfo=UTC)
    return Snapshot(at, today, "EUR", "UTC", tuple(target(k, current) for k in range(len(spend))), panel, delays, None)


def history(rng, targets=6, days=60):
    spend = 100 * rng.lognormal(0, 0.4, (targets, days))
    mean = 8 * np.sqrt(spend / 100) * rng.lognormal(0, 0.4, (targets, 1))
    return spend, rng.poisson(mean).astype(float)


def grid(targets, scale=1.0):
    return np.tile(np.linspace(0, 400, 9) * scale, (targets, 1))


def truth_market(rng, targets, days, size):
    """Misspecified truths: Hill, logarithm and exponential saturation under drift, season, noise and delay."""
    u = np.exp(np.cumsum(rng.normal(0, 0.12, (targets, days)), axis=1) * 0.5)
    u /= u.mean(axis=1, keepdims=True)
    family = np.arange(targets)[:, None] % 3
    order = rng.uniform(0.7, 2.5, (targets, 1))
    shape = np.where(
        family == 0, 2 * u**order / (1 + u**order), np.where(family == 1, np.log1p(2 * u), 1.5 - 1.5 * np.exp(-u))
    )
    drift = np.exp(np.cumsum(rng.normal(0, 0.015, (targets, days)), axis=1))
    week = 1 + 0.2 * np.sin(np.arange(days) * 2 * np.pi / 7)
    mean = rng.lognormal(np.log(5), 0.8, (targets, 1)) * shape * drift * week
    return 100 * u, rng.poisson(mean * rng.gamma(size, 1 / size, mean.shape))


def funnel_market(rng, targets, days, fall=0.0, size=15.0, level=6_000.0):
    """Impressions along a Hill curve, clicks at 2% that fall with reach, conversions at 5%; each with shocks.

    Returns:
        Spend, impressions, clicks, conversions, and the expected conversions, all of shape (targets, days).
    """
    u = np.exp(rng.normal(0, 0.5, (targets, days)))
    order = rng.uniform(0.8, 1.8, (targets, 1))
    g = 2 * u**order / (1 + u**order)
    drift = np.exp(np.cumsum(rng.normal(0, 0.015, (targets, days)), axis=1))
    level = level * rng.lognormal(0, 0.6, (targets, 1)) * drift
    shock = [rng.gamma(size * more, 1 / (size * more), u.shape) for more in (1, 3, 6)]
    impressions = rng.poisson(level * g * shock[0])
    clicks = rng.binomial(impressions, np.minimum(0.02 * g**-fall * shock[1], 1.0))
    conversions = rng.binomial(clicks, np.minimum(0.05 * shock[2], 1.0))
    return 100 * u, impressions, clicks, conversions, level * g ** (1 - fall) * 0.02 * 0.05


def complete(targets, days):
    """Restatements that show every conversion on its own day."""
    return (DelayTriangle("g", np.arange(targets), np.full((days, 3), 1e4)),)


def with_measures(seen, names, days):
    """The snapshot of a `funnel_market` whose rows carry some measures only, without its last day."""
    spend, impressions, clicks, conversions, _ = seen
    measures = {"impressions": impressions[:, :days], "clicks": clicks[:, :days]}
    measures = {name: measures[name] for name in names}
    return snapshot(spend[:, :days], conversions[:, :days], delays=complete(len(spend), days), **measures)


def test_answers_have_the_promised_shapes_and_values():
    rng = np.random.default_rng(1)
    belief = learn(snapshot(*history(rng)))
    mean, sd = belief.moments(grid(6), Outcome.CONVERSIONS)
    assert MODEL_VERSION == "funnel-filter/8"
    assert mean.shape == sd.shape == (6, 9)
    assert (mean[:, 0] == 0).all()
    assert (sd[:, 0] == 0).all()
    assert (np.diff(mean, axis=1) > 0).all()
    assert belief.draws(grid(6), Outcome.CONVERSIONS, 11, rng).shape == (11, 6, 9)
    assert belief.predict(np.full(6, 100.0), date(2025, 3, 3), 11, rng).shape == (11, 6)
    assert np.allclose(belief.maturity(np.array([1, 100])), [[0.882, 1.0]] * 6, atol=1e-3)


def test_the_curve_is_recovered_where_there_is_evidence():
    rng = np.random.default_rng(2)
    spend = 100 * np.exp(rng.uniform(-1.5, 1.0, (20, 300)))
    truth = lambda x: 60 * x / (x + 150)  # noqa: E731 - the truth in one line
    delays = (DelayTriangle("g", np.arange(20), np.full((300, 3), 1e4)),)
    belief = learn(snapshot(spend, rng.poisson(truth(spend)), delays=delays))
    at = np.tile([40.0, 100.0, 200.0], (20, 1))
    mean, sd = belief.moments(at, Outcome.CONVERSIONS)
    assert np.allclose(mean.mean(axis=0), truth(at[0]), rtol=0.05)
    assert (np.abs(mean - truth(at)) < 5 * sd).all()


def test_counts_of_the_last_28_days_are_those_reported():
    spend, conversions = np.full((1, 40), 2.0), np.full((1, 40), 0.5)
    spend[0, 35] = conversions[0, 35] = np.nan
    belief = learn(snapshot(spend, conversions))
    assert belief.evidence_days[0] == 39
    assert belief.spend_28[0] == 54.0
    assert belief.conversions_28[0] == 13.5


@given(seed=st.integers(0, 2**32 - 1), factor=st.sampled_from([1e-4, 0.01, 7.0, 1e5]))
@settings(max_examples=15, deadline=None)
def test_another_currency_changes_no_answer(seed, factor):
    spend, conversions = history(np.random.default_rng(seed))
    budget = spend * 1.3
    one = learn(snapshot(spend, conversions, spend * 2, budget))
    other = learn(snapshot(spend * factor, conversions, spend * 2 * factor, budget * factor, current=100 * factor))
    for outcome, unit in ((Outcome.CONVERSIONS, 1.0), (Outcome.VALUE, factor)):
        for mine, theirs in zip(one.moments(grid(6), outcome), other.moments(grid(6, factor), outcome), strict=True):
            assert np.allclose(mine * unit, theirs, rtol=1e-6)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_order_of_targets_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    spend, conversions = history(rng)
    order = rng.permutation(6)
    mean, sd = learn(snapshot(spend, conversions)).moments(grid(6), Outcome.CONVERSIONS)
    mean_2, sd_2 = learn(snapshot(spend[order], conversions[order])).moments(grid(6), Outcome.CONVERSIONS)
    assert np.allclose(mean[order], mean_2)
    assert np.allclose(sd[order], sd_2)


def test_a_missing_day_is_not_a_day_of_nothing():
    rng = np.random.default_rng(3)
    spend, conversions = history(rng, days=100)
    missing = rng.random(spend.shape) < 0.4
    gaps = learn(snapshot(np.where(missing, np.nan, spend), np.where(missing, np.nan, conversions)))
    zeros = learn(snapshot(spend, np.where(missing, 0.0, conversions)))
    full = learn(snapshot(spend, conversions))
    at = np.full((6, 1), 100.0)
    with_gaps, with_zeros, whole = (b.moments(at, Outcome.CONVERSIONS)[0].mean() for b in (gaps, zeros, full))
    assert np.isclose(with_gaps, whole, rtol=0.12)
    assert with_zeros < 0.75 * whole


def test_days_without_spend_change_nothing_but_time():
    rng = np.random.default_rng(4)
    spend, conversions = history(rng, days=60)
    off = np.arange(60) % 5 == 0
    silent = learn(snapshot(np.where(off, np.nan, spend), np.where(off, np.nan, conversions)))
    unspent = learn(snapshot(np.where(off, 0.0, spend), np.where(off, 1.0, conversions)))
    for a, b in zip(*(x.moments(grid(6), Outcome.CONVERSIONS) for x in (silent, unspent)), strict=True):
        assert np.array_equal(a, b)


def test_a_longer_silence_widens_the_belief():
    spend, conversions = history(np.random.default_rng(5))
    end = FIRST + timedelta(days=60)
    at = np.full((6, 1), 100.0)
    fresh, stale = (
        learn(snapshot(spend, conversions, today=day)).moments(at, Outcome.CONVERSIONS)
        for day in (end, end + timedelta(days=60))
    )
    assert (stale[1] / stale[0] > fresh[1] / fresh[0]).all()


def test_rows_of_today_and_later_are_not_read():
    spend, conversions = history(np.random.default_rng(6))
    today = FIRST + timedelta(days=40)
    whole, cut = snapshot(spend, conversions, today=today), snapshot(spend[:, :40], conversions[:, :40], today=today)
    for a, b in zip(*(learn(s).moments(grid(6), Outcome.CONVERSIONS) for s in (whole, cut)), strict=True):
        assert np.array_equal(a, b)


def test_delay_is_corrected():
    """Half of the conversions of the last days are still to come; the belief must not read that as a fall."""
    rng = np.random.default_rng(7)
    targets, days, late = 20, 60, 0.8
    spend = np.full((targets, days), 100.0)
    eventual = rng.poisson(20.0, (targets, days))
    age = days - np.arange(days)
    share = np.append(0.2 * late ** np.arange(30), late**30)
    cumulative = np.cumsum(rng.multinomial(eventual, share), axis=2).astype(float)
    cumulative = np.concatenate([np.zeros((targets, days, 1)), cumulative], axis=2)
    known = cumulative[:, np.arange(days), np.minimum(age, 31)]
    seen = np.where(np.arange(32) <= age[:, None], cumulative.sum(axis=0), np.nan)
    delays = (DelayTriangle("g", np.arange(targets), seen),)
    at = np.full((targets, 1), 100.0)
    corrected = learn(snapshot(spend, known, delays=delays)).moments(at, Outcome.CONVERSIONS)[0].mean()
    mature = (DelayTriangle("g", np.arange(targets), np.full((days, 32), 1e3)),)
    uncorrected = learn(snapshot(spend, known, delays=mature)).moments(at, Outcome.CONVERSIONS)[0].mean()
    assert np.isclose(corrected, 20.0, rtol=0.05)
    assert uncorrected < 18.5


def test_budgets_beyond_the_supply_bring_no_more():
    rng = np.random.default_rng(8)
    budget = np.tile(np.geomspace(60, 240, 60), (3, 1))
    spend = np.minimum(budget, 120.0)
    belief = learn(snapshot(spend, rng.poisson(spend / 10), budget=budget))
    at = np.tile([100.0, 150.0, 300.0], (3, 1))
    assert np.allclose(belief.delivered(at), [[100.0, 120.0, 120.0]] * 3, rtol=0.03)
    mean, _ = belief.moments(at, Outcome.CONVERSIONS)
    assert np.array_equal(mean[:, 1], mean[:, 2])
    draws = belief.draws(at, Outcome.CONVERSIONS, 5, rng)
    assert np.array_equal(draws[..., 1], draws[..., 2])


def test_all_shapes_together_are_the_expected_curve():
    """But for what the spread of the rates' elasticities adds; of few shapes the likeliest stand for the others."""
    rng = np.random.default_rng(31)
    belief = learn(with_measures(funnel_market(rng, 6, 60), ("impressions", "clicks"), 59))
    at = grid(6)[:, 1:]
    curves, chance, noise = belief.likeliest(at, 10_000)
    assert np.allclose(chance.sum(axis=1), 1.0)
    mean = belief.moments(at, Outcome.CONVERSIONS)[0]
    assert np.allclose(np.einsum("kpj,kj->kp", curves, chance), mean, rtol=0.1)
    assert ((noise > 0) & (noise < 1.0)).all()
    few, likely, _ = belief.likeliest(at, 3)
    assert few.shape == (6, at.shape[1], 3)
    assert likely.shape == (6, 3)
    assert (np.diff(likely, axis=1) <= 0).all()


def test_value_draws_agree_with_value_moments():
    rng = np.random.default_rng(9)
    spend, conversions = history(rng)
    value = conversions * 30 * rng.lognormal(0, 0.3, spend.shape)
    value[0] = np.nan
    belief = learn(snapshot(spend, conversions, value))
    at = np.full((6, 1), 100.0)
    mean, sd = belief.moments(at, Outcome.VALUE)
    draws = belief.draws(at, Outcome.VALUE, 40_000, rng)
    assert (np.abs(draws.mean(axis=0) - mean) < 5.5 * sd / 200).all()
    assert np.allclose(draws.std(axis=0)[1:], sd[1:], rtol=0.1)
    assert belief.value_reported.tolist() == [False] + [True] * 5
    assert belief.worth.sd[0] > belief.worth.sd[1:].max()


def test_without_any_value_there_are_zeros():
    rng = np.random.default_rng(10)
    belief = learn(snapshot(*history(rng)))
    mean, sd = belief.moments(grid(6), Outcome.VALUE)
    assert not mean.any()
    assert not sd.any()
    assert not belief.value_reported.any()


@pytest.mark.parametrize(
    ("spend", "conversions"),
    [
        pytest.param(np.empty((2, 0)), np.empty((2, 0)), id="no day at all"),
        pytest.param(np.full((2, 30), np.nan), np.full((2, 30), np.nan), id="no row at all"),
        pytest.param(np.zeros((2, 30)), np.zeros((2, 30)), id="never spent"),
        pytest.param(np.full((2, 30), 10.0), np.full((2, 30), np.nan), id="conversions not reported"),
        pytest.param(np.full((2, 30), 10.0), np.zeros((2, 30)), id="never converted"),
        pytest.param(np.full((2, 30), 10.0), np.full((2, 30), 1e6), id="a million a day"),
        pytest.param(np.full((2, 30), 10.0), np.full((2, 30), -1.0), id="conversions taken back"),
        pytest.param(np.full((1, 1), 10.0), np.full((1, 1), 0.3), id="one fractional day"),
        pytest.param(np.geomspace(1e-6, 1e9, 60).reshape(2, 30), np.ones((2, 30)), id="spends over 15 decades"),
    ],
)
def test_every_history_gives_a_finite_belief(spend, conversions):
    belief = learn(snapshot(spend, conversions))
    k = len(spend)
    at = np.tile([0.0, 1e-6, 1.0, 1e7], (k, 1))
    for outcome in Outcome:
        mean, sd = belief.moments(at, outcome)
        assert np.isfinite(mean).all()
        assert np.isfinite(sd).all()
        assert (mean >= 0).all()
        assert (np.diff(mean, axis=1) >= 0).all()
        assert np.isfinite(belief.draws(at, outcome, 20, np.random.default_rng(0))).all()


def test_a_portfolio_without_targets_has_a_belief_about_none():
    belief = learn(snapshot(np.empty((0, 30)), np.empty((0, 30))))
    mean, _ = belief.moments(np.empty((0, 4)), Outcome.CONVERSIONS)
    assert mean.shape == (0, 4)


def test_a_new_target_is_believed_from_the_pool_and_widely():
    rng = np.random.default_rng(12)
    spend, conversions = history(rng, targets=10, days=90)
    spend[9] = conversions[9] = np.nan
    belief = learn(snapshot(spend, conversions))
    mean, sd = (m[:, 0] for m in belief.moments(np.full((10, 1), 100.0), Outcome.CONVERSIONS))
    assert np.isclose(mean[9], mean[:9].mean(), rtol=0.3)
    assert sd[9] / mean[9] > 2 * (sd[:9] / mean[:9]).max()


def test_a_target_that_reports_no_conversions_is_not_one_that_has_none():
    rng = np.random.default_rng(13)
    spend, conversions = history(rng, targets=10, days=90)
    conversions[8], conversions[9] = 0.0, np.nan
    mean, _ = learn(snapshot(spend, conversions)).moments(np.full((10, 1), 100.0), Outcome.CONVERSIONS)
    assert mean[8] < 0.1
    assert mean[9] > 3


def test_bad_questions_are_refused():
    belief = learn(snapshot(*history(np.random.default_rng(14))))
    with pytest.raises(ValueError, match=r"must be \(6, P\)"):
        belief.delivered(np.ones((5, 2)))
    with pytest.raises(ValueError, match="not negative"):
        belief.moments(np.full((6, 1), -1.0), Outcome.CONVERSIONS)
    with pytest.raises(ValueError, match="finite"):
        belief.draws(np.full((6, 1), np.nan), Outcome.CONVERSIONS, 1, np.random.default_rng(0))


def test_a_panel_of_other_targets_is_refused():
    spend, conversions = history(np.random.default_rng(15))
    whole = snapshot(spend, conversions)
    fewer = Snapshot(whole.known_at, whole.today, "EUR", "UTC", whole.targets[:3], whole.panel, (), None)
    with pytest.raises(ValueError, match="6 targets"):
        learn(fewer)


@pytest.mark.parametrize("days", [21, 120])
def test_intervals_for_tomorrow_cover(days):
    """900 campaigns, three of them misspecified families; the standard error of the coverage is one point."""
    rng = np.random.default_rng(16)
    spend, counts = truth_market(rng, 900, days + 1, size=15.0)
    mature = (DelayTriangle("g", np.arange(900), np.full((days, 3), 1e4)),)
    belief = learn(snapshot(spend[:, :days], counts[:, :days], delays=mature))
    tomorrow = counts[:, days].astype(float)
    draws = belief.predict(spend[:, days], FIRST + timedelta(days=days), 800, rng)
    pit = (draws < tomorrow).mean(axis=0) + rng.random(900) * (draws == tomorrow).mean(axis=0)
    assert 0.84 < ((pit > 0.05) & (pit < 0.95)).mean() < 0.96
    assert 0.7 < ((pit > 0.1) & (pit < 0.9)).mean() < 0.9
    assert 0.44 < pit.mean() < 0.56


@pytest.mark.parametrize("days", [21, 90])
def test_intervals_for_tomorrow_cover_with_the_funnel(days):
    """500 campaigns; the standard error of the coverage is below two points."""
    rng = np.random.default_rng(17)
    seen = funnel_market(rng, 500, days + 1, fall=0.15)
    belief = learn(with_measures(seen, ("impressions", "clicks"), days))
    tomorrow = seen[3][:, days].astype(float)
    draws = belief.predict(seen[0][:, days], FIRST + timedelta(days=days), 500, rng)
    pit = (draws < tomorrow).mean(axis=0) + rng.random(500) * (draws == tomorrow).mean(axis=0)
    assert 0.82 < ((pit > 0.05) & (pit < 0.95)).mean() < 0.97
    assert 0.7 < ((pit > 0.1) & (pit < 0.9)).mean() < 0.91
    assert 0.43 < pit.mean() < 0.57


def test_the_funnel_narrows_what_conversions_alone_leave_open_and_errs_less():
    """A conversion a day over four weeks; the same days with and without what came before the conversions."""
    seen = funnel_market(np.random.default_rng(18), 60, 29, level=1_000.0)
    at, truth = seen[0][:, 28:], seen[4][:, 28]
    spread, error = [], []
    for names in ((), ("clicks",), ("impressions", "clicks")):
        mean, sd = (m[:, 0] for m in learn(with_measures(seen, names, 28)).moments(at, Outcome.CONVERSIONS))
        spread.append(np.mean(sd / mean))
        error.append(np.sqrt(np.mean(np.log(mean / truth) ** 2)))
    assert spread[2] < 0.9 * spread[0]
    assert spread[1] < 0.95 * spread[0]
    assert error[2] < error[0]


def test_three_weeks_of_a_funnel_are_enough_for_a_level():
    seen = funnel_market(np.random.default_rng(19), 60, 22)
    mean, sd = learn(with_measures(seen, ("impressions", "clicks"), 21)).moments(seen[0][:, 21:], Outcome.CONVERSIONS)
    truth = seen[4][:, 21:]
    assert np.isclose(np.median(mean / truth), 1.0, atol=0.12)
    assert (np.abs(mean - truth) < 5.5 * sd).all()


def test_quality_that_falls_with_spend_is_found():
    """Clicks fall with reach: the second hundred brings fewer conversions than its impressions would say."""
    rise = []
    for fall in (0.0, 0.4):
        seen = funnel_market(np.random.default_rng(20), 40, 90, fall=fall)
        belief = learn(with_measures(seen, ("impressions", "clicks"), 90))
        clicks = belief.curves.rates[0]
        assert np.isclose((clicks.weights @ clicks.elasticity).mean(), fall, atol=0.1)
        mean, _ = belief.moments(np.tile([50.0, 200.0], (40, 1)), Outcome.CONVERSIONS)
        rise.append(np.log(mean[:, 1] / mean[:, 0]).mean())
    assert rise[1] < 0.75 * rise[0]


@pytest.mark.parametrize("names", [("impressions",), ("clicks",), ("impressions", "clicks"), ()])
def test_whatever_measures_there_are_the_level_is_that_of_conversions(names):
    seen = funnel_market(np.random.default_rng(21), 30, 60)
    belief = learn(with_measures(seen, names, 60))
    mean, _ = belief.moments(seen[0][:, -28:], Outcome.CONVERSIONS)
    assert np.isclose(mean.sum(), seen[3][:, -28:].sum(), rtol=0.1)


def test_a_portfolio_whose_platforms_report_different_measures_gets_levels_in_conversions():
    seen = funnel_market(np.random.default_rng(22), 30, 60)
    spend, conversions = seen[0], seen[3]
    impressions, clicks = seen[1].astype(float), seen[2].astype(float)
    impressions[10:] = np.nan
    clicks[20:] = np.nan
    impressions[0, 5:8] = np.nan
    belief = learn(snapshot(spend, conversions, delays=complete(30, 60), impressions=impressions, clicks=clicks))
    mean, sd = belief.moments(spend[:, -28:], Outcome.CONVERSIONS)
    reported = conversions[:, -28:]
    for part in (slice(0, 10), slice(10, 20), slice(20, 30)):
        assert np.isclose(mean[part].sum(), reported[part].sum(), rtol=0.15)
    assert np.isfinite(sd).all()


def test_a_new_target_beside_funnels_is_believed_from_the_pool_in_conversions():
    seen = funnel_market(np.random.default_rng(23), 10, 60)
    spend, impressions, clicks, conversions = (m.astype(float) for m in seen[:4])
    for measure in (spend, impressions, clicks, conversions):
        measure[9] = np.nan
    belief = learn(snapshot(spend, conversions, delays=complete(10, 60), impressions=impressions, clicks=clicks))
    mean, sd = (m[:, 0] for m in belief.moments(np.full((10, 1), 100.0), Outcome.CONVERSIONS))
    assert np.isclose(mean[9], mean[:9].mean(), rtol=0.5)
    assert sd[9] / mean[9] > 2 * (sd[:9] / mean[:9]).max()


def test_impressions_of_others_are_no_evidence_for_a_target_that_reports_conversions_alone():
    """It spent and nothing came: what others show in impressions must not stand for conversions."""
    seen = funnel_market(np.random.default_rng(24), 10, 60)
    spend, impressions, clicks, conversions = (m.astype(float) for m in seen[:4])
    impressions[9] = clicks[9] = np.nan
    conversions[9] = 0.0
    belief = learn(snapshot(spend, conversions, delays=complete(10, 60), impressions=impressions, clicks=clicks))
    mean, _ = belief.moments(np.full((10, 1), 100.0), Outcome.CONVERSIONS)
    assert mean[9, 0] < 0.01


def test_the_slow_tier_moves_what_a_thin_target_is_believed_to_do_further_up():
    rng = np.random.default_rng(25)
    spend = 100 * rng.lognormal(0, 0.02, (4, 30))
    plain = snapshot(spend, rng.poisson(8.0, spend.shape))
    beliefs = [plain]
    for half in (-2.0, 2.0):
        prior = ChannelPrior("search", Spread(half, 0.2), Spread(0.0, 0.2))
        beliefs.append(replace(plain, priors=ResponsePriors(plain.known_at, "slow/1", (prior,))))
    rise = []
    for case in beliefs:
        mean, _ = learn(case).moments(np.tile([100.0, 300.0], (4, 1)), Outcome.CONVERSIONS)
        rise.append((mean[:, 1] / mean[:, 0]).mean())
    assert rise[1] < rise[0] < rise[2]
    elsewhere = replace(plain, priors=ResponsePriors(plain.known_at, "slow/1", (replace(prior, channel="video"),)))
    for a, b in zip(*(learn(s).moments(grid(4), Outcome.CONVERSIONS) for s in (plain, elsewhere)), strict=True):
        assert np.array_equal(a, b)


def test_published_daily_log_gives_a_sane_belief():
    if not PUBLISHED.exists():
        pytest.skip("the published data set is not beside this checkout (../shared/data)")
    rows = [line.split(",") for line in PUBLISHED.read_text().splitlines()[1:]]
    names, first = sorted({r[1] for r in rows}), min(date.fromisoformat(r[0]) for r in rows)
    days = max((date.fromisoformat(r[0]) - first).days for r in rows) + 1
    spend, conversions, budget = (np.full((len(names), days), np.nan) for _ in range(3))
    for row in rows:
        at = names.index(row[1]), (date.fromisoformat(row[0]) - first).days
        spend[at], conversions[at], budget[at] = float(row[5]), float(row[3]), float(row[6])
    panel = Panel(first, spend, conversions, *(np.full_like(spend, np.nan),) * 3, budget)
    today = first + timedelta(days=days)
    at = datetime(today.year, today.month, today.day, tzinfo=UTC)
    belief = learn(Snapshot(at, today, "JPY", "UTC", tuple(map(target, range(len(names)))), panel, (), None))
    recent = np.nanmean(spend[:, -28:], axis=1, keepdims=True)
    mean, sd = belief.moments(recent, Outcome.CONVERSIONS)
    reported = np.nanmean(conversions[:, -28:], axis=1, keepdims=True)
    assert (np.abs(mean - reported) < 3 * sd + 0.2 * reported).all()
