"""What lift tests say on a plan: which run, and where platforms claim more than their spend brings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from connectors.money import Money, total
from optimizer.decide.case import Case
from optimizer.decide.holds import immovable
from optimizer.decide.reaching import leave
from optimizer.explain import figure
from optimizer.plan import under_test
from optimizer.plan.priors import Spread
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import Snapshot

SURE: Final = 0.9
"""Probability that more is claimed than is incremental, from which on it is marked."""

YOUNG: Final = 365
"""Days after its last one for which a test marks what it was about."""

_MEND: Final = 'Write counts = "incremental" in [goal] to plan by what tests find.'


@dataclass(frozen=True, slots=True)
class Overclaim:
    """A channel or campaign whose platform claims more than it brings.

    Attributes:
        channel: As in `Target.channel`.
        campaign: Id of the campaign; None for the whole channel.
        probability: That more is claimed than is incremental, `SURE` or more.
        words: What was found, in words.
    """

    channel: str
    campaign: str | None
    probability: float
    words: str


def under_way(case: Case) -> tuple[Finding, ...]:
    """Tell which budgets a running lift test asks for, and block where it gets more than all budgets may be."""
    tests = under_test.asked(case.snapshot)
    if not tests:
        return ()
    told = tuple(
        Finding(under_test.LIFT_TEST, Severity.INFO, str(target.key),
                f"{target.budget.name}: {ask.words}; {ask.amount} a day.")
        for k, ask in sorted(tests.items())
        for target in (case.snapshot.targets[k],)
    )  # fmt: skip
    shut = immovable(case.snapshot, case.held, case.fixed)
    today = leave(case.snapshot, case.goals, shut, (case.guards, case.now)).today
    currency = case.snapshot.currency
    # What a pin, a hold or a step keeps from a test does not count.
    most = [min(ask.amount, Money(round(1e6 * float(today[k])), currency)) for k, ask in tests.items()]
    asked = total(most, currency)
    return told if asked <= case.ceiling else (*told, _too_much(asked, case.ceiling))


def _too_much(asked: Money, ceiling: Money) -> Finding:
    words = f"Lift tests ask for budgets of {asked}, and all budgets together may be no more than {ceiling}."
    mend = "Raise the total, or stop the test with `outlay lift stop` and let it put its budgets back."
    return Finding("lift-test-total", Severity.BLOCK, "portfolio", words, mend)


def overclaimed(case: Case) -> tuple[Finding, ...]:
    """Mark on a plan what `overclaims` finds."""
    return tuple(map(_mark, overclaims(case.snapshot)))


def overclaims(snapshot: Snapshot) -> tuple[Overclaim, ...]:
    """Return what platforms claim more of than lift tests find, brand search and retargeting as a rule.

    Of a channel the priors of the slow tier tell the log of incremental conversions per claimed one, normal; it is
    marked where P(log < 0), that more is claimed than is incremental, is at least `SURE`. A campaign, or a channel of
    which no prior tells, is marked by its own tests of the last `YOUNG` days.
    """
    return (*_by_priors(snapshot), *_by_readings(snapshot))


def _by_priors(snapshot: Snapshot) -> Iterator[Overclaim]:
    for channel, lift in _told(snapshot).items():
        belief = NormalDist(lift.mean, lift.sd)
        sure = belief.cdf(0.0)
        if sure >= SURE:
            low, high = (100.0 * math.exp(belief.inv_cdf(p)) for p in (0.1, 0.9))
            words = (
                f"of 100 conversions that it claims {figure(low)} to {figure(high)} (80%) would not have come anyway"
            )
            yield Overclaim(channel, None, sure, words)


def _by_readings(snapshot: Snapshot) -> Iterator[Overclaim]:
    told = _told(snapshot)
    for record in snapshot.lift_tests:
        plan, reading = record.plan, None if record.end is None else record.end.reading
        if reading is None or reading.overclaimed is None or (plan.campaign is None and plan.channel in told):
            continue
        if reading.overclaimed >= SURE and (snapshot.today - reading.last_day).days <= YOUNG:
            side = math.copysign(1.0, reading.spend_change)
            brought, claimed = (figure(side * amount) for amount in (reading.incremental, reading.claimed or 0.0))
            words = f"by lift test {plan.name} the change of spend brought {brought}, of {claimed} that are claimed"
            yield Overclaim(plan.channel, plan.campaign, reading.overclaimed, words)


def _told(snapshot: Snapshot) -> dict[str, Spread]:
    channels = {target.channel for target in snapshot.targets}
    priors = () if snapshot.priors is None else snapshot.priors.channels
    return {p.channel: p.log_lift for p in priors if p.log_lift is not None and p.channel in channels}


def _mark(found: Overclaim) -> Finding:
    name = found.channel if found.campaign is None else f"Campaign {found.campaign} of {found.channel}"
    told = f"{name} claims more than it brings, with a probability of {found.probability:.0%}: {found.words}."
    return Finding("overclaimed", Severity.INFO, "portfolio", told, _MEND)
