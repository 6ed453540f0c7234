"""Promises: ROAS floors and CPA ceilings, each to be kept with the asked probability over posterior draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimizer import goals
from optimizer.decide.case import Case
from optimizer.plan.problem import Row
from optimizer.plan.snapshot import FloatArray


def uncertain_rows(case: Case) -> list[Row]:
    """The rows that count outcomes, and so are kept only with a probability."""
    return [row for row in case.rows if row.outcome is not None]


def probability(case: Case, budget: FloatArray, rows: Sequence[Row], rng: np.random.Generator) -> float:
    """Return the share of posterior draws in which budgets, shape (K,), keep a row: the least of those of the rows."""
    margins = zip(rows, _margins(case, budget, rows, rng), strict=True)
    shares = [float((margin >= -row.bound - 1e-9).mean()) for row, margin in margins if margin is not None]
    return min(shares, default=1.0)


def credited(row: Row, credit: float) -> Row:
    """Return a row that counts its outcome times a credit; a linear row as it is."""
    return row if row.credit is None else replace(row, credit=row.credit * credit)


def asked_share(case: Case) -> float:
    """Return the share of draws that a plan must keep a promise in: `confidence`, and two standard errors of the share.

    So that the promise holds by other draws too, such as those of the report.
    """
    asked, n = case.goals.confidence, case.draw_count
    return float(min(asked + 2.0 * np.sqrt(asked * (1.0 - asked) / n), 1.0 - 1.0 / n))


def judged(case: Case, budget: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Each row's probability at budgets, (K,), and the credit at which its expectation says the same; both (rows,)."""
    outcomes = case.forecast.outcomes(budget[:, None])
    kept, credit = np.ones(len(case.rows)), np.ones(len(case.rows))
    for i, (row, margin) in enumerate(zip(case.rows, _margins(case, budget, case.rows, rng), strict=True)):
        if margin is None or row.outcome is None or row.credit is None:
            continue
        kept[i] = float((margin >= -row.bound - 1e-9).mean())
        expected = float(outcomes[row.outcome][:, 0] @ row.credit)
        sure = float(np.quantile(margin, 1.0 - asked_share(case), method="lower"))
        if expected > 0.0:
            credit[i] = np.clip((sure + float(row.spend @ budget)) / expected, 0.0, 1.0)
    return kept, credit


def _margins(case: Case, budget: FloatArray, rows: Sequence[Row], rng: np.random.Generator) -> list[FloatArray | None]:
    """Draws of what each row's outcomes are credited with less what is spent, at budgets (K,), (n,); None of others.

    Where a budget is paid by its outcomes, both are of the same worlds: the spend is so much for each drawn conversion.
    """
    by_value = goals.by_value(case.goals, case.snapshot.targets)
    worlds = {
        outcome: case.forecast.billed(budget[:, None], outcome, by_value, case.draw_count, rng)
        for outcome in sorted({row.outcome for row in rows if row.outcome is not None})
    }
    found: list[FloatArray | None] = []
    for row in rows:
        margin: FloatArray | None = None
        if row.outcome is not None and row.credit is not None:
            spend, brought = worlds[row.outcome]
            margin = brought[..., 0] @ row.credit - spend[..., 0] @ row.spend
        found.append(margin)
    return found
