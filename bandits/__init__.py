"""What we believe of creatives and audiences: conjugate posteriors, pooled priors, Thompson-sampled shares.

This package imports no other package of the project, so that it can be read, tested and used by itself.
"""

from __future__ import annotations

from bandits.belief import ArmBelief, BanditSettings, believe
from bandits.labels import Labels

__all__ = ["ArmBelief", "BanditSettings", "Labels", "believe"]
