from __future__ import annotations

import json
from math import inf

import numpy as np
import pytest
from scipy import stats

from bandits.evidence import Evidence
from bandits.features import NUMBERS, Encoding, FeatureModel, Features, block_of, learn_features
from bandits.glm import Family
from bandits.groups import Groups
from bandits.pooling import Hyperprior, condition, learn_pool

FORMATS = ("video", "image", "carousel")
HOOKS = tuple("abcdef")


def world(seed: int, effect: float, ads: int = 400) -> tuple[list[Features], np.ndarray, np.ndarray, np.ndarray]:
    """Ads of some formats and hooks, whose log rates differ by attribute and, by .25, without reason."""
    rng = np.random.default_rng(seed)
    formats, hooks = rng.integers(0, 3, ads), rng.integers(0, 6, ads)
    seconds = rng.uniform(5, 60, ads)
    of_format, of_hook = rng.normal(0, effect, 3), rng.normal(0, effect, 6)
    eta = np.log(0.01) + of_format[formats] + of_hook[hooks] + effect * (seconds - 32.5) / 16
    rate = np.exp(eta + rng.normal(0, 0.25, ads))
    exposure = rng.uniform(200, 3000, ads)
    features = [
        Features((f"format:{FORMATS[f]}", f"hook:{HOOKS[h]}"), {"seconds": float(s)})
        for f, h, s in zip(formats, hooks, seconds, strict=True)
    ]
    return features, rng.poisson(exposure * rate).astype(np.float64), exposure, rate


def score(shape: np.ndarray, rate: np.ndarray, y: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Log score of counts of new ads, whose rates have gamma priors."""
    return stats.nbinom.logpmf(y, shape, rate / (rate + n))


def pooled(y: np.ndarray, n: np.ndarray) -> tuple[float, float]:
    """Shape and rate of the pooled prior of one more ad."""
    evidence, groups = Evidence(y, n), Groups.of(np.zeros(y.size, dtype=np.int64))
    rates = condition(evidence, groups, learn_pool(evidence, groups, Hyperprior()))
    return rates.strength, rates.strength / float(np.exp(rates.log_rate[0]))


def gains(effect: float, seeds: range) -> np.ndarray:
    """Mean gain in log score of 200 new ads over the pooled prior, by world."""
    found = []
    for seed in seeds:
        ads, y, n, _ = world(seed, effect)
        model = learn_features(ads[:200], y[:200], n[:200])
        prior = model.gamma_prior(ads[200:])
        shape, rate = pooled(y[:200], n[:200])
        ours = score(prior.shape, prior.rate, y[200:], n[200:])
        found.append((ours - score(np.full(200, shape), np.full(200, rate), y[200:], n[200:])).mean())
    return np.array(found)


def test_attributes_that_tell_foretell_new_ads() -> None:
    gain = gains(0.3, range(8))
    assert gain.mean() > 0.1, "nats per ad"
    assert gain.min() > 0.0


def test_useless_attributes_do_no_harm() -> None:
    gain = gains(0.0, range(100, 108))
    assert gain.mean() > -0.01
    assert gain.min() > -0.03


def test_the_best_of_four_new_ads_is_found_more_often_than_by_chance() -> None:
    ads, y, n, rate = world(9, 0.3)
    model = learn_features(ads[:200], y[:200], n[:200])
    mean, _ = model.prior_for(ads[200:])
    picked = rate[200:].reshape(50, 4)[np.arange(50), mean.reshape(50, 4).argmax(axis=1)]
    fours = rate[200:].reshape(50, 4)
    gained = (picked - fours.mean(axis=1)).sum() / (fours.max(axis=1) - fours.mean(axis=1)).sum()
    assert gained > 0.5


def test_blocks_learn_how_much_they_may_say() -> None:
    ads, y, n, _ = world(3, 0.4)
    noise = np.random.default_rng(1).integers(0, 4, len(ads))
    tagged = [Features((*ad.tags, f"colour:{c}"), ad.numbers) for ad, c in zip(ads, noise, strict=True)]
    model = learn_features(tagged, y, n)
    assert set(model.effect_sd) == {"format", "hook", "colour", NUMBERS}
    assert model.effect_sd["hook"] > 2 * model.effect_sd["colour"]
    assert 1 / np.sqrt(model.posterior.strength) == pytest.approx(0.25, abs=0.06)


def test_intervals_of_new_ads_cover() -> None:
    inside = []
    for seed in range(20, 26):
        ads, y, n, rate = world(seed, 0.3)
        mean, sd = learn_features(ads[:200], y[:200], n[:200]).prior_for(ads[200:])
        inside.append((np.abs(np.log(rate[200:]) - mean) < 1.645 * sd).mean())
    assert np.mean(inside) == pytest.approx(0.9, abs=0.04)


def test_a_gamma_prior_has_the_moments_of_the_rate() -> None:
    ads, y, n, _ = world(4, 0.3)
    model = learn_features(ads, y, n)
    rng = np.random.default_rng(5)
    eta, sd = model.posterior.predict(model.encoding.encode(ads[:1]))
    nu = model.posterior.strength
    drawn = np.exp(eta + sd * rng.standard_normal(400_000)) * rng.gamma(nu, 1 / nu, 400_000)
    prior = model.gamma_prior(ads[:1])
    assert (prior.mean[0], prior.sd[0]) == pytest.approx((drawn.mean(), drawn.std()), rel=0.01)


def test_a_tag_that_was_never_seen_is_as_doubtful_as_its_block() -> None:
    ads, y, n, _ = world(6, 0.3)
    model = learn_features(ads, y, n)
    known, strange, foreign = (
        model.prior_for([Features(("format:video", tag))])[1][0] for tag in ("hook:a", "hook:zebra", "planet:mars")
    )
    assert strange**2 - foreign**2 == pytest.approx(model.effect_sd["hook"] ** 2)
    assert known < strange


def test_updates_and_forgetting_go_on_from_what_was_learnt() -> None:
    ads, y, n, _ = world(7, 0.3)
    whole = learn_features(ads, y, n)
    first = learn_features(ads[:200], y[:200], n[:200])
    on = first.update(ads[200:], y[200:], n[200:])
    assert on.posterior.precision[0, 0] > first.posterior.precision[0, 0]
    gap = np.abs(on.prior_for(ads)[0] - whole.prior_for(ads)[0])
    assert gap.max() < 0.15
    assert on.forget(0.9).prior_for(ads)[1].mean() > on.prior_for(ads)[1].mean()


def test_shares_of_trials_are_learnt_too() -> None:
    ads, _, n, rate = world(8, 0.4)
    trials = np.round(n)
    y = np.random.default_rng(1).binomial(trials.astype(np.int64), np.minimum(rate, 1.0)).astype(np.float64)
    model = learn_features(ads, y, trials, family=Family.BINOMIAL)
    mean, _ = model.prior_for(ads)
    assert np.corrcoef(mean, np.log(rate))[0, 1] > 0.7
    assert model.posterior.strength == inf
    with pytest.raises(ValueError, match="gamma prior"):
        model.gamma_prior(ads)


def test_encoding_knows_what_varies() -> None:
    ads = [
        Features(("all", "x:1", "x:1"), {"age": 1.0, "same": 3.0}),
        Features(("all", "x:1"), {"age": 3.0, "same": 3.0}),
        Features(("all", "rare"), {"same": 3.0}),
    ]
    encoding = Encoding.of(ads)
    assert (encoding.tags, encoding.numbers) == (("x:1",), (("age", 2.0, 1.0),))
    np.testing.assert_array_equal(encoding.encode(ads), [[1, 1, -1], [1, 1, 1], [1, 0, 0]])
    assert (block_of("x:1"), block_of("sale"), encoding.blocks) == ("x", "", ("x", NUMBERS))
    assert encoding.strange(Features(("x:2", "x:3", "y:1")), "x") == 2


def test_without_attributes_it_is_the_pool() -> None:
    _, y, n, _ = world(9, 0.0)
    model = learn_features([Features()] * len(y), y, n)
    prior = model.gamma_prior([Features(("new",), {"age": 3.0})])
    shape, rate = pooled(y, n)
    assert prior.mean[0] == pytest.approx(shape / rate, rel=0.02)
    assert prior.shape[0] == pytest.approx(shape, rel=0.1)


def test_state_is_read_back_to_the_bit() -> None:
    ads, y, n, _ = world(10, 0.3, ads=60)
    model = learn_features(ads, y, n)
    again = FeatureModel.from_json(model.to_json())
    assert again.to_json() == model.to_json()
    np.testing.assert_array_equal(again.prior_for(ads), model.prior_for(ads))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d | {"version": 0}, "this is version 0"),
        (lambda d: d | {"kind": "beta-binomial"}, "beta-binomial"),
        (lambda d: {k: v for k, v in d.items() if k != "tags"}, "no state of a feature model"),
        (lambda d: d | {"tags": []}, "other coefficients"),
        (lambda d: [d], "no state"),
    ],
)
def test_broken_states_are_refused(change: object, match: str) -> None:
    ads, y, n, _ = world(11, 0.3, ads=60)
    document = json.loads(learn_features(ads, y, n).to_json())
    with pytest.raises(ValueError, match=match):
        FeatureModel.from_json(json.dumps(change(document)))  # type: ignore[operator]


def test_bad_attributes_are_refused() -> None:
    with pytest.raises(ValueError, match="'age' must be finite"):
        Features(numbers={"age": float("nan")})
    with pytest.raises(ValueError, match="empty"):
        Features(("",))
    with pytest.raises(ValueError, match="no ads"):
        learn_features([], np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match="arm 1: successes"):
        learn_features([Features(), Features()], np.array([1.0, -1.0]), np.ones(2))
