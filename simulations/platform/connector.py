"""The simulated platform: one more connector, whose world happens to be ours.

Days pass only when `advance` says so. On the morning of day t the platform reports every day before t, conversions as
far as they have come in by then; a budget that is set on that morning holds from day t on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import inf
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from connectors.changes import Change
from connectors.contract import (
    WHOLE,
    Account,
    AdKey,
    AdState,
    BudgetChange,
    BudgetKey,
    BudgetTarget,
    BuildContext,
    Capabilities,
    Entity,
    EntityStatus,
    Level,
    PerformanceRow,
    Receipt,
    StatusChange,
    StatusReceipt,
    zone,
)
from connectors.errors import BadInput, Drifted, StatusDrifted, Stop
from connectors.money import Money
from simulations.market.play import Day, ages
from simulations.market.truth import least_budget
from simulations.oracle import Goal
from simulations.oracle.regret import Comparison, compare
from simulations.platform.catalogue import Catalogue
from simulations.platform.reported import lines
from simulations.platform.world import World, with_history
from simulations.policies.contract import Bounds
from simulations.scenarios import Scenario, ScenarioError, find

MORNING = time(6, 0)
"""When a day's reading is taken, on the account's clock."""


class Options(BaseModel):
    """The settings of `[connectors.NAME]` with `kind = "simulated"`.

    Attributes:
        scenario: Name of a scenario in `scenarios.SCENARIOS`, or a TOML file of one, relative to the folder of
            `config.toml`.
        seed: Of the world.
        start: The date of its first day, from 1970 to 2200.
        state_file: Where it lives on between processes; relative to the folder of `config.toml`.
        history_days: How many days have passed when the world is new; the scenario's own number by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: str = "demo"
    seed: NonNegativeInt = 1
    start: Annotated[date, Field(ge=date(1970, 1, 1), le=date(2200, 1, 1))] = date(2025, 9, 1)
    state_file: Path | None = None
    history_days: NonNegativeInt | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What the platform reported on one past morning.

    Attributes:
        morning: When it was read, UTC; the `fetched_at` of the rows.
        rows: The rows of the window before it, a stream.
    """

    morning: datetime
    rows: Iterator[PerformanceRow]


class SimulatedConnector:
    """A platform over a simulated world, with one account.

    Args:
        scenario: What the world is drawn from.
        seed: Of truth and noise: the same seed and the same budgets give the same rows.
        start: The date of day 0.
        state_file: Where the world lives on between processes; None: in memory.
        name: The connector's name.

    Attributes:
        world: The world behind it; a learner must not look.

    Raises:
        BadInput: The state file is damaged, or of another world.
        AskMarketer: The state file cannot be used.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        start: date,
        state_file: Path | None = None,
        name: str = "simulated",
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(
            writes_budgets=True,
            compares_and_sets=True,
            restatement_days=ages(scenario) - 1,
            reports_impression_share=scenario.delivery.impression_share,
            writes_status=True,
            reports_changes=True,
        )
        self.world = World(scenario, seed, start, state_file)
        self._account = Account(name, f"{scenario.name}-{seed}", scenario.currency, scenario.time_zone)
        self._catalogue = Catalogue(self._account, self.world.truth)

    @property
    def today(self) -> date:
        """The account-local date of the world's present morning."""
        self.world.refresh()
        return self.world.today

    @property
    def now(self) -> datetime:
        """The world's present moment, UTC: this morning."""
        return self._morning(self.today)

    def accounts(self) -> Sequence[Account]:
        """Return the one account."""
        return (self._account,)

    def entities(self) -> Iterator[Entity]:
        """Yield the launched campaigns, their ad groups and ads, creatives and audiences; parents first."""
        self.world.refresh()
        return self._catalogue.entities(self.world.launched(), self.world.running(), self.world.ads_running)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the ad-level rows of past days as they stand this morning."""
        return self.pull_as_of(since, until, self.today)

    def pull_as_of(self, since: date, until: date, as_of: date) -> Iterator[PerformanceRow]:
        """Yield the rows as they stood on an earlier morning.

        Raises:
            ValueError: That morning is yet to come.
        """
        if as_of > self.today:
            raise ValueError(f"nobody can know on {self.today} what will be reported on {as_of}")
        first = self.world.index_of(since)
        last = self.world.index_of(min(until, as_of - timedelta(days=1)))
        return self._rows(first, last, self.world.index_of(as_of))

    def readings(self, window_days: int) -> Iterator[Reading]:
        """Yield one reading for each morning so far, of the `window_days` days before it, oldest first.

        Taken in turn they leave a store as if it had been there from the start: restatements and all.
        """
        for day in range(1, self.world.index_of(self.today) + 1):
            rows = self._rows(day - window_days, day - 1, day)
            yield Reading(self._morning(self.world.date_of(day)), rows)

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the live budgets, one per launched campaign; a paused one keeps its own."""
        self.world.refresh()
        learning = self.world.learning(self.world.truth.scenario.delivery.learning_days)
        return tuple(self._target(k, bool(learning[k])) for k in np.flatnonzero(self.world.launched()).tolist())

    def check_budget(self, change: BudgetChange) -> None:
        """Raise what `set_budget` would raise; write nothing.

        Raises:
            Drifted: The live amount is neither `expected` nor `target`.
            Stop: The budget is unknown, or the amount is not one that the platform takes.
        """
        self.world.refresh()
        self._judge(change)

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget from today on; a budget that stands at the target already is left as it is.

        Raises:
            Drifted: The live amount is neither `expected` nor `target`; or this very change was made before and
                somebody has changed the budget since.
            Stop: The budget is unknown, or the amount is not one that the platform takes.
        """
        with self.world.exclusive():
            campaign = self._judge(change)
            if int(self.world.live[campaign]) != change.target.micros:
                self.world.put(campaign, change.target.micros, "api", change.idempotency_key)
            return Receipt(change.key, change.target, self._stamp(campaign), self._morning(self.world.today))

    def ads(self) -> Sequence[AdState]:
        """Return the ads of launched campaigns with their own switches; one that is paused gets no impressions."""
        self.world.refresh()
        launched = self.world.launched()[self.world.truth.ads.campaign]
        return tuple(self._ad(ad) for ad in np.flatnonzero(launched).tolist())

    def check_status(self, change: StatusChange) -> None:
        """Raise what `set_status` would raise; write nothing.

        Raises:
            StatusDrifted: This very change was made before, and somebody has undone it since.
            Stop: The ad is unknown.
        """
        self.world.refresh()
        self._judge_status(change)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Pause or resume one ad from today on; one that stands so already is left as it is.

        Raises:
            StatusDrifted: This very change was made before, and somebody has undone it since.
            Stop: The ad is unknown.
        """
        with self.world.exclusive():
            ad = self._judge_status(change)
            if self._ad(ad).status is not change.target:
                self.world.switch(ad, change.target is EntityStatus.ACTIVE, "api", change.idempotency_key)
            return StatusReceipt(change.key, change.target, self._ad(ad).etag, self._morning(self.world.today))

    def switch(self, ad_id: str, status: EntityStatus) -> None:
        """Pause or resume an ad by hand, as a person on the platform does: from today on, asking nobody.

        Raises:
            Stop: The ad is unknown.
        """
        with self.world.exclusive():
            ad = self._ad_index(AdKey(self.name, self._account.account_id, ad_id))
            self.world.switch(ad, status is EntityStatus.ACTIVE, "hand")

    def changes(self, since: datetime) -> Iterator[Change]:
        """Yield what was changed from the morning of `since` on, by the day: budgets first, then ads.

        The world knows the day of a change and no more, so that its morning stands for it.
        """
        self.world.refresh()
        told = (*self._edits(), *self._switches())
        first = self._morning(since.astimezone(zone(self._account.time_zone)).date())
        yield from sorted((change for change in told if change.at >= first), key=lambda change: change.at)

    def close(self) -> None:
        """Do nothing: the state file is complete after every change."""

    def advance(self, days: int = 1) -> None:
        """Let days pass under the live budgets.

        Raises:
            ValueError: Time does not run backwards.
            AskMarketer: The scenario's horizon ends before; no day has passed.
        """
        self.world.advance(days)

    def edit(self, budget_id: str, amount: Money) -> None:
        """Change a budget by hand, as a person on the platform does: from today on, asking nobody.

        Raises:
            Stop: The budget is unknown, or the amount is not one that the platform takes.
        """
        with self.world.exclusive():
            campaign = self._campaign(BudgetKey(self.name, self._account.account_id, budget_id))
            self._require_accepted(campaign, amount)
            self.world.put(campaign, amount.micros, "hand")

    def compare(
        self,
        since: date,
        until: date,
        *,
        total: float,
        lower: float = 0.0,
        upper: float = inf,
        goal: Goal = "conversions",
    ) -> Comparison:
        """Compare past days with the budgets and ads of the day before them, left alone, and with the clairvoyant.

        The clairvoyant is free to choose the budgets of each day anew, with the ads that ran on it.

        Args:
            since: The first day.
            until: The last day.
            total: What the clairvoyant's budgets may be together, currency units a day.
            lower: The least that each of them may be.
            upper: The most that each of them may be.
            goal: What is counted.

        Raises:
            ValueError: The days, or the day before them, have not passed in this world.
            Impossible: The bounds cannot be kept.
        """
        self.world.refresh()
        before = self.world.in_force(since - timedelta(days=1), since - timedelta(days=1))[0]
        budgets = self.world.in_force(since, until)
        each = np.ones(before.size)
        bounds = Bounds(total, lower * each, min(upper, total) * each, step=inf)
        first = self.world.index_of(since)
        ran = [self.world.truth_on(first + number) for number in range(len(budgets))]
        left, carry = self.world.truth_on(first - 1), self.world.carry(first)
        return compare(left, self.world.key, carry, budgets, before, bounds, goal, ran)

    def _edits(self) -> Iterator[Change]:
        """Every change of a budget, in order."""
        stands = self.world.truth.first.tolist()
        for edit in self.world.state.edits:
            key = BudgetKey(self.name, self._account.account_id, self._catalogue.budget_ids[edit.campaign])
            before, after = (Money(int(m), self._account.currency) for m in (stands[edit.campaign], edit.micros))
            stands[edit.campaign] = edit.micros
            yield Change(key, self._morning(self.world.date_of(edit.day)), edit.by, before, after, edit.key)

    def _switches(self) -> Iterator[Change]:
        """Every change of an ad, in order; at first all run."""
        for switch in self.world.state.switches:
            key = AdKey(self.name, self._account.account_id, self._catalogue.ad_ids[switch.ad])
            before, after = EntityStatus.PAUSED, EntityStatus.ACTIVE
            if not switch.runs:
                before, after = after, before
            yield Change(key, self._morning(self.world.date_of(switch.day)), switch.by, before, after, switch.key)

    def _rows(self, first: int, last: int, as_of: int) -> Iterator[PerformanceRow]:
        morning = self._morning(self.world.date_of(as_of))
        for day in self.world.days()[max(first, 0) : max(last + 1, 0)]:
            date_ = self.world.date_of(day.day)
            shares = self._shares(day)
            for kind, ad, (converted, worth, spend, seen, clicked) in lines(day, as_of):
                series = self._catalogue.series[kind, ad]
                told = shares[self.world.truth.ads.campaign[ad]] if kind == 0 and seen else (None, None)
                yield PerformanceRow(series, date_, spend, converted, worth, seen, clicked, morning, *told)

    def _shares(self, day: Day) -> list[tuple[int | None, int | None]]:
        """Impression share and share lost to the budget of each campaign, micros; None where they are not reported.

        Nothing is lost to anything else.
        """
        if not self.world.truth.scenario.delivery.impression_share:
            return [(None, None)] * day.share.size
        won = np.rint(np.nan_to_num(day.share) * WHOLE).astype(np.int64)
        return [(share, WHOLE - share) if share else (None, None) for share in won.tolist()]

    def _morning(self, day: date) -> datetime:
        return datetime.combine(day, MORNING, zone(self._account.time_zone)).astimezone(UTC)

    def _target(self, campaign: int, learning: bool) -> BudgetTarget:
        return BudgetTarget(
            account=self._account,
            budget_id=self._catalogue.budget_ids[campaign],
            name=self.world.truth.names[campaign],
            holder=Level.CAMPAIGN,
            covers=(self._catalogue.campaign_ids[campaign],),
            amount=Money(int(self.world.live[campaign]), self._account.currency),
            minimum=self._minimum,
            quantum_micros=self.world.truth.quantum_micros,
            etag=self._stamp(campaign),
            learning=learning,
        )

    @property
    def _minimum(self) -> Money:
        return Money(least_budget(self.world.truth.scenario), self._account.currency)

    def _stamp(self, campaign: int) -> str:
        """The number of the budget's last change among all: its etag, and the id of the request that made it."""
        return f"sim-{self.world.changes_of(campaign)}"

    def _ad(self, ad: int) -> AdState:
        status = EntityStatus.ACTIVE if self.world.ads_running[ad] else EntityStatus.PAUSED
        return self._catalogue.ad(ad, status, f"sim-ad-{self.world.switches_of(ad)}")

    def _ad_index(self, key: AdKey) -> int:
        found = [ad for ad, ad_id in enumerate(self._catalogue.ad_ids) if ad_id == key.ad_id]
        ours = (key.connector, key.account_id) == (self.name, self._account.account_id)
        if not (ours and found and self.world.launched()[self.world.truth.ads.campaign[found[0]]]):
            raise Stop(f"there is no ad {key} here; nothing was written")
        return found[0]

    def _judge_status(self, change: StatusChange) -> int:
        """Return the index of the ad that the change would switch."""
        ad = self._ad_index(change.key)
        live, wanted = self._ad(ad).status, change.target is EntityStatus.ACTIVE
        earlier = self.world.switch_served(change.idempotency_key)
        if earlier is not None and (earlier.ad, earlier.runs) != (ad, wanted):
            raise Stop(f"{change.idempotency_key!r} has already served another change; nothing was written")
        if live is change.target or (live is change.expected and earlier is None):
            return ad
        raise StatusDrifted(
            f"{change.key} is {live.value}, approved was a change from {change.expected.value}"
            + (" that has been made already and was undone since" if earlier is not None else "")
            + "; nothing was written",
            expected=change.expected.value,
            live=live.value,
        )

    def _campaign(self, key: BudgetKey) -> int:
        found = [k for k, budget_id in enumerate(self._catalogue.budget_ids) if budget_id == key.budget_id]
        ours = (key.connector, key.account_id) == (self.name, self._account.account_id)
        if not (ours and found and self.world.launched()[found[0]]):
            raise Stop(f"there is no budget {key} here; nothing was written")
        return found[0]

    def _require_accepted(self, campaign: int, amount: Money) -> None:
        name, quantum = self.world.truth.names[campaign], self.world.truth.quantum_micros
        if amount.currency != self._account.currency:
            raise Stop(f"{name}: the account is in {self._account.currency}, not {amount.currency}")
        if amount.micros % quantum:
            raise Stop(f"{name}: {amount.amount} is not a multiple of {Money(quantum, amount.currency)}")
        if amount < self._minimum:
            raise Stop(f"{name}: {amount} is less than the least budget, {self._minimum}")

    def _judge(self, change: BudgetChange) -> int:
        """Return the index of the campaign whose budget the change would set."""
        campaign = self._campaign(change.key)
        self._require_accepted(campaign, change.target)
        live = Money(int(self.world.live[campaign]), self._account.currency)
        earlier = self.world.served(change.idempotency_key)
        if earlier is not None and (earlier.campaign, earlier.micros) != (campaign, change.target.micros):
            raise Stop(f"{change.idempotency_key!r} has already served another change; nothing was written")
        if live == change.target or (live == change.expected and earlier is None):
            return campaign
        raise Drifted(
            f"{self.world.truth.names[campaign]}: the budget is {live}, approved was a change from {change.expected}"
            + (" that has been made already and was changed since" if earlier is not None else "")
            + "; nothing was written",
            expected_micros=change.expected.micros,
            live_micros=live.micros,
        )


def build(context: BuildContext) -> SimulatedConnector:
    """Build the connector from its settings (entry point `simulated`).

    Raises:
        BadInput: A setting is unknown or wrong, or the state file is damaged or of another world.
        AskMarketer: The state file cannot be used.
    """
    try:
        options = Options.model_validate(dict(context.options))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise _bad(context, field, first["msg"], f"the settings are {', '.join(Options.model_fields)}.") from None
    scenario = _scenario(options, context)
    file = None if options.state_file is None else context.home / options.state_file
    return SimulatedConnector(scenario, seed=options.seed, start=options.start, state_file=file, name=context.name)


def _scenario(options: Options, context: BuildContext) -> Scenario:
    try:
        found = find(options.scenario, context.home)
    except ScenarioError as error:
        raise _bad(context, "scenario", str(error), "name another scenario, or mend its file.") from None
    try:
        return with_history(found, options.history_days)
    except ScenarioError as error:
        raise _bad(context, "history_days", str(error), "let fewer days pass.") from None


def _bad(context: BuildContext, field: str, message: str, mend: str) -> BadInput:
    return BadInput(message, where=context.source, field=field, mend=mend)
