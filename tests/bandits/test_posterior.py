from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from bandits import state
from bandits.posterior import BetaBinomial, GammaPoisson, NormalInverseGamma, Posterior

ONES = np.ones(2)
positive = st.floats(1e-6, 1e6)
counts = st.floats(0, 1e6)


def arrays(elements: st.SearchStrategy[float], size: int = 3) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, size, elements=elements)


def test_beta_binomial_closed_form() -> None:
    posterior = BetaBinomial(ONES, ONES).update(np.array([3.0, 0.0]), np.array([10.0, 0.0]))
    assert posterior.mean == pytest.approx([4 / 12, 1 / 2])
    assert posterior.sd == pytest.approx([np.sqrt(4 * 8 / (12**2 * 13)), np.sqrt(1 / 12)])
    low, high = posterior.interval(0.9)
    assert low == pytest.approx(stats.beta([4, 1], [8, 1]).ppf(0.05))
    assert high == pytest.approx(stats.beta([4, 1], [8, 1]).ppf(0.95))


def test_gamma_poisson_closed_form() -> None:
    posterior = GammaPoisson(2 * ONES, 100 * ONES).update(np.array([3.5, 0.0]), np.array([900.0, 0.0]))
    assert posterior.mean == pytest.approx([5.5 / 1000, 2 / 100])
    assert posterior.sd == pytest.approx([np.sqrt(5.5) / 1000, np.sqrt(2) / 100])
    low, high = posterior.interval(0.8)
    assert low == pytest.approx(stats.gamma([5.5, 2]).ppf(0.1) / [1000, 100])
    assert high == pytest.approx(stats.gamma([5.5, 2]).ppf(0.9) / [1000, 100])


def test_normal_inverse_gamma_closed_form() -> None:
    logs = np.array([1.0, 2.0, 4.0])
    prior = NormalInverseGamma(np.array([0.0]), np.array([2.0]), np.array([3.0]), np.array([1.5]))
    posterior = prior.update(np.array([3.0]), np.array([logs.sum()]), np.array([(logs**2).sum()]))
    assert posterior.location == pytest.approx([7 / 5])
    assert posterior.count == pytest.approx([5])
    assert posterior.shape == pytest.approx([4.5])
    squares = ((logs - 7 / 3) ** 2).sum()
    assert posterior.scale == pytest.approx([1.5 + (squares + 2 * 3 / 5 * (7 / 3) ** 2) / 2])
    marginal = stats.t(9, loc=7 / 5, scale=np.sqrt(posterior.scale / (4.5 * 5)))
    assert posterior.sd == pytest.approx(marginal.std())
    assert np.concatenate(posterior.interval(0.9)) == pytest.approx(np.concatenate(marginal.interval(0.9)))


def test_normal_inverse_gamma_without_second_moment_has_infinite_sd() -> None:
    vague = NormalInverseGamma(np.zeros(1), np.ones(1), np.ones(1), np.ones(1))
    assert vague.sd == [np.inf]
    assert np.isfinite(vague.interval(0.9)).all()


POSTERIORS: list[Posterior] = [
    BetaBinomial(np.array([4.0, 0.7]), np.array([9.0, 60.0])),
    GammaPoisson(np.array([4.0, 0.7]), np.array([90.0, 2.0])),
    NormalInverseGamma(np.array([3.0, -1.0]), np.array([4.0, 1.0]), np.array([9.0, 4.0]), np.array([2.0, 5.0])),
]


@pytest.mark.parametrize("posterior", POSTERIORS, ids=lambda p: type(p).__name__)
def test_draws_follow_the_posterior(posterior: Posterior) -> None:
    n = 100_000
    draws = posterior.draws(n, np.random.default_rng(1))
    assert draws.shape == (n, 2)
    assert (np.abs(draws.mean(axis=0) - posterior.mean) < 6 * posterior.sd / np.sqrt(n)).all()
    low, high = posterior.interval(0.9)
    inside = ((low < draws) & (draws < high)).mean(axis=0)
    assert inside == pytest.approx(0.9, abs=6 * np.sqrt(0.09 / n))


@pytest.mark.parametrize("posterior", POSTERIORS, ids=lambda p: type(p).__name__)
def test_drawing_is_not_learning(posterior: Posterior) -> None:
    first = posterior.draws(5, np.random.default_rng(3))
    assert (posterior.draws(5, np.random.default_rng(3)) == first).all()


@given(arrays(counts), arrays(counts), arrays(counts), arrays(counts))
def test_two_updates_equal_one(y1: np.ndarray, n1: np.ndarray, y2: np.ndarray, n2: np.ndarray) -> None:
    gamma = GammaPoisson(np.ones(3), np.ones(3))
    twice, once = gamma.update(y1, n1).update(y2, n2), gamma.update(y1 + y2, n1 + n2)
    assert twice.shape == pytest.approx(once.shape)
    assert twice.rate == pytest.approx(once.rate)
    beta = BetaBinomial(np.ones(3), np.ones(3))
    twice_b, once_b = beta.update(y1, y1 + n1).update(y2, y2 + n2), beta.update(y1 + y2, y1 + n1 + y2 + n2)
    assert twice_b.mean == pytest.approx(once_b.mean)


@given(st.lists(st.floats(-5, 15), min_size=2, max_size=12), st.integers(0, 12))
def test_log_values_in_two_parts_equal_one(logs: list[float], cut: int) -> None:
    def learn(prior: NormalInverseGamma, part: list[float]) -> NormalInverseGamma:
        x = np.array(part)
        return prior.update(np.array([float(x.size)]), np.array([x.sum()]), np.array([(x**2).sum()]))

    prior = NormalInverseGamma(np.zeros(1), np.ones(1), np.ones(1), np.ones(1))
    twice, once = learn(learn(prior, logs[:cut]), logs[cut:]), learn(prior, logs)
    assert twice.location == pytest.approx(once.location)
    assert twice.scale == pytest.approx(once.scale)


@given(arrays(positive), arrays(positive), arrays(st.floats(-1e3, 1e3)), arrays(positive))
def test_json_is_byte_stable(a: np.ndarray, b: np.ndarray, location: np.ndarray, d: np.ndarray) -> None:
    for posterior in (BetaBinomial(a, b), GammaPoisson(a, b), NormalInverseGamma(location, a, b, d)):
        text = posterior.to_json()
        again = type(posterior).from_json(text)
        assert again.to_json() == text
        assert (again.mean == posterior.mean).all()


def test_json_is_written_plainly() -> None:
    text = GammaPoisson(np.array([1.5]), np.array([100.0])).to_json()
    assert text == '{"gamma":null,"kind":"gamma-poisson","parameters":{"rate":[100.0],"shape":[1.5]},"version":2}'


def _with(**changes: object) -> str:
    return json.dumps(json.loads(GammaPoisson(ONES, ONES).to_json()) | changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "must be JSON"),
        ("[1]", "JSON object"),
        (_with(kind="beta-binomial"), "'beta-binomial', not of 'gamma-poisson'"),
        (_with(version=0), "version 0; versions 1 to 2 can be read"),
        (_with(version="2"), "version '2'; versions 1 to 2"),
        (_with(version=True), "version True; versions 1 to 2"),
        (_with(version=3), "version 3, written by a newer program; this one reads versions up to 2: update it"),
        ('{"kind":"gamma-poisson","version":2,"parameters":{"shape":[1.0],"rate":[1.0]}}', "names its gamma"),
        (GammaPoisson(ONES, ONES).to_json()[:-9], "must be JSON"),
        (_with(parameters={"shape": [1.0]}), "exactly the parameters shape, rate"),
        (_with(parameters={"shape": [1.0], "rate": ["x"]}), "'rate' of a state must be a list of numbers"),
        (_with(parameters={"shape": [1.0], "rate": [float("nan")]}), "arm 0: rate must be finite and positive"),
        (_with(parameters={"shape": [1.0], "rate": [1.0, 2.0]}), "one shape"),
    ],
)
def test_broken_states_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        GammaPoisson.from_json(text)


VERSION_1 = '{"kind":"gamma-poisson","parameters":{"rate":[100.0,0.1],"shape":[1.5,2.0]},"version":1}'


def test_a_state_of_version_1_is_migrated() -> None:
    old = GammaPoisson.from_json(VERSION_1)
    assert (old.rate.tolist(), old.shape.tolist()) == ([100.0, 0.1], [1.5, 2.0])
    assert state.forgetting(VERSION_1) is None
    assert old.to_json(gamma=None) == VERSION_1.replace('{"kind', '{"gamma":null,"kind').replace(":1}", ":2}")


def test_a_state_tells_how_it_forgets() -> None:
    for posterior in POSTERIORS:
        assert isinstance(posterior, BetaBinomial | GammaPoisson | NormalInverseGamma)
        text = posterior.to_json(gamma=0.98)
        assert state.forgetting(text) == 0.98
        assert type(posterior).from_json(text).to_json(gamma=0.98) == text


@pytest.mark.parametrize("gamma", [0.0, 1.5, float("nan")])
def test_an_impossible_gamma_is_refused(gamma: float) -> None:
    with pytest.raises(ValueError, match="gamma must be above 0 and at most 1"):
        GammaPoisson(ONES, ONES).to_json(gamma=gamma)
    with pytest.raises(ValueError, match="gamma must be above 0 and at most 1"):
        state.forgetting(_with(gamma=gamma))
    with pytest.raises(ValueError, match="must be a number or null, not 'x'"):
        state.forgetting(_with(gamma="x"))


def test_impossible_statistics_name_the_arm() -> None:
    beta = BetaBinomial(ONES, ONES)
    with pytest.raises(ValueError, match=r"arm 1: 3 successes are more than 2.5 trials"):
        beta.update(np.array([1.0, 3.0]), np.array([1.0, 2.5]))
    with pytest.raises(ValueError, match="arm 0: successes must be finite and not negative, not -1"):
        beta.update(np.array([-1.0, 3.0]), np.array([1.0, 2.5]))
    with pytest.raises(ValueError, match="one value per arm"):
        beta.update(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="arm 1: exposure"):
        GammaPoisson(ONES, ONES).update(ONES, np.array([0.0, np.inf]))
    normal = NormalInverseGamma(np.zeros(2), ONES, ONES, ONES)
    with pytest.raises(ValueError, match="arm 1: no 2 values have"):
        normal.update(2 * ONES, 2 * ONES, np.array([2.0, 1.0]))
    with pytest.raises(ValueError, match="arm 0: no 0 values have"):
        normal.update(np.zeros(2), ONES, ONES)
    with pytest.raises(ValueError, match="arm 1: total must be finite"):
        normal.update(ONES, np.array([1.0, np.nan]), ONES)


def test_impossible_parameters_name_the_arm() -> None:
    with pytest.raises(ValueError, match="arm 1: beta must be finite and positive"):
        BetaBinomial(ONES, np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="location"):
        NormalInverseGamma(np.zeros(3), ONES, ONES, ONES)
    with pytest.raises(ValueError, match="between 0 and 1, not 90"):
        GammaPoisson(ONES, ONES).interval(90)
