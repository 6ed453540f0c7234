"""Each check passes on draws that are good, and fails on those that are bad in its own way."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from optimizer.refit import checks
from optimizer.refit.contract import Check

SHAPE = (4, 500)


def _tree(draws: dict[str, np.ndarray], diverging: np.ndarray | None = None) -> object:
    found = {name: (("chain", "draw", f"{name}_dim")[: values.ndim], values) for name, values in draws.items()}
    spread = np.zeros(SHAPE, dtype=bool) if diverging is None else diverging
    stats = {"diverging": (("chain", "draw"), spread)}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(found), "sample_stats": xr.Dataset(stats)})


def _good(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE)


def _named(found: tuple[Check, ...], name: str) -> Check:
    return next(check for check in found if check.name == name)


def test_independent_draws_pass() -> None:
    found = checks.convergence(_tree({"a": _good(1), "b": np.stack([_good(2), _good(3)], axis=-1)}))
    assert [check.name for check in found] == ["r-hat", "ess-bulk", "ess-tail", "divergences"]
    assert all(check.passed for check in found)
    assert _named(found, "ess-bulk").value > 1000


def test_one_chain_apart_fails_by_r_hat_and_names_the_parameter() -> None:
    apart = _good(2) + np.array([0.0, 0.0, 0.0, 2.0])[:, None]
    check = _named(checks.convergence(_tree({"a": _good(1), "b": apart})), "r-hat")
    assert not check.passed
    assert check.value > 1.1
    assert "for b" in check.words


def test_draws_that_hang_together_fail_by_effective_size() -> None:
    noise = _good(3)
    slow = np.empty(SHAPE)
    slow[:, 0] = noise[:, 0]
    for t in range(1, SHAPE[1]):
        slow[:, t] = 0.97 * slow[:, t - 1] + np.sqrt(1 - 0.97**2) * noise[:, t]
    found = checks.convergence(_tree({"a": _good(1), "slow": slow}))
    for name in ("ess-bulk", "ess-tail"):
        assert not _named(found, name).passed
        assert "slow" in _named(found, name).words


def test_a_parameter_without_a_statistic_fails() -> None:
    found = checks.convergence(_tree({"a": _good(1), "stuck": np.full(SHAPE, np.nan)}))
    assert not _named(found, "r-hat").passed
    assert "stuck" in _named(found, "r-hat").words


@pytest.mark.parametrize(("count", "passed"), [(0, True), (2, True), (3, False)])
def test_divergences_are_a_share(count: int, passed: bool) -> None:
    diverging = np.zeros(SHAPE, dtype=bool)
    diverging[0, :count] = True
    check = _named(checks.convergence(_tree({"a": _good(1)}, diverging)), "divergences")
    assert check.passed is passed
    assert check.words.startswith(f"{count} of 2000 ")


def _counts(size: float, days: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Days that are as overdispersed as `size` says, and replicates that are Poisson with the same mean."""
    rng = np.random.default_rng(4)
    return rng.poisson(8.0 * rng.gamma(size, 1 / size, days)), rng.poisson(8.0, (300, days))


GROUP = np.repeat([0, 1], 1000)


def test_days_like_their_replicates_pass_even_when_they_are_small_counts() -> None:
    rng = np.random.default_rng(5)
    found = checks.predictive(rng.poisson(0.4, 2000), rng.poisson(0.4, (300, 2000)), GROUP, ("x", "y"), rng)
    assert [check.name for check in found] == ["coverage", "calibration"]
    assert all(check.passed for check in found)
    assert found[0].value == pytest.approx(0.9, abs=0.05)


def test_days_wider_than_their_replicates_fail_by_coverage_and_name_the_group() -> None:
    observed, replicated = _counts(2.0)
    observed[:1000] = np.random.default_rng(6).poisson(8.0, 1000)
    coverage, _ = checks.predictive(observed, replicated, GROUP, ("calm", "wild"), np.random.default_rng(7))
    assert not coverage.passed
    assert "wild" in coverage.words


def test_days_above_their_replicates_fail_by_calibration() -> None:
    rng = np.random.default_rng(8)
    observed, replicated = rng.normal(0.5, 1.0, 2000), rng.normal(0.0, 1.0, (300, 2000))
    _, calibration = checks.predictive(observed, replicated, GROUP, ("x", "y"), rng)
    assert not calibration.passed
    assert calibration.value == pytest.approx(0.19, abs=0.05)


def test_a_lift_test_far_from_the_fit_fails_and_is_named() -> None:
    implied = np.random.default_rng(9).normal([10.0, 20.0], [3.0, 1.0], (4000, 2))
    near = checks.agreement(("tv", "radio"), implied, np.array([14.0, 21.0]), np.array([4.0, 1.0]))
    assert near.passed
    assert near.value == pytest.approx(0.8, abs=0.1)
    far = checks.agreement(("tv", "radio"), implied, np.array([14.0, 26.0]), np.array([4.0, 1.0]))
    assert not far.passed
    assert far.value == pytest.approx(6.0 / np.sqrt(2.0), abs=0.2)
    assert "radio" in far.words
