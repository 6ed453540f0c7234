"""What the two models expect, against loops that say the same day by day."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from optimizer.refit import hierarchy, mmm
from optimizer.refit.contract import LiftTest, Sampling
from optimizer.refit.evidence import LAGS, Evidence, gather
from optimizer.refit.market import Market, hats, seasons, standardised
from optimizer.refit.mix import Mix
from tests.optimizer.shapes import crossed
from tests.optimizer.snapshots import TODAY, snapshot

FIRST = TODAY - timedelta(days=28)
LIFT = LiftTest("search", FIRST, FIRST + timedelta(days=13), 2800.0, -1400.0, -60.0, 12.0)


def _evidence() -> Evidence:
    return gather(snapshot(), (LIFT,), Sampling(days=70))


def _hierarchy(evidence: Evidence, rng: np.random.Generator) -> dict[str, np.ndarray]:
    targets, knots = len(evidence.names), hierarchy.drift_knots(evidence).shape[1]
    return {
        "half_mean": rng.normal(size=2),
        "half_sd": rng.uniform(0.2, 0.5, 2),
        "half_z": rng.normal(size=targets),
        "slope_mean": rng.normal(0.3, 0.2, 2),
        "slope_sd": rng.uniform(0.1, 0.3, 2),
        "slope_z": rng.normal(size=targets),
        "carry": rng.uniform(0.1, 0.6, 2),
        "week": rng.normal(0.0, 0.2, (2, 7)),
        "wander": np.array(0.3),
        "steps": rng.normal(size=(targets, knots - 1)),
        "level": rng.normal(3.0, 0.2, targets),
    }


def _felt(evidence: Evidence, n: int, t: int, carry: float) -> float:
    weights = [carry**lag for lag in range(LAGS)]
    return sum(w * s for w, s in zip(weights, evidence.lags[n, t].tolist(), strict=True)) / sum(weights)


def _walk(p: dict[str, np.ndarray], n: int, days: int, knots: int) -> list[float]:
    """The drift of a target by day: between knots in a straight line, less its mean."""
    heights = np.concatenate([[0.0], np.cumsum(p["steps"][n])])
    line = np.interp(np.arange(days), np.linspace(0, days - 1, knots), heights)
    return (float(p["wander"]) * (line - line.mean())).tolist()


def test_the_hierarchy_expects_what_a_loop_over_days_does() -> None:
    evidence = _evidence()
    p = _hierarchy(evidence, np.random.default_rng(1))
    found = hierarchy.expected(p, evidence, np)
    days, knots = evidence.counts.shape[1], p["steps"].shape[1] + 1
    for n in range(4):
        c = int(evidence.channel[n])
        half = math.exp(p["half_mean"][c] + p["half_sd"][c] * p["half_z"][n])
        slope = math.exp(p["slope_mean"][c] + p["slope_sd"][c] * p["slope_z"][n])
        drift = _walk(p, n, days, knots)
        for t in (0, 1, 30, days - 1):
            u = _felt(evidence, n, t, float(p["carry"][c]))
            shape = u**slope / (u**slope + half**slope) * (1 + half**slope)
            week = p["week"][c, evidence.weekday[t]] - p["week"][c].mean()
            by_hand = evidence.exposure[n, t] * math.exp(p["level"][n] + drift[t] + week) * shape
            assert found[n, t] == pytest.approx(by_hand, rel=1e-9)


def test_a_constant_spend_at_the_reference_brings_the_level() -> None:
    evidence = _evidence()
    flat = replace(evidence, lags=np.ones_like(evidence.lags), active=np.ones_like(evidence.active))
    p = _hierarchy(flat, np.random.default_rng(2)) | {"week": np.zeros((2, 7)), "wander": np.array(0.0)}
    found = hierarchy.expected(p, flat, np) / flat.exposure
    assert found == pytest.approx(np.repeat(np.exp(p["level"])[:, None], found.shape[1], axis=1))


def test_a_test_of_a_channel_adds_its_campaigns_up_times_the_incremental_share_and_the_part_tested() -> None:
    evidence = _evidence()
    p = _hierarchy(evidence, np.random.default_rng(3)) | {"carry": np.full(2, 1e-9)}
    (trial,) = evidence.trials
    log_lift = np.log([0.4, 1.0])
    found = hierarchy.implied_lift(p, log_lift, trial, evidence, np)
    days, knots = evidence.counts.shape[1], p["steps"].shape[1] + 1
    total = 0.0
    for place, n in enumerate(trial.targets.tolist()):
        half = math.exp(p["half_mean"][0] + p["half_sd"][0] * p["half_z"][n])
        slope = math.exp(p["slope_mean"][0] + p["slope_sd"][0] * p["slope_z"][n])
        ends = [trial.spend[place] + trial.change[place], trial.spend[place]]
        with_it, without = (u**slope / (u**slope + half**slope) for u in ends)
        rate = math.exp(p["level"][n] + _walk(p, n, days, knots)[trial.middle]) * (1 + half**slope)
        total += rate * 14 * (with_it - without)
    assert found == pytest.approx(0.4 * trial.whole * total, rel=1e-6)


def test_the_export_is_the_spread_over_one_more_campaign() -> None:
    rng = np.random.default_rng(4)
    evidence = _evidence()
    count = 200_000
    draws = {
        "half_mean": rng.normal([0.2, -0.4], [0.3, 0.1], (count, 2)),
        "half_sd": np.full((count, 2), 0.4),
        "slope_mean": rng.normal(0.3, 0.1, (count, 2)),
        "slope_sd": np.full((count, 2), 0.2),
        # One channel's carry-over is told by the data, the other's is as its prior.
        "carry": np.column_stack([rng.normal(0.3, 0.02, count), rng.beta(*hierarchy.CARRY, count)]),
        "log_lift": rng.normal(-0.5, 0.2, (count, 2)),
    }
    search, social = hierarchy.export(draws, evidence)
    assert (search.channel, social.channel) == ("search", "social")
    assert (search.log_half.mean, search.log_half.sd) == (pytest.approx(0.2, abs=0.01), pytest.approx(0.5, abs=0.01))
    assert social.log_half.sd == pytest.approx(math.hypot(0.1, 0.4), abs=0.01)
    assert search.log_slope.sd == pytest.approx(math.hypot(0.1, 0.2), abs=0.01)
    assert search.carry_over is not None
    assert search.carry_over.mean == pytest.approx(0.3, abs=0.01)
    assert social.carry_over is None
    # Only search was tested.
    assert search.log_lift is not None
    assert search.log_lift.mean == pytest.approx(-0.5, abs=0.01)
    assert social.log_lift is None


def test_the_prior_of_a_campaign_is_as_wide_as_the_fast_tiers() -> None:
    fast = crossed(np.geomspace(1e-3, 1e3, 101), np.geomspace(0.05, 30.0, 101))
    weight = np.exp(fast.log_prior)
    for ours, values in ((hierarchy.HALF, fast.log_half), (hierarchy.SLOPE, np.log(fast.slope))):
        mean, mean_sd, spread = ours
        assert mean == pytest.approx(weight @ values, abs=0.01)
        assert math.hypot(mean_sd, spread) == pytest.approx(math.sqrt(weight @ (values - mean) ** 2), abs=0.01)


WEEKS = 60


def _market(**change: object) -> Market:
    rng = np.random.default_rng(6)
    spend = rng.uniform(50.0, 150.0, (2, 2, WEEKS)) * (rng.random((2, 2, WEEKS)) < 0.7)
    market = Market(
        ("tv", "radio"),
        date(2025, 1, 6),
        7,
        spend,
        rng.normal(1000.0, 50.0, (2, WEEKS)),
        {"price": rng.normal(size=(2, WEEKS))},
        {},
        ("north", "south"),
    )
    return replace(market, **change)  # type: ignore[arg-type]


def _mix(design: mmm.Design, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "level": rng.normal(0.8, 0.1, 2),
        "wander": np.array(0.1),
        "steps": rng.normal(size=(2, design.trend.shape[1] - 1)),
        "log_half": rng.normal(0.0, 0.5, 2),
        "log_slope": rng.normal(0.3, 0.3, 2),
        "carry": rng.uniform(0.1, 0.6, 2),
        "share": np.array([0.2, 0.1]),
        "sigma": np.array(0.05),
        "swing": np.array(0.1),
        "waves": rng.normal(size=(2, design.waves.shape[1])),
        "covariates": rng.normal(0.0, 0.1, len(design.covariates)),
        "bias": rng.normal(0.2, 0.5, 2),
        "share_sd": np.array(0.2),
        "half_sd": np.array(0.3),
        "share_z": rng.normal(size=(2, 2)),
        "half_z": rng.normal(size=(2, 2)),
    }


def test_the_total_outcome_is_what_a_loop_over_weeks_says() -> None:
    market = _market()
    design = mmm.lay_out(market, ())
    p = _mix(design, np.random.default_rng(7))
    found = mmm.expected(p, design, np)
    knots = design.trend.shape[1]
    for g in range(2):
        heights = p["level"][g] + p["wander"] * np.concatenate([[0.0], np.cumsum(p["steps"][g])])
        line = np.interp(np.arange(WEEKS), np.linspace(0, WEEKS - 1, knots), heights)
        mean = line + p["swing"] * design.waves @ p["waves"][g] + p["covariates"][0] * design.covariates[0, g]
        for c in range(2):
            half = math.exp(p["log_half"][c] + p["half_sd"] * p["half_z"][g, c])
            slope = math.exp(p["log_slope"][c])
            weights = p["carry"][c] ** np.arange(8)
            spend = market.spend[g, c] / market.reference[g, c]
            felt = np.array([weights[: t + 1] @ spend[t::-1][:8] for t in range(WEEKS)]) / weights.sum()
            shape = felt**slope / (felt**slope + half**slope)
            mean += p["share"][c] * math.exp(p["share_sd"] * p["share_z"][g, c]) * shape / shape.mean()
            mean += p["sigma"] * p["bias"][c] * (spend - spend.mean()) / spend.std()
        assert found[g] == pytest.approx(mean, rel=1e-9)


def test_what_a_channel_brings_on_average_is_its_share() -> None:
    design = mmm.lay_out(_market(), ())
    p = _mix(design, np.random.default_rng(8))
    without = p | {"share": np.zeros(2)}
    brought = mmm.expected(p, design, np) - mmm.expected(without, design, np)
    share, _, _ = mmm.curves(p, np)
    assert brought.mean(axis=1) == pytest.approx(share.sum(axis=1))


def test_a_channel_that_does_not_run_in_a_region_brings_nothing_there() -> None:
    spend = _market().spend
    spend[0, 1] = 0.0
    lift = LiftTest("radio", date(2025, 9, 1), date(2025, 9, 28), 800.0, 400.0, 90.0, 20.0)
    design = mmm.lay_out(_market(spend=spend), (lift,))
    p = _mix(design, np.random.default_rng(8))
    brought = mmm.expected(p, design, np) - mmm.expected(p | {"share": np.zeros(2)}, design, np)
    share, _, _ = mmm.curves(p, np)
    assert brought.mean(axis=1) == pytest.approx([share[0, 0], share[1].sum()])
    tops = mmm.tops(p, mmm.shapes(p, design, np), design, np)
    assert tops[0, 1] == 0.0
    assert (np.delete(tops.ravel(), 1) > share.ravel()[[0, 2, 3]]).all()
    assert np.isfinite(mmm.implied_lift(p, 0, design, np))


def test_hidden_demand_is_allowed_for_only_where_none_is_measured() -> None:
    market = _market()
    assert mmm.lay_out(market, ()).hidden
    measured = replace(market, demand={"searches": np.ones((2, WEEKS))})
    assert not mmm.lay_out(measured, ()).hidden


def test_a_test_of_a_channel_is_split_over_regions() -> None:
    market = _market()
    lift = LiftTest("radio", date(2025, 9, 1), date(2025, 9, 28), 800.0, 400.0, 90.0, 20.0)
    design = mmm.lay_out(market, (lift,))
    p = _mix(design, np.random.default_rng(9)) | {"carry": np.full(2, 1e-9)}
    total = market.spend[:, 1].sum(axis=1)
    share, kappa, slope = mmm.curves(p, np)
    by_hand = 0.0
    for g in range(2):
        spend = total[g] / total.sum() * 200.0 / market.reference[g, 1]
        n = slope[0, 1]
        gain = [u**n / (u**n + kappa[g, 1] ** n) for u in (1.5 * spend, spend)]
        by_hand += share[g, 1] / mmm.shapes(p, design, np)[g, 1].mean() * 4 * (gain[0] - gain[1])
    assert mmm.implied_lift(p, 0, design, np) == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("wrong", [{"channel": "print"}, {"campaign": "spring"}])
def test_a_test_of_something_else_is_refused(wrong: dict[str, str]) -> None:
    lift = replace(LiftTest("tv", date(2025, 9, 1), date(2025, 9, 28), 800.0, 400.0, 90.0, 20.0), **wrong)
    with pytest.raises(ValueError, match="not of one of"):
        mmm.lay_out(_market(), (lift,))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"period_days": 30}, "1 or 7 days"),
        ({"outcome": np.ones((2, 20)), "spend": np.ones((2, 2, 20))}, "at least 26"),
        ({"spend": np.ones((2, 3, WEEKS))}, "spend must be"),
        ({"spend": -np.ones((2, 2, WEEKS))}, "not below zero"),
        ({"spend": np.stack([np.ones((2, WEEKS)), np.zeros((2, WEEKS))], axis=1)}, "radio"),
        ({"demand": {"searches": np.full((2, WEEKS), np.nan)}}, "searches must be finite"),
    ],
)
def test_markets_are_checked(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _market(**change)


def test_hats_interpolate_between_knots() -> None:
    found = hats(7, 3)
    assert found.shape == (7, 3)
    assert found.sum(axis=1) == pytest.approx(np.ones(7))
    assert found @ np.array([0.0, 3.0, 0.0]) == pytest.approx([0, 1, 2, 3, 2, 1, 0])


def test_seasons_need_a_year_and_days_have_a_week() -> None:
    assert seasons(_market()).shape == (WEEKS, 6)
    daily = Market(("tv",), date(2025, 1, 6), 1, np.ones((1, 1, 60)), np.ones((1, 60)))
    waves = seasons(daily)
    assert waves.shape == (60, 6)
    assert waves[:7] == pytest.approx(waves[7:14])


def test_covariates_are_standardised_and_a_constant_one_does_nothing() -> None:
    found = standardised({"a": np.array([[1.0, 3.0]]), "b": np.array([[2.0, 2.0]])})
    assert found.tolist() == [[[-1.0, 1.0]], [[0.0, 0.0]]]


def _found() -> Mix:
    """Two draws of a market of two regions and two channels."""
    market = _market()
    ones = np.ones((2, 2, 2))
    contribution = np.array([10.0, 20.0])[:, None, None] * ones
    return Mix(market, None, (), (), contribution, 100.0 * ones, 50.0 * ones, 2.0 * ones)


def test_the_return_is_what_was_brought_over_what_was_spent() -> None:
    mix = _found()
    spent = mix.market.spend.sum(axis=0).mean(axis=1)
    assert mix.roas() == pytest.approx(np.array([[20.0], [40.0]]) / spent)
    assert mix.interval(1.0)[:, [0, 2]] == pytest.approx(np.array([20.0, 40.0])[None] / spent[:, None])


def test_the_response_is_the_curve_at_a_constant_spend() -> None:
    drawn = _found().response(np.tile([0.0, 50.0, 100.0], (4, 1)))
    assert drawn.shape == (2, 4, 3)
    assert drawn[0, 0] == pytest.approx([0.0, 50.0, 80.0], abs=1e-9)
