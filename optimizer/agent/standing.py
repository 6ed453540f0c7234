"""Where the slow tier stands: which priors are in force, what came of the last refit, and when the next is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from optimizer.plan.priors import ResponsePriors
from optimizer.plan.refits import RefitRecord
from optimizer.ports import Store


@dataclass(frozen=True, slots=True)
class Standing:
    """What a store says of the slow tier at one moment.

    Attributes:
        now: The moment.
        priors: Those in force; None before the first refit that passed.
        last: The last refit, passed or refused; None before the first.
        due: When the next one is; None before the first, which is due at any time.
    """

    now: datetime
    priors: ResponsePriors | None
    last: RefitRecord | None
    due: datetime | None

    @property
    def overdue(self) -> bool:
        """Whether the next refit should have been made by now."""
        return self.due is None or self.due <= self.now


def standing(store: Store, now: datetime, every_days: int) -> Standing:
    """Ask a store; a refused refit is due again as late as one that passed, since a day changes little."""
    newest = store.refits(limit=1)
    last = newest[0] if newest else None
    due = None if last is None else last.fitted_at + timedelta(days=every_days)
    return Standing(now, store.latest_priors(now), last, due)
