"""What is owed where an advertiser pays for outcomes: the cost follows what came, not the budget. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from optimizer.goals.errors import GoalsError
from optimizer.goals.payments import PER_ACTION, Model, Payment
from optimizer.goals.wishes import Goals
from optimizer.plan.problem import BoolArray
from optimizer.plan.snapshot import FloatArray, Target


def owed(goals: Goals, targets: Sequence[Target], worth: FloatArray) -> FloatArray | None:
    """Return what each target costs per conversion, currency units, shape (K,); nan where it costs what is delivered.

    A budget that is paid per lead, action or installation, or by a share of the value, is a cap: what it costs is
    what came of it. Paid per click or per thousand impressions it costs what is delivered, as any other.

    Args:
        goals: With the payments.
        targets: K of them.
        worth: The value to be expected of a conversion where `value_per_conversion` does not say it, shape (K,).

    Returns:
        None where nothing is paid by outcomes.
    """
    fixed = goals.value_per_conversion
    value = worth if fixed is None else np.full(len(targets), fixed.micros / 1e6)
    found = np.full(len(targets), np.nan)
    for place, target in enumerate(targets):
        payment = _payment(goals, target)
        if payment is not None:
            found[place] = _per_conversion(payment, float(value[place]))
    return found if np.isfinite(found).any() else None


def by_value(goals: Goals, targets: Sequence[Target]) -> BoolArray:
    """Return which targets cost a share of the value, and not so much per conversion, shape (K,)."""
    paid = (_payment(goals, target) for target in targets)
    return np.array([each is not None and each.model is Model.REVENUE_SHARE for each in paid], dtype=np.bool_)


def check_flights(goals: Goals, targets: Sequence[Target], today: date) -> None:
    """Refuse flights of budgets that are paid by outcomes: what these cost is no share of what they are set to.

    Args:
        goals: With the flights and payments.
        targets: Daily budgets.
        today: Flights that ended before it are passed over.

    Raises:
        GoalsError: A flight covers such a budget; the message names both.
    """
    for flight in goals.flights:
        if flight.last_day is not None and flight.last_day < today:
            continue
        for target in targets:
            payment = _payment(goals, target) if flight.scope.covers(target) else None
            if payment is not None and payment.model in (*PER_ACTION, Model.REVENUE_SHARE):
                raise GoalsError(
                    f"flight {flight.name!r} ({flight.scope}) covers {target.budget.name}, which [[payments]] of "
                    f"{payment.scope} pay by {payment.model}: it costs what comes of it, whatever its budget is. "
                    "Mend: write [[flights]] of scopes without it, with amounts for these alone"
                )


def _payment(goals: Goals, target: Target) -> Payment | None:
    return next((each for each in goals.payments if each.scope.covers(target)), None)


def _per_conversion(payment: Payment, value: float) -> float:
    if payment.model in PER_ACTION:
        return payment.rate
    return payment.rate * value if payment.model is Model.REVENUE_SHARE else np.nan
