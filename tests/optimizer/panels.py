"""Made-up panels for tests of the checks: healthy ones, and ones with a known fault."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from connectors.contract import BudgetTarget, Level
from connectors.money import Money
from optimizer import checks
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import FloatArray, Panel, Snapshot, Target
from tests.optimizer.snapshots import ACCOUNT, NOW, TODAY

DAYS = 120


def panel_of(spend: FloatArray, conversions: FloatArray, budget: FloatArray | None = None) -> Snapshot:
    """A snapshot of (K, T) days whose budgets are the last day's spend; clicks and impressions go with conversions."""
    names = [f"c{k:03}" for k in range(len(spend))]
    days = spend.shape[1]
    panel = Panel(
        TODAY - timedelta(days=days),
        spend,
        conversions,
        conversions * 40,
        conversions * 30 + 10,
        conversions * 900 + 1000,
        spend if budget is None else budget,
    )
    amounts = [Money(round(float(row[-1]) * 100) * 10_000, "EUR") for row in np.nan_to_num(spend, nan=50.0)]
    targets = tuple(
        Target(BudgetTarget(ACCOUNT, name, name, Level.CAMPAIGN, (name,), amount), "search", (), (name,), (name,))
        for name, amount in zip(names, amounts, strict=True)
    )
    return Snapshot(NOW, TODAY, "EUR", "Europe/Berlin", targets, panel, (), None)


def healthy(
    rng: np.random.Generator,
    *,
    count: int = 6,
    days: int = DAYS,
    steps: float = 0.25,
    rate: float = 8.0,
    elasticity: float = 0.6,
    demand: FloatArray | None = None,
    factor: FloatArray | None = None,
    budgets_follow: bool = True,
) -> Snapshot:
    """Campaigns whose budgets change by lot every two weeks: weekdays, drift, counts of size 15.

    Args:
        rng: Source of randomness.
        count, days: K and T.
        steps: Standard deviation of the log of the budgets.
        rate: Conversions a day at the usual budget.
        elasticity: Of all of them.
        demand: Added to the log of what each day brings, broadcast to (K, T).
        factor: Times the spend, broadcast to (K, T).
        budgets_follow: Whether the budgets moved with `factor`, or the platform delivered so.
    """
    shape = (count, days)
    usual = rng.uniform(50, 400, (count, 1))
    log_budget = np.repeat(rng.normal(0, steps, (count, days // 14 + 1)), 14, axis=1)[:, :days]
    times = np.broadcast_to(1.0 if factor is None else factor, shape)
    budget = usual * np.exp(log_budget) * (times if budgets_follow else 1.0)
    spend = usual * np.exp(log_budget) * times * np.exp(rng.normal(0, 0.04, shape))
    weekday = np.exp(rng.normal(0, 0.15, (count, 7)))[:, np.arange(days) % 7]
    level = np.exp(np.cumsum(rng.normal(0, np.sqrt(2e-3), shape), axis=1) + (0.0 if demand is None else demand))
    mean = rate * np.exp(rng.normal(0, 0.5, (count, 1))) * (spend / usual) ** elasticity * weekday * level
    return panel_of(spend, rng.poisson(mean * rng.gamma(15, 1 / 15, shape)).astype(np.float64), budget)


def waves(rng: np.random.Generator, days: int = DAYS, size: float = 0.25) -> FloatArray:
    """The log of a demand that comes and goes over a week or so, shape (T,)."""
    wave = np.zeros(days)
    for day in range(1, days):
        wave[day] = 0.8 * wave[day - 1] + rng.normal(0, 0.6 * size)
    return wave


def found(snapshot: Snapshot, raised: float = 1.0, share: float = 1.0) -> list[Finding]:
    """What all checks say, all budgets raised by a factor, of which the platform delivers a share."""
    days = checks.read(snapshot, np.ones(snapshot.panel.spend.shape))
    proposed = snapshot.current * raised
    return [*checks.blocking(snapshot), *checks.examine(days, snapshot, proposed, proposed * share)]


def coded(findings: list[Finding], least: Severity = Severity.INFO) -> set[str]:
    """The codes of findings that are at least so severe."""
    order = list(Severity)
    return {finding.code for finding in findings if order.index(finding.severity) >= order.index(least)}
