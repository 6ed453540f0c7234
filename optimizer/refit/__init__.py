"""The slow tier: hierarchical models, sampled now and then, whose pooled beliefs are the priors of the fast tier.

`fit` is pure given its generator, and nothing of it is handed on unless its checks pass. docs/slow-tier.md has the
formulae.
"""

from optimizer.refit.contract import Check, LiftTest, Progress, Refit, Sampling
from optimizer.refit.fitting import fit
from optimizer.refit.hierarchy import MODEL

__all__ = ["MODEL", "Check", "LiftTest", "Progress", "Refit", "Sampling", "fit"]
