"""Made-up evidence for tests of the decision: concave campaigns with known curves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np

from connectors.contract import Account, BudgetTarget, Level
from connectors.money import Money
from optimizer.plan.snapshot import Arm, ArmPanel, Freshness, Panel, Snapshot, Target

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
TODAY = date(2026, 3, 2)
ACCOUNT = Account("files", "shop", "EUR", "Europe/Berlin")

CURVES = {"brand": (12.0, 40.0), "generic": (30.0, 160.0), "retargeting": (10.0, 60.0), "prospecting": (50.0, 400.0)}
BUDGETS = {"brand": 200, "generic": 100, "retargeting": 150, "prospecting": 120}
CHANNELS = {"brand": "search", "generic": "search", "retargeting": "social", "prospecting": "social"}
VALUE = 40.0


def target(name: str) -> Target:
    budget = BudgetTarget(ACCOUNT, name, name, Level.CAMPAIGN, (name,), Money.of(BUDGETS[name], "EUR"))
    return Target(budget, CHANNELS[name], (), (name,), (name,))


def snapshot(*, days: int = 120, seed: int = 5, ads: bool = False) -> Snapshot:
    """Four campaigns whose budgets were varied, with Poisson conversions worth 40 EUR each."""
    rng = np.random.default_rng(seed)
    names = sorted(CURVES)
    scale, half = np.array([CURVES[n] for n in names]).T[:, :, None]
    budget = np.repeat(np.array([[float(BUDGETS[n])] for n in names]), days, axis=1)
    budget *= np.where(np.arange(days) < days - 15, rng.uniform(0.6, 1.5, (4, days)), 1.0)
    spend = budget * rng.uniform(0.95, 1.0, budget.shape)
    conversions = rng.poisson(scale * spend / (spend + half)).astype(float)
    panel = Panel(
        TODAY - timedelta(days=days),
        spend,
        conversions,
        conversions * VALUE,
        conversions * 30,
        conversions * 900,
        budget,
    )
    return Snapshot(
        known_at=NOW,
        today=TODAY,
        currency="EUR",
        time_zone="Europe/Berlin",
        targets=tuple(target(name) for name in names),
        panel=panel,
        delays=(),
        arms=_arms(panel, rng) if ads else None,
        freshness=(Freshness("files", "shop", TODAY - timedelta(days=1)),),
    )


def _arms(panel: Panel, rng: np.random.Generator) -> ArmPanel:
    """Two ads for the first target, the first twice as good as the second; one for the second target."""
    shape = (3, panel.days)
    impressions = np.full(shape, 1000.0)
    conversions = rng.poisson(np.array([[20.0], [10.0], [15.0]]), shape).astype(float)
    arms = tuple(Arm(t, "g", ad, ad, None, ad.upper()) for t, ad in ((0, "ad1"), (0, "ad2"), (1, "ad3")))
    return ArmPanel(arms, impressions / 100, conversions, conversions * VALUE, conversions * 30, impressions)
