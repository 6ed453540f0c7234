"""A world in time: days pass under the live budgets and ads, both are changed, and all survives the process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal

import numpy as np

from connectors.errors import AskMarketer, BadInput
from simulations.market.events import BoolArray
from simulations.market.play import Carry, Day, HorizonEnded, begin, in_horizon, play
from simulations.market.truth import Truth, draw, with_ads
from simulations.noise import IntArray, KeyArray, noise_key
from simulations.platform.state import Edit, Switch, WorldState, locked, read_state, stamp, write_state
from simulations.scenarios import Scenario, with_knobs

LEARNING_STEP: Final = 0.2
"""A budget that moves by a larger share than this begins its campaign's learning phase anew."""


class World:
    """One world: its truth, the days that have passed, and the budgets in force.

    With a state file the world is shared: whoever opens the file next, in whatever process, finds it as it was left.

    Args:
        scenario: What the truth is drawn from; its `history_days` have passed when the world is new.
        seed: Of truth and noise.
        start: The date of day 0.
        state_file: Where the world lives on; None: in memory only.

    Raises:
        BadInput: The state file is damaged, or of another world.
        AskMarketer: The state file cannot be used.
    """

    def __init__(self, scenario: Scenario, seed: int, start: date, state_file: Path | None = None) -> None:
        self.truth: Truth = draw(scenario, np.random.default_rng([seed, 0]), start)
        self.key: KeyArray = noise_key(seed)
        self._seed = seed
        self._digest = self.truth.scenario.digest()
        self._file = state_file
        self._stamp: tuple[int, int] | None = None
        self._last_mix: tuple[BoolArray, Truth] | None = None
        self._begin(len(self.truth.history), (), ())
        if state_file is not None:
            with self.exclusive():
                pass

    @property
    def state(self) -> WorldState:
        """What the world follows from."""
        scenario = self.truth.scenario
        return WorldState(
            scenario=scenario.name,
            digest=self._digest,
            seed=self._seed,
            start=self.truth.start,
            day=self._day,
            edits=tuple(self._edits),
            switches=tuple(self._switches),
        )

    @property
    def today(self) -> date:
        """The date of the morning on which the world stands."""
        return self.date_of(self._day)

    @property
    def live(self) -> IntArray:
        """The budgets as they stand, micros, shape (K,); a copy."""
        return self._live.copy()

    def changes_of(self, campaign: int) -> int:
        """Return the number, from 1, of the latest edit of this campaign among all edits; 0: never edited."""
        return self._latest.get(campaign, 0)

    def served(self, key: str) -> Edit | None:
        """Return the edit that was made under this idempotency key, if any."""
        return self._served.get(key)

    @property
    def ads_running(self) -> BoolArray:
        """Which ads run by their own switch, shape (A,); a copy."""
        return self._ads_live.copy()

    def switches_of(self, ad: int) -> int:
        """Return the number, from 1, of the latest switch of this ad among all switches; 0: never switched."""
        return self._latest_switch.get(ad, 0)

    def switch_served(self, key: str) -> Switch | None:
        """Return the switch that was made under this idempotency key, if any."""
        return self._served_switches.get(key)

    def truth_on(self, day: int) -> Truth:
        """Return the truth with the ads that ran on a day that has passed, or that run today."""
        runs = self._ads_in_force[day] if day < len(self._ads_in_force) else self._ads_live
        return self._mixed(runs)

    def date_of(self, day: int) -> date:
        """Return the date of a day's index."""
        return self.truth.start + timedelta(days=day)

    def index_of(self, day: date) -> int:
        """Return the index of a date; negative before the start."""
        return (day - self.truth.start).days

    def days(self) -> tuple[Day, ...]:
        """Return all days that have passed."""
        self._play(self._day)
        return tuple(self._days)

    def carry(self, day: int) -> Carry:
        """Return what the days before it leave to a day, so that another way can be tried from there.

        Args:
            day: Its index, from 0; of a day that has passed, or of today.

        Raises:
            ValueError: That morning is yet to come.
        """
        if not 0 <= day <= self._day:
            raise ValueError(f"day {day} is not from 0 to {self._day}, where the world stands")
        self._play(day)
        return self._carries[day]

    def running(self) -> BoolArray:
        """Return which campaigns run today (in a world at its end: ran on its last day), shape (K,)."""
        return self.truth.runs[:, self._last_seen]

    def learning(self, days: int) -> BoolArray:
        """Return which campaigns a platform with so long a learning phase would say are learning, shape (K,).

        Those launched after the world began, or whose budget moved by more than a fifth, in the `days` up to today.
        """
        since = self._day - days
        found = self.truth.launch > max(since, 0)
        live = self.truth.first.tolist()
        for edit in self._edits:
            if edit.day > since and abs(edit.micros - live[edit.campaign]) > LEARNING_STEP * live[edit.campaign]:
                found[edit.campaign] = True
            live[edit.campaign] = edit.micros
        return found

    def launched(self) -> BoolArray:
        """Return which campaigns there are as yet, running or paused, shape (K,)."""
        return self.truth.launch <= self._last_seen

    def in_force(self, since: date, until: date) -> IntArray:
        """Return the budgets that were in force on past days, micros, shape (days, K).

        Raises:
            ValueError: The days have not all passed in this world.
        """
        first, last = self.index_of(since), self.index_of(until)
        if not 0 <= first <= last < self._day:
            raise ValueError(
                f"{since} to {until} is not a stretch of days from {self.truth.start} to before {self.today}"
            )
        return np.array(self._in_force[first : last + 1])

    def refresh(self) -> None:
        """Take up what another process has done to the state file since."""
        if self._file is None or (found := stamp(self._file)) == self._stamp:
            return
        state = read_state(self._file)
        if state is not None:
            self._require_same(state)
            self._begin(state.day, state.edits, state.switches)
        self._stamp = found

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the world, so that what is read inside still stands when it is changed; saved at the end."""
        if self._file is None:
            yield
            return
        with locked(self._file):
            self.refresh()
            before = (self._day, len(self._edits), len(self._switches))
            yield
            if (self._day, len(self._edits), len(self._switches)) != before or self._stamp is None:
                self._save(self._file, *before)

    def advance(self, days: int = 1) -> None:
        """Let days pass under the live budgets.

        Raises:
            ValueError: Time does not run backwards.
            AskMarketer: The scenario's horizon ends before; no day has passed.
        """
        if days < 0:
            raise ValueError(f"days must be 0 or more, not {days}")
        with self.exclusive():
            self._check_horizon(days)
            self._pass(days)
            self._pass_ads(days)
            self._day += days

    def put(self, campaign: int, micros: int, by: Literal["api", "hand"], key: str = "") -> None:
        """Set one live budget from today on; to be called inside `exclusive`."""
        self._note(Edit(day=self._day, campaign=campaign, micros=micros, by=by, key=key))

    def switch(self, ad: int, runs: bool, by: Literal["api", "hand"], key: str = "") -> None:
        """Let one ad run or not from today on; to be called inside `exclusive`."""
        self._note_switch(Switch(day=self._day, ad=ad, runs=runs, by=by, key=key))

    def _save(self, file: Path, day: int, edits: int, switches: int) -> None:
        """Write the state, or stand again where the world stood with so many days, edits and switches."""
        try:
            write_state(file, self.state)
        except AskMarketer:
            self._begin(day, self._edits[:edits], self._switches[:switches])
            raise
        self._stamp = stamp(file)

    def _begin(self, day: int, edits: Sequence[Edit], switches: Sequence[Switch]) -> None:
        """Stand on a morning after these edits and switches; the days are played when they are first asked for."""
        self._day = day
        self._days: list[Day] = []
        self._carries: list[Carry] = [begin(self.truth)]
        self._in_force: list[IntArray] = list(self.truth.history)
        self._live = self.truth.first.copy()
        self._edits: list[Edit] = []
        self._latest: dict[int, int] = {}
        self._served: dict[str, Edit] = {}
        self._ads_in_force: list[BoolArray] = []
        self._ads_live: BoolArray = np.ones(self.truth.ads.campaign.size, dtype=np.bool_)
        self._switches: list[Switch] = []
        self._latest_switch: dict[int, int] = {}
        self._served_switches: dict[str, Switch] = {}
        for edit in edits:
            self._pass(edit.day - len(self._in_force))
            self._note(edit)
        self._pass(day - len(self._in_force))
        for switch in switches:
            self._pass_ads(switch.day - len(self._ads_in_force))
            self._note_switch(switch)
        self._pass_ads(day - len(self._ads_in_force))

    def _play(self, days: int) -> None:
        """Play the days that have not been played yet, up to so many in all."""
        for day in range(len(self._days), days):
            brought, carry = play(self.truth_on(day), self.key, self._carries[day], self._in_force[day])
            self._days.append(brought)
            self._carries.append(carry)

    @property
    def _last_seen(self) -> int:
        """Index of today, or of the last day of a world at its end."""
        return min(self._day, self.truth.scenario.horizon_days - 1)

    def _note(self, edit: Edit) -> None:
        self._edits.append(edit)
        self._live[edit.campaign] = edit.micros
        self._latest[edit.campaign] = len(self._edits)
        if edit.key:
            self._served[edit.key] = edit

    def _note_switch(self, switch: Switch) -> None:
        self._switches.append(switch)
        self._ads_live = self._ads_live.copy()  # days that have passed share the array before
        self._ads_live[switch.ad] = switch.runs
        self._latest_switch[switch.ad] = len(self._switches)
        if switch.key:
            self._served_switches[switch.key] = switch

    def _mixed(self, runs: BoolArray) -> Truth:
        """The truth with these ads; the last mix is kept, since it holds for many days."""
        if self._last_mix is None or not np.array_equal(self._last_mix[0], runs):
            self._last_mix = (runs, with_ads(self.truth, runs))
        return self._last_mix[1]

    def _pass_ads(self, days: int) -> None:
        self._ads_in_force.extend(self._ads_live for _ in range(days))

    def _pass(self, days: int) -> None:
        self._in_force.extend(self._live.copy() for _ in range(days))

    def _check_horizon(self, days: int) -> None:
        try:
            in_horizon(self.truth, max(self._day + days - 1, 0))
        except HorizonEnded as error:
            raise AskMarketer(f"The simulated world ends: {error}.", mend="begin a new one in another file.") from None

    def _require_same(self, found: WorldState) -> None:
        ours = self.state
        for name in ("scenario", "seed", "start", "digest"):
            if getattr(found, name) != getattr(ours, name):
                raise BadInput(
                    _other_world(name, found, ours),
                    where=str(self._file),
                    field=name,
                    mend="name the same world in the settings, or another state_file for the new one.",
                )
        first = len(self.truth.history)
        long_enough = first <= found.day <= self.truth.scenario.horizon_days
        days = {"edits": [e.day for e in found.edits], "switches": [s.day for s in found.switches]}
        known = {
            "edits": all(edit.campaign < self.truth.channel.size for edit in found.edits),
            "switches": all(switch.ad < self.truth.ads.campaign.size for switch in found.switches),
        }
        for name, changed in days.items():
            ordered = changed == sorted(changed) and all(first <= day <= found.day for day in changed)
            if not (known[name] and ordered and long_enough):
                raise BadInput(
                    f"its days and {name} contradict one another",
                    where=str(self._file),
                    field=name,
                    mend="restore the file, or delete it to begin the world anew.",
                )


def with_history(scenario: Scenario, days: int | None) -> Scenario:
    """Return the scenario with so many days passed at the beginning; None leaves it as it is."""
    return scenario if days is None else with_knobs(scenario, history_days=days)


def _other_world(name: str, found: WorldState, ours: WorldState) -> str:
    if name == "digest":
        return f"it was made with another definition (or history_days) of scenario {ours.scenario!r}"
    return f"it holds a world with {name} = {getattr(found, name)}, the settings ask for {getattr(ours, name)}"
