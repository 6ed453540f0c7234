"""The slow tier: hierarchical models, sampled now and then, whose pooled beliefs are the priors of the fast tier.

`fit` is pure given its generator, and nothing of it is handed on unless its checks pass. `fit_mix` is the same for an
outcome that no platform attributes, and `fit_ads` for the ads of the budgets. docs/slow-tier.md has the formulae.
"""

from optimizer.refit.ad_hierarchy import AD_MODEL
from optimizer.refit.contract import Check, LiftTest, Progress, Refit, Sampling
from optimizer.refit.fitting import fit, fit_ads
from optimizer.refit.hierarchy import MODEL
from optimizer.refit.market import Market
from optimizer.refit.mix import Mix, fit_mix

__all__ = [
    "AD_MODEL",
    "MODEL",
    "Check",
    "LiftTest",
    "Market",
    "Mix",
    "Progress",
    "Refit",
    "Sampling",
    "fit",
    "fit_ads",
    "fit_mix",
]
