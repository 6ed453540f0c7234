"""Made-up ads whose truth is known: budgets of two creatives for two audiences, rates that wander from week to week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from connectors.contract import Account, BudgetTarget, Level
from connectors.money import Money
from optimizer.plan.snapshot import Arm, ArmPanel, Panel, Snapshot, Target
from tests.optimizer.snapshots import NOW, TODAY

RATE = 0.01


@dataclass(frozen=True, slots=True)
class AdTruth:
    """Standard deviations on log rates: of campaigns, creatives, ads; of a week's step of an ad; excess of a week."""

    campaign: float = 0.8
    creative: float = 0.0
    ad: float = 0.35
    drift: float = 0.0
    excess: float = 0.02


def ad_snapshot(
    truth: AdTruth,
    rng: np.random.Generator,
    *,
    budgets: int = 12,
    weeks: int = 6,
    weekly: float = 25.0,
    accounts: int = 1,
) -> Snapshot:
    """Budgets of four ads each, about so many conversions an ad and week at the typical rate."""
    group = np.repeat(np.arange(budgets), 4)
    targets = tuple(_target(k, f"shop{k % accounts}") for k in range(budgets))
    arms = tuple(
        Arm(int(k), None, f"{k}-{n}", f"c{n // 2}", f"p{n % 2}", f"Ad {k}-{n}")
        for k, n in zip(group, np.tile(np.arange(4), budgets), strict=True)
    )
    ads = len(arms)
    log_rate = np.log(RATE) + rng.normal(0, truth.campaign, budgets)[group] + rng.normal(0, truth.ad, ads)
    creative = rng.normal(0, truth.creative, (accounts, 2))
    log_rate += creative[group % accounts, np.tile([0, 0, 1, 1], budgets)]
    walk = np.cumsum(rng.normal(0, truth.drift, (ads, weeks)), axis=1)
    weekly_rate = np.exp(log_rate[:, None] + walk) * rng.gamma(1 / truth.excess, truth.excess, (ads, weeks))
    impressions = np.repeat(rng.uniform(0.5, 1.5, (ads, weeks)), 7, axis=1) * weekly / RATE / 7
    conversions = rng.poisson(impressions * np.repeat(weekly_rate, 7, axis=1)).astype(np.float64)
    first = TODAY - timedelta(days=weeks * 7)
    measures = {"conversions": conversions, "value": conversions * 40, "clicks": impressions / 20}
    of_arms = ArmPanel(arms, spend=impressions / 100, impressions=impressions, **measures)
    totals = {name: np.add.reduceat(values, np.arange(0, ads, 4)) for name, values in measures.items()}
    spend = np.add.reduceat(of_arms.spend, np.arange(0, ads, 4))
    panel = Panel(first, spend=spend, impressions=spend * 100, budget=np.full_like(spend, 100.0), **totals)
    return Snapshot(NOW, TODAY, "EUR", "UTC", targets, panel, delays=(), arms=of_arms)


def _target(number: int, account: str) -> Target:
    name = f"k{number:02d}"
    live = Account("files", account, "EUR", "UTC")
    budget = BudgetTarget(live, name, name, Level.CAMPAIGN, (name,), Money.of(100, "EUR"))
    return Target(budget, ("search", "social")[number % 2], (), (name,), (name,))
