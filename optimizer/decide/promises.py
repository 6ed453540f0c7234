"""Promises: ROAS floors and CPA ceilings, each to be kept with the asked probability over posterior draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from optimizer.decide.case import Case
from optimizer.plan.problem import Outcome, Row
from optimizer.plan.snapshot import FloatArray


def uncertain_rows(case: Case) -> list[Row]:
    """The rows that count outcomes, and so are kept only with a probability."""
    return [row for row in case.rows if row.outcome is not None]


def probability(case: Case, budget: FloatArray, rows: Sequence[Row], rng: np.random.Generator) -> float:
    """Return the share of posterior draws in which budgets, shape (K,), keep a row: the least of those of the rows."""
    spend = case.forecast.spend(budget[:, None])[:, 0]
    draws = _brought(case, budget, rows, rng)
    shares = [
        float((row.spend @ spend - draws[row.outcome] @ row.credit <= row.bound + 1e-9).mean())
        for row in rows
        if row.outcome is not None and row.credit is not None
    ]
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
    draws = _brought(case, budget, case.rows, rng)
    spend, outcomes = case.forecast.spend(budget[:, None])[:, 0], case.forecast.outcomes(budget[:, None])
    kept, credit = np.ones(len(case.rows)), np.ones(len(case.rows))
    for i, row in enumerate(case.rows):
        if row.outcome is None or row.credit is None:
            continue
        brought, expected = draws[row.outcome] @ row.credit, float(outcomes[row.outcome][:, 0] @ row.credit)
        kept[i] = float((row.spend @ spend - brought <= row.bound + 1e-9).mean())
        sure = float(np.quantile(brought, 1.0 - asked_share(case), method="lower"))
        if expected > 0.0:
            credit[i] = np.clip((sure + float(row.spend @ (budget - spend))) / expected, 0.0, 1.0)
    return kept, credit


def _brought(
    case: Case, budget: FloatArray, rows: Iterable[Row], rng: np.random.Generator
) -> Mapping[Outcome, FloatArray]:
    """Draws of the outcomes that rows count at budgets, (K,), each of shape (n, K)."""
    counted = sorted({row.outcome for row in rows if row.outcome is not None})
    n = case.draw_count
    return {o: case.forecast.outcome_draws(budget[:, None], o, n, rng)[..., 0] for o in counted}
