"""A refit from end to end: sampled for real, withheld when checks fail, handed on when they pass, the same by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytest
import xarray as xr

from optimizer.refit import LiftTest, Refit, Sampling, fit, fitting
from optimizer.refit.evidence import Evidence, gather
from optimizer.refit.hierarchy import MODEL, build, drift_knots, expected, implied_lift
from optimizer.refit.sampling import flat
from tests.optimizer.snapshots import NOW, TODAY, snapshot

TINY = Sampling(draws=5, tune=5, chains=2, depth=3, days=35)
FIRST = TODAY - timedelta(days=28)
LIFT = LiftTest("search", FIRST, FIRST + timedelta(days=13), 2800.0, -1400.0, -60.0, 12.0)


def _silent(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture(scope="module")
def sampled() -> tuple[Refit, list[tuple[int, int]]]:
    """Far too few draws, but real ones, and what was told on the way."""
    told: list[tuple[int, int]] = []
    # To compile for speed takes longer than so few draws do without.
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        refit = fit(snapshot(), (), TINY, np.random.default_rng(1), lambda done, total: told.append((done, total)))
    return refit, told


def test_a_short_run_is_withheld_and_says_why(sampled: tuple[Refit, list[tuple[int, int]]]) -> None:
    refit, _ = sampled
    assert refit.priors is None
    names = [check.name for check in refit.checks]
    assert names == ["evidence", "r-hat", "ess-bulk", "ess-tail", "divergences", "coverage", "calibration"]
    failed = {check.name for check in refit.checks if not check.passed}
    assert "ess-bulk" in failed
    assert refit.words.startswith("The priors of before stand. ")
    assert "fewer than 400" in refit.words


def test_progress_counts_every_draw(sampled: tuple[Refit, list[tuple[int, int]]]) -> None:
    _, told = sampled
    assert told[0] == (0, 20)
    assert told[-1] == (20, 20)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_the_draws_are_arviz_data_with_what_they_were_made_of(sampled: tuple[Refit, list[tuple[int, int]]]) -> None:
    tree = sampled[0].idata
    assert tree is not None
    assert {"posterior", "sample_stats", "observed_data", "posterior_predictive", "constant_data"} <= set(tree.children)
    assert tree["posterior"].dataset["carry"].dims == ("chain", "draw", "channel")
    assert tree["posterior"].dataset["level"].shape == (2, 5, 4)
    assert tree["constant_data"].dataset["spend"].shape == (4 * 35,)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return gather(snapshot(), (LIFT,), TINY)


def test_the_model_is_the_density_that_numpy_computes(evidence: Evidence) -> None:
    """The likelihood of PyMC's graph at one point, days and test, against the formulae of the two densities."""
    from scipy.stats import nbinom, norm

    model = build(evidence)
    rng = np.random.default_rng(2)
    p = {
        name: rng.uniform(0.1, 0.5, shape)
        for name, shape in (
            *((name, (2,)) for name in ("half_mean", "half_sd", "slope_mean", "slope_sd", "carry", "excess")),
            *((name, (4,)) for name in ("half_z", "slope_z")),
            ("week", (2, 7)),
            ("steps", (4, drift_knots(evidence).shape[1] - 1)),
            ("log_lift", (2,)),
        )
    }
    p |= {"wander": np.array(0.2), "level": rng.normal(2.5, 0.1, 4)}
    free = [model[name] for name in p]
    found = pm.math.sum(model.logp(vars=model.observed_RVs, sum=True))
    at = {model.rvs_to_values[v]: _moved(model, v, p[v.name]) for v in free}
    density = float(found.eval(at, mode="FAST_COMPILE"))
    mean = expected(p, evidence, np)[evidence.counted]
    size = np.broadcast_to((1 / (p["excess"][evidence.channel] + 1e-4))[:, None], evidence.counts.shape)[
        evidence.counted
    ]
    by_hand = nbinom.logpmf(evidence.counts[evidence.counted], size, size / (size + mean)).sum()
    trial = evidence.trials[0]
    by_hand += norm.logpdf(trial.incremental, implied_lift(p, p["log_lift"], trial, evidence, np), trial.se)
    assert density == pytest.approx(by_hand, rel=1e-8)


def _moved(model: pm.Model, variable: Any, value: np.ndarray) -> np.ndarray:
    """The value on the scale on which PyMC samples it."""
    transform = model.rvs_to_transforms[variable]
    if transform is None:
        return value
    return np.asarray(transform.forward(value, *variable.owner.inputs).eval(mode="FAST_COMPILE"))


@dataclass(frozen=True, slots=True)
class _Posterior:
    """Draws that stand in for a sampler's: independent ones around a truth, from which the days are replicated."""

    truth: dict[str, np.ndarray]
    sd: float
    diverging: int

    def __call__(self, _model: Any, _settings: Sampling, rng: np.random.Generator, _progress: Any) -> Any:
        draws = {n: v + self.sd * rng.normal(size=(2, 2000, *np.shape(v))) for n, v in self.truth.items()}
        diverging = np.zeros((2, 2000), dtype=bool)
        diverging[0, : self.diverging] = True
        axes = {name: ("chain", "draw", *(f"{name}_{axis}" for axis in range(v.ndim - 2))) for name, v in draws.items()}
        posterior = xr.Dataset({name: (axes[name], values) for name, values in draws.items()})
        stats = xr.Dataset({"diverging": (("chain", "draw"), diverging)})
        return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})


def _truth(evidence: Evidence, level: float = 0.0) -> dict[str, np.ndarray]:
    """Curves like those of the snapshot: its half-saturation, slope one, no carry-over to speak of."""
    half = np.log(np.array([40.0, 160.0, 400.0, 60.0]) / evidence.reference)
    scale = np.array([12.0, 30.0, 50.0, 10.0])
    return {
        "half_mean": np.zeros(2),
        "half_sd": np.ones(2),
        "half_z": half,
        "slope_mean": np.zeros(2),
        "slope_sd": np.full(2, 0.1),
        "slope_z": np.zeros(4),
        "carry": np.full(2, 0.01),
        "week": np.zeros((2, 7)),
        "wander": np.array(0.01),
        "steps": np.zeros((4, drift_knots(evidence).shape[1] - 1)),
        "level": level + np.log(scale / (1 + np.exp(half))),
        "excess": np.full(2, 0.005),
    }


@pytest.fixture
def refitted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Refit]:
    """A refit whose sampler is replaced by draws around the truth."""

    def run(*, level: float = 0.0, diverging: int = 0) -> Refit:
        seen = snapshot()
        truth = _truth(gather(seen, (), Sampling(days=90)), level)
        monkeypatch.setattr(fitting, "build", lambda _evidence: None)
        monkeypatch.setattr(fitting, "sample", _Posterior(truth, 1e-4, diverging))
        return fit(seen, (), Sampling(days=90), np.random.default_rng(3), _silent)

    return run


def test_priors_are_handed_on_when_every_check_passes(refitted: Callable[..., Refit]) -> None:
    refit = refitted()
    assert refit.words == "All 7 checks passed; the new priors stand."
    priors = refit.priors
    assert priors is not None
    assert (priors.model, priors.fitted_at) == (MODEL, NOW)
    assert [prior.channel for prior in priors.channels] == ["search", "social"]
    for prior in priors.channels:
        assert prior.log_half.mean == pytest.approx(0.0, abs=0.01)
        assert prior.log_half.sd == pytest.approx(1.0, abs=0.01)
        assert prior.log_lift is None


def test_a_model_that_does_not_look_like_the_days_is_withheld(refitted: Callable[..., Refit]) -> None:
    refit = refitted(level=0.3)
    assert refit.priors is None
    assert {check.name for check in refit.checks if not check.passed} == {"coverage", "calibration"}


def test_divergent_draws_are_withheld(refitted: Callable[..., Refit]) -> None:
    refit = refitted(diverging=9)
    assert refit.priors is None
    assert "9 of 4000 transitions diverged" in refit.words


def test_the_same_seed_gives_the_same_checks_and_priors(refitted: Callable[..., Refit]) -> None:
    one, two = refitted(), refitted()
    assert one.checks == two.checks
    assert one.priors == two.priors


def test_too_little_to_learn_from_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "build", pytest.fail)
    refit = fit(snapshot(days=20), (LIFT,), TINY, np.random.default_rng(4), _silent)
    assert (refit.idata, refit.priors) == (None, None)
    assert "No target has 28 days" in refit.words
    assert len(refit.notes) == 3


def test_draws_are_flattened_over_chains_and_thinned_evenly(sampled: tuple[Refit, list[tuple[int, int]]]) -> None:
    draws = flat(sampled[0].idata)
    assert draws["carry"].shape == (10, 2)
    assert flat(sampled[0].idata, 7)["carry"].shape == (7, 2)
