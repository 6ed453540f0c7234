"""A store in which attribution, lift tests and customers were reckoned, as the commands would have left it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.plan.refits import RefitRecord
from optimizer.ports import Store

DIGEST = "a" * 64


def credited(at: datetime, *estimates: Estimate, model: str = "markov-2/1") -> Appraisal:
    """What a model credits per claimed conversion."""
    return Appraisal(Subject.CREDIT, model, at, DIGEST, "", estimates)


def valued(at: datetime, currency: str, *estimates: Estimate) -> Appraisal:
    """What a new customer brings."""
    return Appraisal(Subject.CUSTOMER, "bg-nbd/1", at, DIGEST, currency, estimates)


def refitted(at: datetime, **lifts: float | None) -> RefitRecord:
    """A refit that passed, with incremental conversions per claimed one by channel, give or take a fifth."""
    channels = tuple(
        ChannelPrior(name, Spread(0.0, 0.5), Spread(0.2, 0.3), None, lift and Spread(math.log(lift), 0.2))
        for name, lift in sorted(lifts.items())
    )
    priors = ResponsePriors(at, "hierarchy/1", channels)
    return RefitRecord(f"F-{at:%Y%m%d%H%M}", at, "hierarchy/1", "0.1", 1, DIGEST, 1.0, (), priors)


def keep_worth(store: Store, now: datetime, currency: str, channels: list[str]) -> None:
    """Keep all three: the first channel claims far too much, and the last was neither touched nor tested."""
    before = now - timedelta(days=2)
    told = channels[:-1]
    store.record_appraisal(credited(before, *(Estimate(name, 0.6 + 0.2 * n, 0.1) for n, name in enumerate(told))))
    store.record_appraisal(valued(before, currency, *(Estimate(name, 90.0, 0.2) for name in channels)))
    store.record_refit(refitted(before, **{name: 0.3 + 0.3 * n for n, name in enumerate(told)}))
