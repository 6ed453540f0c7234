"""The account behind an emulator: a simulated market under numeric ids, with a history of changes.

It is neutral: micros, indices, account-local dates. Units, limits, minimums and wording are the emulators' own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final, Literal

import numpy as np

from connectors.contract import WHOLE, zone
from simulations.market.day import Day
from simulations.market.truth import Truth, audience_name, least_budget
from simulations.platform.catalogue import creative_name
from simulations.platform.reported import lines
from simulations.platform.state import Edit, Switch
from simulations.platform.world import World
from simulations.scenarios import Scenario

By = Literal["api", "hand"]

MORNING: Final = time(6, 0)
"""When a day's figures stand, on the account's clock; changes of that day come after it."""

_LEARNING_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign and the daily budget that it holds, micros."""

    index: int
    campaign_id: int
    budget_id: int
    name: str
    channel: str
    active: bool
    budget_micros: int
    launched: date


@dataclass(frozen=True, slots=True)
class Ad:
    """An ad with everything that it belongs to; an ad group holds the ads for one audience.

    Attributes:
        active: By its own switch.
        active_campaign: Whether its campaign runs today.
    """

    index: int
    ad_id: int
    name: str
    campaign: int
    campaign_id: int
    ad_group_id: int
    ad_group_name: str
    creative_id: int
    creative_name: str
    audience_id: int
    audience_name: str
    channel: str
    active: bool
    active_campaign: bool


@dataclass(frozen=True, slots=True)
class Line:
    """What one ad brought on one day by one definition of a conversion, as it is reported now; micros, counts alike.

    Attributes:
        kind: The definition's index in `Account.kinds`; delivery stands with the first.
        impression_share, lost_to_budget: Of the ad's campaign, micros; None where they are not reported.
    """

    day: date
    ad: Ad
    kind: int
    conversions: int
    value: int
    spend: int
    impressions: int
    clicks: int
    impression_share: int | None = None
    lost_to_budget: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a budget or an ad's switch, as a platform's history tells it.

    Attributes:
        number: From 1, over all changes of a kind, in the order in which they were made.
        at: When, UTC.
        index: Of the campaign or the ad.
        old, new: Budgets in micros, or 1 for running and 0 for paused.
        key: The request's own name, if it gave one.
    """

    number: int
    at: datetime
    what: Literal["budget", "status"]
    index: int
    old: int
    new: int
    by: By
    key: str


class Account:
    """One account of a platform over a simulated world.

    All that is read together should be read inside `held`: another thread's request then waits.

    Args:
        scenario: What the world is drawn from; its currency and zone are the account's.
        seed: Of truth and noise.
        start: The date of day 0.
        state_file: Where the world lives on between processes; None: in memory.
        first_id: All ids are this number and those that follow, so that two accounts do not share any.

    Attributes:
        world: The world behind it.
        kinds: The names of its definitions of a conversion; the first is the purchase.
        least_budget: What the market takes as a daily budget at least, micros.

    Raises:
        BadInput, AskMarketer: The state file cannot be used.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        start: date,
        state_file: Path | None = None,
        first_id: int = 1_000_000_000,
    ) -> None:
        self.world = World(scenario, seed, start, state_file)
        self.account_id = first_id
        self.currency = scenario.currency
        self.time_zone = scenario.time_zone
        self.name = f"{scenario.name}-{seed}"
        self.kinds = tuple(kind.name for kind in self.truth.kinds)
        self.least_budget = least_budget(scenario)
        self.restatement_days = scenario.tracking.restatement_days
        self._lock = threading.RLock()
        self._first_id = first_id
        self._ads = self._drawn_ads()

    @property
    def truth(self) -> Truth:
        """The truth of the world; only the emulator may look."""
        return self.world.truth

    @property
    def held(self) -> AbstractContextManager[bool]:
        """A lock around the whole account."""
        return self._lock

    @property
    def today(self) -> date:
        """The account-local date of the world's present morning."""
        with self._lock:
            self.world.refresh()
            return self.world.today

    @property
    def now(self) -> datetime:
        """The world's present moment, UTC: this morning, and later for each change made today."""
        with self._lock:
            self.world.refresh()
            state = self.world.state
            made = sum(edit.day == state.day for edit in state.edits)
            made += sum(switch.day == state.day for switch in state.switches)
            return self._at(self.world.today, 2 * made)

    def campaigns(self) -> tuple[Campaign, ...]:
        """Return the launched campaigns, running or paused."""
        with self._lock:
            self.world.refresh()
            running, live = self.world.running(), self.world.live
            return tuple(
                Campaign(
                    index=k,
                    campaign_id=self.campaign_id(k),
                    budget_id=self.budget_id(k),
                    name=self.truth.names[k],
                    channel=self._channel(k),
                    active=bool(running[k]),
                    budget_micros=int(live[k]),
                    launched=self.world.date_of(int(self.truth.launch[k])),
                )
                for k in np.flatnonzero(self.world.launched()).tolist()
            )

    def ads(self) -> tuple[Ad, ...]:
        """Return the ads of launched campaigns."""
        with self._lock:
            self.world.refresh()
            launched, running, switched = self.world.launched(), self.world.running(), self.world.ads_running
            return tuple(
                _switched(ad, bool(switched[ad.index]), bool(running[ad.campaign]))
                for ad in self._ads
                if launched[ad.campaign]
            )

    def campaign_id(self, campaign: int) -> int:
        """Return the id of a campaign, by its index."""
        return self._first_id + 1_001 + campaign

    def budget_id(self, campaign: int) -> int:
        """Return the id of a campaign's budget, by the campaign's index."""
        return self._first_id + 500_001 + campaign

    def lines(self, since: date, until: date, *, as_of: date | None = None) -> Iterator[Line]:
        """Yield what was reported of past days, both ends included, day by day; of a later morning, none.

        Args:
            since: The first day.
            until: The last day.
            as_of: The morning of the report; today by default.

        Raises:
            ValueError: That morning is yet to come.
        """
        with self._lock:
            today = self.today
            if (as_of := as_of or today) > today:
                raise ValueError(f"nobody can know on {today} what will be reported on {as_of}")
            first = max(self.world.index_of(since), 0)
            last = self.world.index_of(min(until, as_of - timedelta(days=1)))
            days, on, ads = self.world.days()[first : max(last + 1, 0)], self.world.index_of(as_of), self._ads
        for day in days:
            yield from self._of_day(day, on, ads)

    def set_budget(self, campaign: int, micros: int, *, by: By = "api", key: str = "") -> Change:
        """Set the budget of a campaign from today on, absolutely, and enter it in the history, changed or not."""
        with self._lock, self.world.exclusive():
            self.world.put(campaign, micros, by, key)
            return self.budget_changes()[-1]

    def switch(self, ad: int, runs: bool, *, by: By = "api", key: str = "") -> Change:
        """Let an ad run or not from today on, and enter it in the history, changed or not."""
        with self._lock, self.world.exclusive():
            self.world.switch(ad, runs, by, key)
            return self.status_changes()[-1]

    def budget_changes(self) -> tuple[Change, ...]:
        """Return every change of a budget, oldest first."""
        with self._lock:
            self.world.refresh()
            live, told, made = self.truth.first.tolist(), [], _Counter()
            for number, edit in enumerate(self.world.state.edits, start=1):
                told.append(self._edit(number, edit, live[edit.campaign], made.next(edit.day)))
                live[edit.campaign] = edit.micros
            return tuple(told)

    def status_changes(self) -> tuple[Change, ...]:
        """Return every switch of an ad, oldest first."""
        with self._lock:
            self.world.refresh()
            live, told, made = [1] * len(self._ads), [], _Counter()
            for number, switch in enumerate(self.world.state.switches, start=1):
                told.append(self._switch(number, switch, live[switch.ad], made.next(switch.day)))
                live[switch.ad] = int(switch.runs)
            return tuple(told)

    def learning(self, campaign: int) -> bool:
        """Whether a campaign is in its learning phase: launched, or its budget moved by over a fifth, in seven days."""
        with self._lock:
            self.world.refresh()
            return bool(self.world.learning(_LEARNING_DAYS)[campaign])

    def advance(self, days: int = 1) -> None:
        """Let days pass under the live budgets.

        Raises:
            ValueError: Time does not run backwards.
            AskMarketer: The scenario's horizon ends before.
        """
        with self._lock:
            self.world.advance(days)

    def _of_day(self, day: Day, on: int, ads: Sequence[Ad]) -> Iterator[Line]:
        date_ = self.world.date_of(day.day)
        told = self.truth.scenario.delivery.impression_share
        shares = np.rint(np.nan_to_num(day.share) * WHOLE).astype(np.int64).tolist()
        for kind, index, measures in lines(day, on):
            ad = ads[index]
            share = shares[ad.campaign] if told and kind == 0 and measures[3] else 0
            both = (share, WHOLE - share) if share else (None, None)
            yield Line(date_, ad, kind, *measures, *both)

    def _edit(self, number: int, edit: Edit, old: int, nth: int) -> Change:
        at = self._at(self.world.date_of(edit.day), 2 * nth)
        return Change(number, at, "budget", edit.campaign, old, edit.micros, edit.by, edit.key)

    def _switch(self, number: int, switch: Switch, old: int, nth: int) -> Change:
        at = self._at(self.world.date_of(switch.day), 2 * nth + 1)
        return Change(number, at, "status", switch.ad, old, int(switch.runs), switch.by, switch.key)

    def _at(self, day: date, seconds: int) -> datetime:
        morning = datetime.combine(day, MORNING, zone(self.time_zone)).astimezone(UTC)
        return morning + timedelta(seconds=seconds)

    def _channel(self, campaign: int) -> str:
        return self.truth.scenario.channels[int(self.truth.channel[campaign])].name

    def _drawn_ads(self) -> tuple[Ad, ...]:
        """All ads of the world; of every further name one id, in the order in which they are met."""
        drawn = self.truth.ads
        name_id = _Names(self._first_id)
        found: list[Ad] = []
        for index, campaign in enumerate(drawn.campaign.tolist()):
            people, creative = audience_name(int(drawn.audience[index])), creative_name(int(drawn.creative[index]))
            channel = self._channel(campaign)
            found.append(
                Ad(
                    index=index,
                    ad_id=self._first_id + 20_000_001 + index,
                    name=f"{creative} | {people}",
                    campaign=campaign,
                    campaign_id=self.campaign_id(campaign),
                    ad_group_id=name_id(10_000_001, "group", campaign, people),
                    ad_group_name=people,
                    creative_id=name_id(40_000_001, "creative", campaign, creative),
                    creative_name=creative,
                    audience_id=name_id(60_000_001, "audience", channel, people),
                    audience_name=f"{channel.capitalize()} | {people}",
                    channel=channel,
                    active=True,
                    active_campaign=True,
                )
            )
        return tuple(found)


class _Names:
    """Numbers for names: each new name of a kind has the next one."""

    def __init__(self, first_id: int) -> None:
        self._first_id = first_id
        self._known: dict[str, dict[tuple[object, ...], int]] = {}

    def __call__(self, offset: int, kind: str, *name: object) -> int:
        known = self._known.setdefault(kind, {})
        return self._first_id + offset + known.setdefault(name, len(known))


class _Counter:
    """How many changes were made on a day before this one."""

    def __init__(self) -> None:
        self._made: dict[int, int] = {}

    def next(self, day: int) -> int:
        self._made[day] = self._made.get(day, 0) + 1
        return self._made[day] - 1


def _switched(ad: Ad, active: bool, active_campaign: bool) -> Ad:
    if (ad.active, ad.active_campaign) == (active, active_campaign):
        return ad
    return replace(ad, active=active, active_campaign=active_campaign)
