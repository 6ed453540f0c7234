"""The models of many customers, in PyMC: a group's rate, loss and spend are its own, and lean on those of the others.

What a group has of its own is the mean of each quantity; how customers of one group differ is shared. The means are
normal around that of all groups, whose spread has a prior that keeps clear of zero. They are sampled in coordinates
that allow for how much the group's own customers tell (`Leaning`): as they stand, those of small groups would make a
funnel with the spread, and as offsets from the mean of all in units of the spread, those of large ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from optimizer.measure.lifetime import alone
from optimizer.measure.lifetime.alone import Alone
from optimizer.measure.lifetime.buying import Buying
from optimizer.measure.lifetime.evidence import Amounts, Purchases, Subscriptions
from optimizer.measure.lifetime.spending import Spending
from optimizer.plan.snapshot import FloatArray

BUYING: Final = "bg-nbd-gamma-gamma/2"
RENEWING: Final = "shifted-beta-geometric/1"

_GROUPS_APART: Final = (math.log(0.25), 0.6)
"""Log-normal prior of the spread between groups, of logs and logits: a quarter, between a tenth and one."""

_LOST, _LEAVING, _SHAPE, _AGREEMENT = -1.0, -1.5, -0.5, 1.0
"""Prior means: logit of being lost after a repeat, of leaving at a renewal; log shape of rates; log of a + b."""


@dataclass(frozen=True, slots=True)
class Leaning:
    """Coordinates of groups' means, as a transform of PyMC: standard normal and independent, or nearly.

    Were the likelihood of each group normal, its mean given that of all and the spread would be normal, too, between
    the two as their precisions say. The coordinate is the distance from there in standard deviations: the centred form
    where the group's customers tell all, the non-centred one where they tell nothing, and what is best between
    (Papaspiliopoulos, Roberts and Skoeld, A General Framework for the Parametrization of Hierarchical Models,
    Statistical Science 22, 2007).

    Attributes:
        own: What the groups' customers tell by themselves.
    """

    own: Alone

    name = "leaning"
    ndim_supp = 0

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Return coordinates of means."""
        middle, width = self._between(*inputs)
        return (value - middle) / width

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Return means of coordinates."""
        middle, width = self._between(*inputs)
        return middle + width * value

    def log_jac_det(self, _value: Any, *inputs: Any) -> Any:
        """Return the logs of the steps of means per step of coordinates, shape (G,)."""
        import pytensor.tensor as pt  # noqa: PLC0415 - PyTensor is slow to load

        _, width = self._between(*inputs)
        return pt.log(width)

    def _between(self, *inputs: Any) -> tuple[Any, Any]:
        # Of a normal variable: its generator, its shape, the mean of all, the spread.
        mean, apart = inputs[-2:]
        precision = self.own.precision + apart**-2.0
        return (self.own.precision * self.own.at + mean * apart**-2.0) / precision, precision**-0.5


def build_purchases(evidence: Purchases) -> Any:
    """Return the PyMC model (`pymc.Model`) of customers who buy when they like."""
    import pymc as pm  # noqa: PLC0415 - PyMC is slow to load
    import pytensor.tensor as pt  # noqa: PLC0415 - the same

    crude = math.log(float(evidence.repeats.sum()) / max(float(evidence.age.sum()), 1.0))
    rate, loss = alone.of_purchases(evidence, np.array([crude, _LOST, _SHAPE, _AGREEMENT]))
    with pm.Model(coords={"group": evidence.groups}) as model:
        p = {
            "log_rate": _pooled(pm, "rate", crude, 1.5, rate),
            "logit_loss": _pooled(pm, "loss", _LOST, 1.5, loss),
            "log_shape": pm.Normal("log_shape", _SHAPE, 1.0),
            "log_agreement": pm.Normal("log_agreement", _AGREEMENT, 1.0),
        }
        pm.Potential("bought", bought(p, evidence, pt))
        _spent(pm, pt, evidence)
        _paid(pm, pt, "opening", evidence.opening, len(evidence.groups))
    return model


def build_subscriptions(evidence: Subscriptions) -> Any:
    """Return the PyMC model (`pymc.Model`) of subscribers."""
    import pymc as pm  # noqa: PLC0415 - PyMC is slow to load
    import pytensor.tensor as pt  # noqa: PLC0415 - the same

    loss = alone.of_subscriptions(evidence, np.array([_LEAVING, _AGREEMENT]))
    with pm.Model(coords={"group": evidence.groups}) as model:
        p = {
            "logit_loss": _pooled(pm, "loss", _LEAVING, 1.5, loss),
            "log_agreement": pm.Normal("log_agreement", _AGREEMENT, 1.0),
        }
        pm.Potential("renewed", renewed(p, evidence, pt))
        _paid(pm, pt, "opening", evidence.opening, len(evidence.groups))
        _paid(pm, pt, "later", evidence.later, len(evidence.groups))
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


def _pooled(pm: Any, name: str, middle: float, doubt: float, own: Alone) -> Any:
    """A quantity of each group: what its own customers tell of it, and the other groups."""
    mean = pm.Normal(f"{name}_mean", middle, doubt)
    apart = pm.LogNormal(f"{name}_sd", *_GROUPS_APART)
    return pm.Normal(
        f"{'logit' if name == 'loss' else 'log'}_{name}", mean, apart, dims="group", transform=Leaning(own)
    )


def _spent(pm: Any, pt: Any, evidence: Purchases) -> None:
    """Gamma-Gamma with the mean of a purchase of each group, as `spending.log_likelihood` has it of one customer."""
    group, x, z = evidence.spent[:, 0].astype(np.int64), evidence.spent[:, 1], evidence.spent[:, 2]
    own = alone.of_spend(evidence.spent, len(evidence.groups))
    log_spend = _pooled(pm, "spend", math.log(float((x * z).sum() / x.sum())), 1.0, own)
    p = pt.exp(pm.Normal("log_p", 1.0, 1.0))
    q = 1.0 + pt.exp(pm.Normal("log_q", 1.0, 1.0))
    gamma = (pt.exp(log_spend) * (q - 1.0) / p)[group]
    times, place = np.unique(x, return_inverse=True)
    shapes = (pt.gammaln(p * times + q) - pt.gammaln(p * times))[place] - pt.gammaln(q)
    powers = q * pt.log(gamma) + (p * x - 1.0) * np.log(z) + p * x * np.log(x)
    pm.Potential("spent", (shapes + powers - (p * x + q) * pt.log(gamma + x * z)).sum())


def _paid(pm: Any, pt: Any, name: str, paid: Amounts, groups: int) -> None:
    """The mean of amounts in each group; there is nothing to learn where nothing was ever paid."""
    if paid.whole > 0:
        log_mean = _pooled(pm, name, math.log(paid.whole), 1.0, alone.of_amounts(paid, groups))
        pm.Normal(f"{name}_means", pt.exp(log_mean[paid.groups]), paid.error, observed=paid.mean)
