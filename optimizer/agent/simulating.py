"""Outlay as one more policy of the simulator: what a policy sees, read as a snapshot, and decided on by `decide`.

Nothing is decided here. The snapshot is the one that a store gives after reading the same mornings, at the level of
campaigns, each channel maturing by itself as a platform of its own does; the goals say the bounds of the comparison in
the marketer's terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np

from connectors.contract import Account, BudgetTarget, Level, zone
from connectors.money import MICROS, Money, minor_unit_micros
from optimizer import explain
from optimizer.decide import Choice, choose
from optimizer.goals import Explore, Goals, Limit, Scope, ScopeKind
from optimizer.guardrails import Guardrails
from optimizer.plan.recommendation import Objective
from optimizer.plan.snapshot import (
    TRIANGLE_DAYS,
    DelayTriangle,
    FloatArray,
    Freshness,
    IntArray,
    Panel,
    Snapshot,
    Target,
)
from simulations.policies import ABOUT as BASELINES_ABOUT
from simulations.policies import BASELINES
from simulations.policies.contract import MakePolicy, Proposal, Seen, Setting

MORNING: Final = time(6, 0)
"""When budgets are decided, on the account's clock."""

LAGS: Final = 36
"""Columns of a delay triangle, as the store cuts them."""

UNBOUND: Final = Guardrails(
    largest_step_24h=1e6,
    cool_down_hours=0.0,
    freshness_days=100_000,
    minimum_days=0,
    minimum_conversions=0.0,
    smallest_step=0.0,
    min_gain_probability=0.0,
    min_gain_share=0.0,
    max_changes=0,
    spend_spike=1e9,
    outage_days=0,
)
"""Guardrails that never bind, so that Outlay keeps to the same limits as every policy that it is compared with.

The step over 24 hours and the cool-down give way to the comparison's own step, which holds every day. The evidence that
must be there first, the least gain, the least step and the count of changes protect a platform's learning and a
person's patience, neither of which the market has. Reports are never stale, and doubts about them (an outage, a spike,
a budget that does not spend) would hold money that the others may move.
"""

_CONNECTOR: Final = "simulated"
_DRAWS: Final = 400
_INTERVAL: Final = (0.05, 0.95)
_OBJECTIVES: Final = {"conversions": Objective.CONVERSIONS, "value": Objective.REVENUE}


class OutlayPolicy:
    """A `Policy` that remembers nothing: each morning everything seen is learnt from anew, as in the product.

    Args:
        setting: The comparison.
        explore: How uncertainty enters.
        guards: The written limits.
    """

    def __init__(self, setting: Setting, explore: Explore, guards: Guardrails) -> None:
        self._setting, self._explore, self._guards = setting, explore, guards
        self._account = Account(_CONNECTOR, setting.market, setting.currency, setting.time_zone)
        self._quantum = minor_unit_micros(setting.currency)
        self._floors = tuple(self._money(amount) for amount in setting.bounds.lower)
        self._ceilings = tuple(self._money(amount) for amount in setting.bounds.upper)

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """Return the decision's budgets, with 90% intervals of what the belief expects of those that run.

        Before the first day there is nothing to learn from, and the budgets stay. They also stay where the decision is
        blocked; `why` says the reason.
        """
        if seen.today == 0:
            return Proposal(seen.live, why="No day has passed yet: there is nothing to learn from.")
        snapshot = self.snapshot(seen)
        wanted = self.goals(seen)
        choice = choose(snapshot, wanted, self._guards, snapshot.known_at, rng)
        budgets = np.array([amount.micros for amount in choice.proposed]) / MICROS
        belief = choice.case.forecast.belief
        drawn = belief.predict(belief.delivered(budgets[:, None])[:, 0], snapshot.today, _DRAWS, rng)
        low, high = np.where(seen.runs, np.quantile(drawn, _INTERVAL, axis=0), np.nan)
        return Proposal(budgets, low, high, _why(choice, budgets))

    def goals(self, seen: Seen) -> Goals:
        """Return the comparison's bounds as a marketer would write them.

        A campaign's floor stands as its platform's minimum (see `snapshot`), its ceiling as a limit. One that is not
        launched or is paused is asked to come down to its floor, as far as the step lets it.
        """
        bounds = self._setting.bounds
        limits = tuple(
            Limit(Scope(ScopeKind.CAMPAIGN, _id(k)), ceiling=max(floor, ceiling) if runs else floor)
            for k, (floor, ceiling, runs) in enumerate(zip(self._floors, self._ceilings, seen.runs, strict=True))
        )
        return Goals(
            currency=self._account.currency,
            objective=_OBJECTIVES[self._setting.goal],
            total=self._money(bounds.total),
            largest_step=bounds.step,
            limits=limits,
            explore=self._explore,
        )

    def snapshot(self, seen: Seen) -> Snapshot:
        """Return what is seen as what a store would know, currency units and counts; shapes as in `Snapshot`."""
        setting, today = self._setting, self._date(seen.today)
        yesterday = today - timedelta(days=1)
        return Snapshot(
            known_at=datetime.combine(today, MORNING, zone(setting.time_zone)).astimezone(UTC),
            today=today,
            currency=setting.currency,
            time_zone=setting.time_zone,
            targets=tuple(self._target(k, seen) for k in range(len(self._setting.names))),
            panel=_panel(self._date(0), seen),
            delays=_delays(self._setting, seen),
            arms=None,
            freshness=(Freshness(_CONNECTOR, setting.market, yesterday),),
        )

    def _date(self, day: int) -> date:
        return self._setting.start + timedelta(days=day)

    def _target(self, campaign: int, seen: Seen) -> Target:
        name, own = self._setting.names[campaign], _id(campaign)
        budget = BudgetTarget(
            account=self._account,
            budget_id=f"b{own}",
            name=name,
            holder=Level.CAMPAIGN,
            covers=(own,),
            amount=Money(round(float(seen.live[campaign]) * MICROS), self._account.currency),
            minimum=self._floors[campaign],
            quantum_micros=self._quantum,
        )
        channel = self._setting.channels[int(self._setting.channel[campaign])]
        return Target(budget, channel, (), (own,), (name,))

    def _money(self, limit: float) -> Money:
        """A limit in whole minor units, rounded down as the comparison's judge does."""
        return Money(round(float(limit) * MICROS), self._account.currency).quantize(self._quantum, "down")


class ConversionsOnly:
    """A `Policy` that is shown spend and conversions, but neither impressions nor clicks: what is the funnel worth?

    Args:
        setting: The comparison.
        make: Begins the policy that decides.
    """

    def __init__(self, setting: Setting, make: MakePolicy) -> None:
        self._policy = make(setting)

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """Return what the policy proposes that sees no impressions and no clicks."""
        hidden = np.full_like(seen.spend, np.nan)
        return self._policy.propose(replace(seen, impressions=hidden, clicks=hidden), rng)


def outlay_policy(explore: Explore = Explore.OPTIMISTIC, guards: Guardrails = UNBOUND) -> MakePolicy:
    """Return the policy that decides every morning as the product does.

    Args:
        explore: How uncertainty enters.
        guards: The written limits; by default none that binds.

    Returns:
        A picklable factory.
    """
    return partial(OutlayPolicy, explore=explore, guards=guards)


OUTLAY: Final[Mapping[str, MakePolicy]] = MappingProxyType(
    {
        "outlay": outlay_policy(),
        "outlay-none": outlay_policy(Explore.NONE),
        "outlay-kg": outlay_policy(Explore.KNOWLEDGE_GRADIENT),
        "outlay-thompson": outlay_policy(Explore.THOMPSON),
        "outlay-conversions": partial(ConversionsOnly, make=outlay_policy()),
    }
)

POLICIES: Final[Mapping[str, MakePolicy]] = MappingProxyType({**OUTLAY, **BASELINES})
"""Every policy that can be simulated, by name: Outlay's own first, then the baselines."""

ABOUT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "outlay": "Outlay's own decision, guardrails aside: plans for the mean and half a deviation, with trials.",
        "outlay-none": "The same without exploration: plans for the posterior mean.",
        "outlay-kg": "The same exploring by the knowledge gradient: plans for the mean and what a look is worth.",
        "outlay-thompson": "The same exploring by chance: plans for one posterior draw of every curve.",
        "outlay-conversions": "The same as `outlay` without the funnel: it sees spend and conversions alone.",
        **BASELINES_ABOUT,
    }
)
"""One sentence on each of `POLICIES`."""


def _id(campaign: int) -> str:
    """Ids sort as the campaigns stand, as a snapshot's targets must."""
    return f"{campaign + 1:06}"


def _panel(first: date, seen: Seen) -> Panel:
    """A day on which a campaign did nothing and got nothing has no row."""
    told = (seen.spend > 0) | (seen.impressions > 0) | (seen.conversions != 0) | (seen.value != 0)
    measures = ("spend", "conversions", "value", "clicks", "impressions")
    rows = {name: np.where(told, getattr(seen, name), np.nan) for name in measures}
    panel = Panel(first_day=first, **rows, budget=np.array(seen.budgets))
    share = np.where(told & (seen.impression_share > 0), seen.impression_share, np.nan)
    if not np.isfinite(share).any():
        return panel
    eligible = seen.impressions / share
    return replace(panel, eligible=eligible, lost=eligible * (1.0 - share))


def _delays(setting: Setting, seen: Seen) -> tuple[DelayTriangle, ...]:
    """One triangle for each channel."""
    return tuple(
        DelayTriangle(f"{setting.channels[channel]}/all", targets, _triangle(seen, targets))
        for channel in np.unique(setting.channel)
        for targets in (np.flatnonzero(setting.channel == channel),)
    )


def _triangle(seen: Seen, targets: IntArray) -> FloatArray:
    """Conversions of some campaigns by day and lag, shape (days, LAGS).

    A lag counts from the end of the day: what the morning after it says was known at lag 1. This morning's statements
    are of a day that is not over, and count from tomorrow on, as in the store; so yesterday has no row yet.
    """
    first, last = max(seen.today - TRIANGLE_DAYS, 0), seen.today - 1
    by_age, lag = seen.by_age[targets, first:last].sum(axis=0), np.arange(LAGS)
    known = by_age[:, np.clip(lag - 1, 0, by_age.shape[1] - 1)]
    over = np.arange(first, last)[:, None] + lag <= last
    return np.where((lag > 0) & over, known, np.nan)


def _why(choice: Choice, budgets: FloatArray) -> str:
    """The choice in a sentence: what keeps all as it is, or what changes and what it should bring."""
    case = choice.case
    moves = budgets - case.snapshot.current
    if not moves.any():
        about = [finding.message for finding in choice.findings if finding.subject == "portfolio"]
        return about[0] if about else "No budget changes."
    pair = np.stack([case.snapshot.current, budgets], axis=1)
    now, then = case.forecast.moments(pair)[0].sum(axis=0)
    unit = explain.thing(case.goals.objective, case.snapshot.currency)
    first = int(np.argmax(np.abs(moves)))
    target, amount = case.snapshot.targets[first], choice.proposed[first]
    return (
        f"{np.count_nonzero(moves)} of {moves.size} budgets change, {now:,.2f} -> {then:,.2f} {unit} a day expected; "
        f"the largest is {target.budget.name}, {target.budget.amount} -> {amount}."
    )
