"""The slow tier's model of ads: what it is fitted to, its density, its export, its checks, and a truth recovered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy.stats import nbinom

from optimizer.plan.priors import AdPriors
from optimizer.refit import AD_MODEL, Refit, Sampling, fit_ads, fitting
from optimizer.refit.ad_evidence import AdEvidence, gather_ads
from optimizer.refit.ad_hierarchy import build_ads, export_ads, log_rates, replicate_ads, scales, told, walks
from optimizer.refit.sampling import flat
from tests.optimizer.ad_worlds import RATE, AdTruth, ad_snapshot
from tests.optimizer.snapshots import NOW, snapshot

SETTINGS = Sampling(draws=100, tune=150, chains=2, target_accept=0.8)


def _silent(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


CALM = AdTruth()


def evidence_of(truth: AdTruth = CALM, seed: int = 1, settings: Sampling = SETTINGS, **size: Any) -> AdEvidence:
    seen = ad_snapshot(truth, np.random.default_rng(seed), **size)
    assert seen.arms is not None
    return gather_ads(seen, seen.arms, settings)


# What is fitted


def test_weeks_end_today_and_keep_every_conversion() -> None:
    seen = ad_snapshot(AdTruth(), np.random.default_rng(1), budgets=3, weeks=3)
    arms = seen.arms
    assert arms is not None
    cut = replace(arms, **{n: getattr(arms, n)[:, 2:] for n in ("spend", "conversions", "value", "clicks")})
    cut = replace(cut, impressions=arms.impressions[:, 2:])
    found = gather_ads(seen, cut, SETTINGS)
    assert (found.days, found.periods, found.metric) == (7, 3, "impression")
    np.testing.assert_array_equal(np.bincount(found.ad, found.counts), cut.conversions.sum(axis=1))
    last = found.counts[found.period == 2]
    np.testing.assert_array_equal(last, arms.conversions[:, -7:].sum(axis=1))
    complete = found.exposure[found.period == 0] / arms.impressions[:, 2:7].sum(axis=1)
    assert complete.min() > 0.99
    assert (found.exposure[found.period == 2] < arms.impressions[:, -7:].sum(axis=1)).all(), "young days are not whole"


def test_a_long_history_is_laid_out_in_fortnights() -> None:
    found = evidence_of(budgets=2, weeks=16)
    assert (found.days, found.periods) == (14, 8)


def test_days_without_a_row_are_no_days_of_nothing_and_clicks_stand_in_for_impressions() -> None:
    seen = ad_snapshot(AdTruth(), np.random.default_rng(1), budgets=2, weeks=4)
    arms = seen.arms
    assert arms is not None
    for values in (arms.conversions, arms.clicks, arms.spend):
        values[0, :14] = np.nan
    found = gather_ads(seen, replace(arms, impressions=np.full_like(arms.clicks, np.nan)), SETTINGS)
    assert found.metric == "click"
    assert found.period[found.ad == 0].tolist() == [2, 3]


def test_only_levels_that_the_data_tell_apart_are_kept() -> None:
    one = evidence_of(budgets=1, weeks=4)
    # Two creatives, two audiences, four ads: no platform, account or campaign beside the base.
    assert [level.name for level in one.levels] == ["creative", "audience", "ad"]
    many = evidence_of(budgets=6, weeks=4, accounts=2)
    assert [(level.name, len(level.labels)) for level in many.levels] == [
        ("account", 2), ("campaign", 6), ("creative", 4), ("audience", 4), ("ad", 24),
    ]  # fmt: skip
    apart = {level.name: (level.apart, level.across) for level in many.levels}
    assert apart["campaign"] == (0.0, 1.0)
    assert apart["ad"] == (1.0, 1.0)
    # Of the six pairs of four ads two share a creative; of the pairs of budgets 6 in 15 share an account.
    assert apart["creative"] == pytest.approx((2 / 3, 0.5 * 6 / 15 + 9 / 15))


def test_a_creative_of_one_ad_each_is_the_ad() -> None:
    seen = ad_snapshot(AdTruth(), np.random.default_rng(1), budgets=3, weeks=4)
    arms = seen.arms
    assert arms is not None
    own = tuple(replace(arm, creative_id=f"c{n}", audience_id=None) for n, arm in enumerate(arms.arms))
    found = gather_ads(seen, replace(arms, arms=own), SETTINGS)
    assert [level.name for level in found.levels] == ["campaign", "ad"]


def test_budgets_with_a_single_ad_or_few_conversions_are_left_out_and_named() -> None:
    seen = ad_snapshot(AdTruth(), np.random.default_rng(1), budgets=6, weeks=4)
    arms = seen.arms
    assert arms is not None
    arms.conversions[:4] = 0.0
    found = gather_ads(seen, arms, replace(SETTINGS, campaigns=2))
    assert len(found.groups) == 4
    assert found.notes == (
        "search: the ads of 1 of 3 budgets are too few, or bring too little.",
        "social: the ads of the 2 budgets with the most conversions stand for 3.",
    )


# The model


def test_the_model_is_the_density_that_numpy_computes() -> None:
    evidence = evidence_of(AdTruth(drift=0.1), budgets=2, weeks=4, weekly=200.0)
    assert set(walks(evidence)) == {"sway", "drift"}
    model = build_ads(evidence)
    rng = np.random.default_rng(2)
    at = {v: rng.normal(0, 0.1, model.initial_point()[v.name].shape) for v in model.value_vars}
    at[model["ad"].owner and model.rvs_to_values[model["ad"]]] = rng.normal(np.log(RATE), 0.1, 8)
    outputs = [model[name] for name in ("ad", "sway_sd", "sway_steps", "drift_sd", "drift_steps", "excess")]
    graphs = model.replace_rvs_by_values([*outputs])
    logp = pm.math.sum(model.logp(vars=model.observed_RVs, sum=True))
    given = {v: np.asarray(values) for v, values in at.items()}
    named = {out.name: g.eval(_only(g, given), mode="FAST_COMPILE") for out, g in zip(outputs, graphs, strict=True)}
    mean = evidence.exposure * np.exp(log_rates(named, evidence, np))
    size = 1 / (named["excess"] + 1e-4)
    by_hand = nbinom.logpmf(evidence.counts, size, size / (size + mean)).sum()
    assert float(logp.eval(_only(logp, given), mode="FAST_COMPILE")) == pytest.approx(by_hand, rel=1e-8)


def _only(graph: Any, given: dict[Any, np.ndarray]) -> dict[Any, np.ndarray]:
    from pytensor.graph.traversal import explicit_graph_inputs

    inputs = set(explicit_graph_inputs([graph]))
    return {variable: values for variable, values in given.items() if variable in inputs}


def test_walks_are_less_their_mean_and_stand_still_outside_a_life() -> None:
    evidence = evidence_of(budgets=2, weeks=5)
    short = replace(
        evidence,
        **{
            name: getattr(evidence, name)[~((evidence.ad == 0) & (evidence.period < 2))]
            for name in ("ad", "period", "counts", "exposure")
        },
    )
    places = walks(short)
    assert places["drift"][0].tolist() == [0, 0, 0, 1, 2]
    assert places["drift"].max() == 2 + 7 * 4
    rng = np.random.default_rng(3)
    p = {"ad": np.zeros(8), "sway_sd": 0.0, "drift_sd": 1.0}
    p |= {f"{name}_steps": rng.normal(size=walk.max()) for name, walk in places.items()}
    eta = log_rates(p, short, np)
    np.testing.assert_allclose(np.bincount(short.ad, eta), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.diff(eta[short.ad == 0]), p["drift_steps"][:2])


def test_levels_that_their_days_tell_well_are_centred() -> None:
    rich, poor = evidence_of(weekly=200.0, budgets=4), evidence_of(weekly=1.0, budgets=4)
    centred = [
        told(evidence, level, scale)
        for evidence in (rich, poor)
        for level, scale in zip(evidence.levels, scales(evidence.levels), strict=True)
        if level.name == "ad"
    ]
    assert centred == [True, False]


# Export and checks


def _draws(evidence: AdEvidence, rng: np.random.Generator, **sd: float) -> dict[str, np.ndarray]:
    count = 2000
    known = {f"{level.name}_sd": 0.0 for level in evidence.levels} | {f"{name}_sd": 0.0 for name in walks(evidence)}
    known |= {f"{name}_sd": value for name, value in sd.items()}
    draws = {name: np.abs(value + 1e-3 * rng.normal(size=count)) for name, value in known.items()}
    draws |= {f"{n}_steps": rng.normal(size=(count, w.max())) for n, w in walks(evidence).items()}
    crude = np.log((np.bincount(evidence.ad, evidence.counts) + 0.5) / np.bincount(evidence.ad, evidence.exposure))
    draws["ad"] = crude + 1e-3 * rng.normal(size=(count, crude.size))
    draws["base"] = np.log(RATE) + 1e-3 * rng.normal(size=count)
    draws["campaign"] = draws["base"][:, None] + 1e-3 * rng.normal(size=(count, len(evidence.groups)))
    draws["excess"] = np.abs(0.02 + 1e-4 * rng.normal(size=count))
    return draws


def test_the_export_is_the_spread_of_pairs_of_ads() -> None:
    evidence = evidence_of(budgets=6, weeks=4, accounts=2)
    sd = {"account": 0.5, "campaign": 0.7, "creative": 0.3, "audience": 0.2, "ad": 0.1, "drift": 0.1}
    priors = export_ads(_draws(evidence, np.random.default_rng(4), **sd), evidence, NOW)
    within = (0.3**2 + 0.2**2) * 2 / 3 + 0.1**2
    assert priors.log_strength.mean == pytest.approx(-np.log(np.expm1(within)), abs=0.02)
    meet = 0.5 * 6 / 15 + 9 / 15
    between = 0.5**2 * 9 / 15 + 0.7**2 + (0.3**2 + 0.2**2) * (meet - 2 / 3)
    assert priors.log_spread is not None
    assert priors.log_spread.mean == pytest.approx(np.log(between) / 2, abs=0.02)
    assert priors.log_drift is not None
    assert priors.log_drift.mean == pytest.approx(np.log(0.1 / np.sqrt(7)), abs=0.02)
    assert priors.excess == pytest.approx(0.14, abs=0.01)
    assert [level.name for level in priors.levels] == list(sd)[:-1]
    assert priors.means[0].log_rate.mean == pytest.approx(np.log(RATE) + within / 2, abs=0.01)


def test_what_the_data_do_not_tell_is_not_handed_on() -> None:
    evidence = evidence_of(budgets=2, weeks=4)
    draws = _draws(evidence, np.random.default_rng(5), ad=0.3)
    draws["drift_sd"] = np.abs(np.random.default_rng(6).normal(0, 0.15, 2000))  # the prior
    priors = export_ads(draws, evidence, NOW)
    assert (priors.log_drift, priors.log_spread) == (None, None)


def _stand_in(draws: dict[str, np.ndarray]) -> Any:
    chained = {name: values.reshape(2, -1, *values.shape[1:]) for name, values in draws.items()}
    axes = {n: ("chain", "draw", *(f"{n}_{axis}" for axis in range(v.ndim - 2))) for n, v in chained.items()}
    posterior = xr.Dataset({name: (axes[name], values) for name, values in chained.items()})
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((2, 1000), dtype=bool))})
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})


@pytest.mark.parametrize(("shift", "failed"), [(0.0, set()), (0.5, {"coverage", "calibration"})])
def test_priors_are_handed_on_only_if_the_ads_look_like_the_draws(
    monkeypatch: pytest.MonkeyPatch, shift: float, failed: set[str]
) -> None:
    seen = ad_snapshot(AdTruth(), np.random.default_rng(1))

    def sample(evidence: AdEvidence, *_: Any) -> Any:
        draws = _draws(evidence, np.random.default_rng(4), campaign=0.7, ad=0.3)
        draws["ad"] += shift
        return _stand_in(draws)

    monkeypatch.setattr(fitting, "build_ads", lambda evidence: evidence)
    monkeypatch.setattr(fitting, "sample", sample)
    refit = fit_ads(seen, SETTINGS, np.random.default_rng(5), _silent)
    assert refit is not None
    assert {check.name for check in refit.checks if not check.passed} == failed
    assert isinstance(refit.priors, AdPriors) is not failed
    if refit.priors is not None:
        assert (refit.priors.model, refit.priors.fitted_at) == (AD_MODEL, NOW)
    assert {"posterior_predictive", "constant_data"} <= set(refit.idata.children)


def test_no_ads_or_too_few_are_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "build_ads", pytest.fail)
    assert fit_ads(snapshot(), SETTINGS, np.random.default_rng(1), _silent) is None
    few = fit_ads(snapshot(ads=True), SETTINGS, np.random.default_rng(1), _silent)
    assert few is not None
    assert (few.idata, few.priors) == (None, None)
    assert "2 ads of 1 budgets" in few.words
    nothing = replace(ad_snapshot(AdTruth(), np.random.default_rng(1)), delays=())
    assert nothing.arms is not None
    nothing.arms.conversions[:] = np.nan
    none = fit_ads(nothing, SETTINGS, np.random.default_rng(1), _silent)
    assert none is not None
    assert "0 ads of 0 budgets, with 0 conversions" in none.words


# For real


@pytest.fixture(scope="module")
def recovered() -> Refit[AdPriors]:
    seen = ad_snapshot(AdTruth(drift=0.12), np.random.default_rng(7))
    refit = fit_ads(seen, SETTINGS, np.random.default_rng(8), _silent)
    assert refit is not None
    return refit


def test_a_known_truth_is_recovered(recovered: Refit[AdPriors]) -> None:
    """Twelve budgets of four ads over six weeks: every spread lies within the draws, and the draws away from zero."""
    draws = flat(recovered.idata)
    for name, true in (("campaign_sd", 0.8), ("ad_sd", 0.35), ("drift_sd", 0.12)):
        low, high = np.quantile(draws[name], [0.005, 0.995])
        assert low < true < high, name
    assert np.quantile(draws["ad_sd"], 0.995) < 0.6
    assert np.quantile(draws["campaign_sd"], 0.005) > 0.2
    for name in ("coverage", "calibration"):
        assert next(check for check in recovered.checks if check.name == name).passed


def test_so_few_draws_are_withheld(recovered: Refit[AdPriors]) -> None:
    assert recovered.priors is None
    assert "ess-bulk" in {check.name for check in recovered.checks if not check.passed}


def test_replicates_draw_the_walks_anew(recovered: Refit[AdPriors]) -> None:
    evidence = evidence_of(AdTruth(drift=0.12), seed=7)
    draws = flat(recovered.idata, 20)
    still = {name: np.zeros_like(values) if name.endswith("_steps") else values for name, values in draws.items()}
    one, other = (replicate_ads(d, evidence, np.random.default_rng(9)) for d in (draws, still))
    np.testing.assert_array_equal(one, other)
