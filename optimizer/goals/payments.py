"""What is owed where an advertiser pays for outcomes: the cost follows what came, not the budget. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.goals.wishes import PER_ACTION, Goals, Model, Payment
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
        payment = next((each for each in goals.payments if each.scope.covers(target)), None)
        if payment is not None:
            found[place] = _per_conversion(payment, float(value[place]))
    return found if np.isfinite(found).any() else None


def _per_conversion(payment: Payment, value: float) -> float:
    if payment.model in PER_ACTION:
        return payment.rate
    return payment.rate * value if payment.model is Model.REVENUE_SHARE else np.nan
