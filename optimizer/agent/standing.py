"""How things stand: what each job did last; which priors are in force, and when the next refit is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from optimizer.plan.office import JobRun
from optimizer.plan.priors import AdPriors, ResponsePriors
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
        ad_priors: Those of ads in force; None before the first refit of ads that passed.
        last_of_ads: The last refit of ads; None before the first.
    """

    now: datetime
    priors: ResponsePriors | None
    last: RefitRecord | None
    due: datetime | None
    ad_priors: AdPriors | None = None
    last_of_ads: RefitRecord | None = None

    @property
    def overdue(self) -> bool:
        """Whether the next refit should have been made by now."""
        return self.due is None or self.due <= self.now


def standing(store: Store, now: datetime, every_days: int) -> Standing:
    """Ask a store; a refused refit is due again as late as one that passed, since a day changes little."""
    newest = store.refits()
    last = next((refit for refit in newest if not refit.about_ads), None)
    last_of_ads = next((refit for refit in newest if refit.about_ads), None)
    due = None if last is None else last.fitted_at + timedelta(days=every_days)
    return Standing(now, store.latest_priors(now), last, due, store.latest_ad_priors(now), last_of_ads)


def newest_runs(store: Store) -> list[JobRun]:
    """Return the newest run of each job, by name."""
    found: dict[str, JobRun] = {}
    for run in store.runs(limit=200):
        found.setdefault(run.job, run)
    return [found[job] for job in sorted(found)]
