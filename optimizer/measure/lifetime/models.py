"""The models of many customers, in PyMC: a group's rate, loss and spend are its own, and lean on those of the others.

What a group has of its own is the mean of each quantity; how customers of one group differ is shared. The means are
centred on those of all groups, whose spread has a prior that keeps clear of zero: there, groups that are alike would
leave a funnel that no sampler walks well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from optimizer.measure.lifetime.buying import Buying
from optimizer.measure.lifetime.evidence import Amounts, Purchases, Subscriptions
from optimizer.measure.lifetime.spending import Spending
from optimizer.plan.snapshot import FloatArray

BUYING: Final = "bg-nbd-gamma-gamma/1"
RENEWING: Final = "shifted-beta-geometric/1"

_GROUPS_APART: Final = (math.log(0.25), 0.6)
"""Log-normal prior of the spread between groups, of logs and logits: a quarter, between a tenth and one."""


def build_purchases(evidence: Purchases) -> Any:
    """Return the PyMC model (`pymc.Model`) of customers who buy when they like."""
    import pymc as pm  # noqa: PLC0415 - PyMC is slow to load
    import pytensor.tensor as pt  # noqa: PLC0415 - the same

    crude = math.log(float(evidence.repeats.sum()) / max(float(evidence.age.sum()), 1.0))
    with pm.Model(coords={"group": evidence.groups}) as model:
        p = {
            "log_rate": _pooled(pm, "rate", crude, 1.5),
            "logit_loss": _pooled(pm, "loss", -1.0, 1.5),
            "log_shape": pm.Normal("log_shape", -0.5, 1.0),
            "log_agreement": pm.Normal("log_agreement", 1.0, 1.0),
        }
        pm.Potential("bought", bought(p, evidence, pt))
        _spent(pm, pt, evidence.spent)
        _paid(pm, pt, "opening", evidence.opening)
    return model


def build_subscriptions(evidence: Subscriptions) -> Any:
    """Return the PyMC model (`pymc.Model`) of subscribers."""
    import pymc as pm  # noqa: PLC0415 - PyMC is slow to load
    import pytensor.tensor as pt  # noqa: PLC0415 - the same

    with pm.Model(coords={"group": evidence.groups}) as model:
        p = {"logit_loss": _pooled(pm, "loss", -1.5, 1.5), "log_agreement": pm.Normal("log_agreement", 1.0, 1.0)}
        pm.Potential("renewed", renewed(p, evidence, pt))
        _paid(pm, pt, "opening", evidence.opening)
        _paid(pm, pt, "later", evidence.later)
    return model


def bought(p: Mapping[str, Any], evidence: Purchases, xp: Any) -> Any:
    """Return the log-likelihood of all histories of purchases, as `buying.log_likelihood` has it of one.

    Gamma functions of r + x and their like are sums of logarithms over x, and so one sum over the counts of those who
    came back more than j times.

    Args:
        p: log_rate and logit_loss, each (G,); log_shape and log_agreement.
        evidence: The histories, counted.
        xp: NumPy or `pytensor.tensor`, whichever `p` is of.
    """
    r, alpha, a, b = _buying(p, xp)
    j = np.arange(evidence.more.shape[1])
    steps = xp.log(r + j)[None, :] + xp.log(b[:, None] + j) - xp.log((a + b)[:, None] + j)
    group, age, count = evidence.quiet
    silent = -(count * r * xp.log(alpha[group.astype(np.int64)] + age)).sum()
    group, x, recency, age, count = evidence.active
    own = group.astype(np.int64)
    here = -(r + x) * xp.log(alpha[own] + age)
    lost = xp.log(a[own]) - xp.log(b[own] + x - 1.0) - (r + x) * xp.log(alpha[own] + recency)
    seen = (count * xp.logaddexp(here, lost)).sum()
    return (evidence.more * steps).sum() + (evidence.size * r * xp.log(alpha)).sum() + silent + seen


def renewed(p: Mapping[str, Any], evidence: Subscriptions, xp: Any) -> Any:
    """Return the log-likelihood of all subscriptions, as `renewing.log_likelihood` has it.

    Args:
        p: logit_loss (G,) and log_agreement.
        evidence: The histories, counted.
        xp: NumPy or `pytensor.tensor`, whichever `p` is of.
    """
    a, b = _chances(p, xp)
    j = np.arange(evidence.renewed.shape[1])
    all_of = xp.log((a + b)[:, None] + j)
    stay = xp.log(b[:, None] + j) - all_of
    return (evidence.renewed * stay).sum() + (evidence.left * (xp.log(a)[:, None] - all_of)).sum()


def buying_of(draws: Mapping[str, FloatArray]) -> Buying:
    """Return the parameters, each of shape (S, G), from ones with a first axis of S draws."""
    rows = {name: draws[name] if draws[name].ndim == 2 else draws[name][:, None] for name in _OF_BUYING}
    r, alpha, a, b = _buying(rows, np)
    return Buying(*np.broadcast_arrays(r, alpha, a, b))


def spending_of(draws: Mapping[str, FloatArray]) -> Spending:
    """Return the same of what purchases bring."""
    p, q = np.exp(draws["log_p"])[:, None], 1.0 + np.exp(draws["log_q"])[:, None]
    return Spending(*np.broadcast_arrays(p, q, np.exp(draws["log_spend"]) * (q - 1.0) / p))


def chances_of(draws: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return a and b of the probability of leaving, each of shape (S, G)."""
    return _chances({"logit_loss": draws["logit_loss"], "log_agreement": draws["log_agreement"][:, None]}, np)


_OF_BUYING: Final = ("log_rate", "logit_loss", "log_shape", "log_agreement")


def _buying(p: Mapping[str, Any], xp: Any) -> tuple[Any, Any, Any, Any]:
    r = xp.exp(p["log_shape"])
    return r, r / xp.exp(p["log_rate"]), *_chances(p, xp)


def _chances(p: Mapping[str, Any], xp: Any) -> tuple[Any, Any]:
    agreement = xp.exp(p["log_agreement"])
    return agreement / (1.0 + xp.exp(-p["logit_loss"])), agreement / (1.0 + xp.exp(p["logit_loss"]))


def _pooled(pm: Any, name: str, middle: float, doubt: float) -> Any:
    """A quantity of each group, centred: its own customers tell it well, or else the other groups do."""
    mean = pm.Normal(f"{name}_mean", middle, doubt)
    apart = pm.LogNormal(f"{name}_sd", *_GROUPS_APART)
    return pm.Normal(f"{'logit' if name == 'loss' else 'log'}_{name}", mean, apart, dims="group")


def _spent(pm: Any, pt: Any, spent: FloatArray) -> None:
    """Gamma-Gamma with the mean of a purchase of each group, as `spending.log_likelihood` has it of one customer."""
    group, x, z = spent[:, 0].astype(np.int64), spent[:, 1], spent[:, 2]
    log_spend = _pooled(pm, "spend", math.log(float((x * z).sum() / x.sum())), 1.0)
    p = pt.exp(pm.Normal("log_p", 1.0, 1.0))
    q = 1.0 + pt.exp(pm.Normal("log_q", 1.0, 1.0))
    gamma = (pt.exp(log_spend) * (q - 1.0) / p)[group]
    times, place = np.unique(x, return_inverse=True)
    shapes = (pt.gammaln(p * times + q) - pt.gammaln(p * times))[place] - pt.gammaln(q)
    powers = q * pt.log(gamma) + (p * x - 1.0) * np.log(z) + p * x * np.log(x)
    pm.Potential("spent", (shapes + powers - (p * x + q) * pt.log(gamma + x * z)).sum())


def _paid(pm: Any, pt: Any, name: str, paid: Amounts) -> None:
    """The mean of amounts in each group; there is nothing to learn where nothing was ever paid."""
    if paid.whole > 0:
        log_mean = _pooled(pm, name, math.log(paid.whole), 1.0)
        pm.Normal(f"{name}_means", pt.exp(log_mean[paid.groups]), paid.error, observed=paid.mean)
