"""Lines that are held back by lot: what came of those that moved is measured against them (docs/scorecard.md). Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from connectors.money import Money
from optimizer import goals
from optimizer.decide.case import Case, units
from optimizer.decide.search import Plan, search
from optimizer.plan.holds import Hold
from optimizer.plan.recommendation import Finding, Lot, Severity
from optimizer.plan.snapshot import IntArray

HELD_BACK: Final = "held-back"

LEAST_LINES: Final = 4
"""Lines on which the lot must be cast: of fewer, a plan could as well be dropped."""


def holding_back(
    case: Case, plan: Plan, proposed: tuple[Money, ...], share: float, rng: np.random.Generator
) -> tuple[Case, Plan, tuple[Money, ...]]:
    """Leave some of the lines that would move as they are, by lot, and solve the rest around them.

    The lot is cast on lines that nothing forces: no limit of their own, no hand and no hold; and only where a plan
    keeps the limits around all of them, which is looked into before the lot falls. Fewer leave more room, so that how
    the lot falls does not decide whether it is told of. All of them are never held at once: such a lot is cast again,
    so that each of n is held with the probability (h - h^n) / (1 - h^n).

    Args:
        case: What is decided on, without a limit that the present budgets break.
        plan: What was searched.
        proposed: One amount per target.
        share: h, above 0 and below 1.
        rng: Of the lot, and of the searches.

    Returns:
        The case with the lots and the holds that they make, the plan around them and its amounts; all as they were
        where the lot is not cast. So they are where the search finds a plan around all lines but none around those
        that were held: it may with a ROAS floor or CPA ceiling, whose promise it judges by draws.
    """
    free = _free(case, plan, proposed)
    if free.size < LEAST_LINES:
        return case, plan, proposed
    all_held = share**free.size
    chance = (share - all_held) / (1.0 - all_held)
    # By a stream of its own: the lot is the same whether or not this search draws.
    if _around(case, plan, free, chance, rng.spawn(1)[0]) is None:
        return case, plan, proposed
    held = rng.random(free.size) < share
    while held.all():
        held = rng.random(free.size) < share
    pair = np.stack([case.snapshot.current, units(proposed)], axis=1)
    mean = case.forecast.moments(pair)[0]
    lots = {
        int(k): Lot(bool(stays), chance, proposed[k], float(mean[k, 1] - mean[k, 0]))
        for k, stays in zip(free, held, strict=True)
    }
    cast = replace(case, lots=lots)
    if not held.any():
        return cast, plan, proposed
    found = _around(cast, plan, free[held], chance, rng)
    if found is None:
        return case, plan, proposed
    around, second = found
    return around, second, goals.to_quantum(second.budget, case.snapshot.targets, second.box, case.rows)


def _around(
    case: Case, plan: Plan, held: IntArray, chance: float, rng: np.random.Generator
) -> tuple[Case, Plan] | None:
    """The case with some lines held, by index, and a plan around them; None where none keeps what `plan` keeps."""
    words = f"held back to measure what moves bring: chance left it as it is, with a probability of {chance:.0%}"
    hold, stays = Hold(HELD_BACK, words, Severity.INFO), set(held.tolist())
    around = replace(case, held=tuple(hold if k in stays else own for k, own in enumerate(case.held)))
    found = search(around, rng)
    if isinstance(found, Finding) or (found.findings and not plan.findings):
        return None
    return around, found


def _free(case: Case, plan: Plan, proposed: tuple[Money, ...]) -> IntArray:
    """Indices of the lines that are to move and may as well stay."""
    current, box = case.snapshot.current, plan.box
    inside = (box.lower <= current + 1e-6) & (current - 1e-6 <= box.upper)
    moves = [
        now != then and case.held[k] is None and target.key not in case.fixed and k not in plan.outside
        for k, (target, now, then) in enumerate(zip(case.snapshot.targets, case.stay, proposed, strict=True))
    ]
    free: IntArray = np.flatnonzero(np.array(moves, dtype=np.bool_) & inside)
    return free
