"""Draws from a posterior: nutpie where it is installed, PyMC's own No-U-Turn sampler where it is not."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from optimizer.plan.snapshot import FloatArray
from optimizer.refit.contract import Progress, Sampling


def sample(model: Any, settings: Sampling, rng: np.random.Generator, progress: Progress) -> Any:
    """Sample a model.

    The two samplers give different draws of the same posterior; each gives the same draws for the same generator.

    Args:
        model: A `pymc.Model`, all of whose parameters are continuous.
        settings: How much.
        rng: All chance comes from it.
        progress: Told how far sampling is.

    Returns:
        An `xarray.DataTree` with posterior, sample_stats and observed_data.
    """
    total = settings.chains * (settings.draws + settings.tune)
    progress(0, total)
    seed = int(rng.integers(2**31))
    with warnings.catch_warnings():
        # What the samplers warn of is what the checks measure.
        warnings.simplefilter("ignore")
        tree = (_nutpie if find_spec("nutpie") else _pymc)(model, settings, seed, progress, total)
    progress(total, total)
    return tree


def _pymc(model: Any, settings: Sampling, seed: int, progress: Progress, total: int) -> Any:
    import pymc as pm  # noqa: PLC0415 - PyMC is slow to load

    done = 0

    def count(**_: Any) -> None:
        nonlocal done
        done += 1
        progress(done, total)

    # The warnings that it logs are what the checks measure.
    log = logging.getLogger("pymc")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        return pm.sample(
            settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=min(settings.cores, settings.chains),
            target_accept=settings.target_accept,
            max_treedepth=settings.depth,
            early_max_treedepth=min(settings.depth, 8),
            random_seed=seed,
            model=model,
            nuts_sampler="pymc",
            callback=lambda trace, draw: count(trace=trace, draw=draw),
            progressbar=False,
            compute_convergence_checks=False,
        )
    finally:
        log.setLevel(level)


def _nutpie(model: Any, settings: Sampling, seed: int, progress: Progress, total: int) -> Any:
    import nutpie  # noqa: PLC0415 - nutpie is an extra
    import xarray as xr  # noqa: PLC0415 - xarray is slow to load

    def report(chains: Sequence[Any]) -> None:
        progress(min(sum(int(chain.finished_draws) for chain in chains), total), total)

    tree = nutpie.sample(
        nutpie.compile_pymc_model(model),
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=min(settings.cores, settings.chains),
        seed=seed,
        target_accept=settings.target_accept,
        maxdepth=settings.depth,
        save_warmup=False,
        progress_bar=False,
        progress_callback=report,
    )
    observed = {v.name: np.asarray(model.rvs_to_values[v].data) for v in model.observed_RVs}
    axes = {name: [f"{name}_dim_{axis}" for axis in range(values.ndim)] for name, values in observed.items()}
    tree["observed_data"] = xr.DataTree(xr.Dataset({name: (axes[name], values) for name, values in observed.items()}))
    return tree


def flat(tree: Any, most: int | None = None) -> dict[str, FloatArray]:
    """Return the posterior's parameters with chains and draws as one first axis.

    Args:
        tree: From `sample`.
        most: No more than so many draws, evenly spaced; None for all.
    """
    found: Mapping[str, Any] = tree["posterior"].dataset.data_vars
    draws = {name: values.transpose("chain", "draw", ...).to_numpy() for name, values in found.items()}
    draws = {name: values.reshape(-1, *values.shape[2:]) for name, values in draws.items()}
    count = len(next(iter(draws.values())))
    keep = np.arange(count) if most is None or most >= count else np.linspace(0, count - 1, most).astype(int)
    return {name: np.asarray(values[keep], dtype=np.float64) for name, values in draws.items()}
