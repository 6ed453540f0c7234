"""Where the workflow machine plays: a simulated market that keeps a ledger, two agents that can be killed, one folder.

All is the agent's own: its desk, cycle, store and settings. Only the choice of amounts is drawn (`quick_mind`), so that
a day costs milliseconds. The traps stand in wrappers, so that the code under test has none.
"""

from __future__ import annotations

import copy
import itertools
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from connectors.changes import Change
from connectors.contract import (
    AdState,
    BudgetChange,
    BudgetTarget,
    Connector,
    EntityStatus,
    PerformanceRow,
    Receipt,
    StatusChange,
    StatusReceipt,
)
from connectors.errors import ConnectorError, OutcomeUnknown
from connectors.money import Money, total
from optimizer import goals, guardrails
from optimizer.agent import bootstrap, cycle, deciding
from optimizer.agent.clock import SetClock
from optimizer.agent.cycle import House
from optimizer.agent.daemon import desk as desk_module
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.store import MemoryStore, open_sql
from optimizer.agent.tenure import Tenure
from optimizer.plan.office import Brake
from optimizer.plan.recommendation import AdLine, Decision, Effect, Evidence, Line, LineKey, Objective
from optimizer.plan.record import IntentState
from optimizer.plan.running import crews, running
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import StateConflict, Store
from simulations.platform import faults
from simulations.platform.connector import SimulatedConnector
from simulations.platform.faults import Wrapper
from simulations.scenarios import named
from tests.trapped import TrappedStore

START = date(2025, 9, 1)
HISTORY = 30
CALL_FAULTS = ("throttled", "lost-before", "lost-after", "refused", "partial", "lie", "late", "twice", "edited")
TRAPS = ("kill", "brake", "breather", "stall", "edit")
BREATHER = timedelta(minutes=20)
SOMEBODY_ELSE = "somebody-else"
"""How the keys of what `EditedBehind` sets begin."""
PEOPLE = ("ann", "bob", "bea")
CONFIG = """
[portfolio]
currency = "JPY"
time_zone = "Asia/Tokyo"
history_days = 28
[goal]
{total}
[guardrails]
largest_step = {step}
cool_down_hours = 0.0
minimum_conversions = 0.0
minimum_days = 0
[approval]
valid_hours = 10.0
second_approver_above = 9000
approvers = ["ann", "bob", "bea"]
[autonomy]
mode = "{mode}"
[web]
listen = ""

[daemon]
decide_at = {decide_at}
refit = "never"
listen = ""
[windows]
writes = {windows}
[connectors.market]
kind = "simulated"
{pin}
"""


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


@dataclass(frozen=True)
class Wanted:
    """The settings that are edited while the agents run."""

    total: int | None = None
    step: float = 0.3
    mode: str = "recommend"
    windows: str = "[]"
    pinned: str | None = None
    sense: bool = True

    def text(self) -> str:
        pin = f'[[pins]]\nscope = "campaign:{self.pinned}"\nauthor = "ann"\nreason = "audit"\n' if self.pinned else ""
        amount = "" if self.total is None else f"total_per_day = {self.total}"
        decide_at = '["06:00"]' if self.sense else '["25:00"]'
        return CONFIG.format(
            total=amount, step=self.step, mode=self.mode, windows=self.windows, pin=pin, decide_at=decide_at
        )


@cache
def market() -> SimulatedConnector:
    """A market of three campaigns with three ads each, its history played; to be copied."""
    made = SimulatedConnector(
        named("tiny-yen", history_days=HISTORY, creatives=(3, 3)), seed=4, start=START, name="market"
    )
    list(made.pull(START, made.today))
    return made


class Platform:
    """The market as its owner knows it: every change of ours is told to the judge as it lands."""

    def __init__(self, inner: SimulatedConnector, clock: SetClock, *, compares: bool, reports: bool) -> None:
        self.inner, self.clock, self.compares = inner, clock, compares
        self.name = inner.name
        self.capabilities = replace(
            inner.capabilities, compares_and_sets=compares, reports_changes=reports, validates=compares
        )
        self.landed: Callable[[BudgetChange | StatusChange, Any], None] = lambda _change, _before: None
        self.late: list[tuple[datetime, BudgetChange | StatusChange]] = []
        self.others: list[tuple[LineKey, Money | EntityStatus]] = []
        self.rows_until: date | None = None
        self.silent_from: date | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """The rows, unless the report stands still or its tracking is broken."""
        for row in self.inner.pull(since, until):
            if self.rows_until is not None and row.day > self.rows_until:
                continue
            broken = self.silent_from is not None and row.day >= self.silent_from
            yield replace(row, conversions_micros=0, value_micros=0) if broken else row

    def changes(self, since: datetime) -> Iterator[Change]:
        return self.inner.changes(since)

    def budgets(self) -> Sequence[BudgetTarget]:
        self.deliver()
        return self.inner.budgets()

    def ads(self) -> Sequence[AdState]:
        self.deliver()
        return self.inner.ads()

    def deliver(self, of: Collection[str] = ()) -> None:
        """Let calls arrive that were long on their way, or are of these keys."""
        now = self.clock.now()
        due = [(at, change) for at, change in self.late if at <= now or change.idempotency_key in of]
        self.late = [call for call in self.late if call not in due]
        for _, change in due:
            with suppress(ConnectorError):
                self.set(change)

    def set_budget(self, change: BudgetChange) -> Receipt:
        answer = self.set(change)
        assert isinstance(answer, Receipt)
        return answer

    def set_status(self, change: StatusChange) -> StatusReceipt:
        answer = self.set(change)
        assert isinstance(answer, StatusReceipt)
        return answer

    def set(self, change: BudgetChange | StatusChange) -> Receipt | StatusReceipt:
        """Carry out a call; one that does not compare before it sets asks nobody."""
        before = self.standing(change)
        if self.compares:
            answer = (
                self.inner.set_budget(change) if isinstance(change, BudgetChange) else self.inner.set_status(change)
            )
        else:
            answer = self._blindly(change)
        if change.idempotency_key.startswith(SOMEBODY_ELSE):
            self.others.append((change.key, change.target))
        elif self.standing(change) != before:
            self.landed(change, before)
        return answer

    def standing(self, change: BudgetChange | StatusChange) -> Money | EntityStatus:
        """What is live of a change's budget or ad."""
        if isinstance(change, BudgetChange):
            return next(b.amount for b in self.inner.budgets() if b.key == change.key)
        return next(ad.status for ad in self.inner.ads() if ad.key == change.key)

    def _blindly(self, change: BudgetChange | StatusChange) -> Receipt | StatusReceipt:
        world, at = self.inner.world, self.clock.now()
        if isinstance(change, StatusChange):
            if self.standing(change) is not change.target:
                ad = self.inner._ad_index(change.key)
                world.switch(ad, change.target is EntityStatus.ACTIVE, "api", change.idempotency_key)
            return StatusReceipt(change.key, change.target, "blind", at)
        if self.standing(change) != change.target:
            world.put(self.inner._campaign(change.key), change.target.micros, "api", change.idempotency_key)
        return Receipt(change.key, change.target, "blind", at)


class Late(Wrapper):
    """A call is lost to the caller and lands half a minute later."""

    platform: Platform

    def set_budget(self, change: BudgetChange) -> Receipt:
        self._later(change)
        return super().set_budget(change)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        self._later(change)
        return super().set_status(change)

    def _later(self, change: BudgetChange | StatusChange) -> None:
        if self._spoils():
            self.platform.late.append((self.platform.clock.now() + timedelta(seconds=29), change))
            raise OutcomeUnknown(f"no answer to the change of {change.key}")


class Twice(Late):
    """A call lands, and once more a moment later."""

    def _later(self, change: BudgetChange | StatusChange) -> None:
        if self._spoils():
            self.platform.late.append((self.platform.clock.now(), change))


class Door(Wrapper):
    """Where a call leaves our process."""

    ground: Ground
    who: str

    def set_budget(self, change: BudgetChange) -> Receipt:
        self._leave(change)
        receipt = super().set_budget(change)
        self.ground.point(self.who, "answered")
        return receipt

    def set_status(self, change: StatusChange) -> StatusReceipt:
        self._leave(change)
        receipt = super().set_status(change)
        self.ground.point(self.who, "answered")
        return receipt

    def _leave(self, change: BudgetChange | StatusChange) -> None:
        self.ground.judged(self.ground.called, self.who, change)
        self.ground.befell = bool(self.ground.armed) and self.ground.armed[0] == "none"
        if self.ground.befell:
            self.ground.armed.pop(0)

    def _on_call(self) -> None:
        self.ground.befell = False


@dataclass
class Mishap:
    """What happens at the n-th point that an agent comes to."""

    what: str
    left: int


class Ground:
    """A folder, a store, a market, two agents and the people at their command line."""

    def __init__(self, folder: Path, template: Path | None, *, compares: bool, reports: bool) -> None:
        self.folder, self.wanted, self.stamps = folder, Wanted(), itertools.count(1)
        self.config = folder / "config.toml"
        self.memory = MemoryStore() if template is None else None
        self.file = folder / "outlay.sqlite"
        if template is not None:
            shutil.copy(template, self.file)
        self.store: Store = self.memory or open_sql(f"sqlite:///{self.file}")  # the judge's own
        inner = copy.deepcopy(market())
        self.clock = SetClock(inner.now + timedelta(minutes=5))
        self.platform = Platform(inner, self.clock, compares=compares, reports=reports)
        self.wishes: tuple[float, ...] = (0.0, 0.0, 0.0)
        self.wishes_ads = False
        self.armed: list[str] = []
        self.befell = False
        self.mishap: Mishap | None = None
        self.called: Callable[[str, BudgetChange | StatusChange], None] = lambda _who, _change: None
        self.edits = 0
        self.verdict: AssertionError | None = None
        self.seeds = itertools.count(1)
        self.looking: list[str] = []
        self.desks: dict[str, Desk] = {}
        self._typed, self._read = ExitStack(), ""
        self._house: House | None = None
        self.set(self.wanted)

    # People

    def set(self, wanted: Wanted) -> None:
        """Edit the settings file; the people's own command line reads it at once, the agents at their next look."""
        self.wanted = replace(wanted, sense=True)
        self.config.write_text(wanted.text())
        later = 1_700_000_000 + next(self.stamps)
        os.utime(self.config, (later, later))

    @contextmanager
    def people(self) -> Iterator[House]:
        """A house as a command opens it, by the settings in force: whoever types a command mends the file first."""
        text = self.wanted.text()
        with self._opening("people"):
            if self._read != text:
                path = self.folder / "people.toml"
                path.write_text(text)
                self._typed.close()
                self._house = self._typed.enter_context(bootstrap.open_house(path, self.clock))
                self._read = text
            assert self._house is not None
            yield self._house

    def throw(self, *, on: bool, lasts: timedelta | None = None) -> None:
        """Somebody throws the kill switch; a pause for a while is refused where one is on that lasts longer."""
        with self.people() as house, suppress(StateConflict) if lasts else nullcontext():
            now = self.clock.now()
            house.store.throw_brake(Brake(on, now, "mia", "checkout is down", lasts and now + lasts))

    def hand(self, place: int, quanta: int) -> None:
        """Somebody sets a budget to an amount that no plan and no earlier hand had."""
        self.arrive()
        self.edits += 1
        budget = self.platform.inner.budgets()[place]
        odd = 7_000 + 131 * self.edits + 1_000 * quanta
        self.platform.inner.edit(budget.budget_id, Money(odd * 1_000_000, "JPY"))

    def arrive(self) -> None:
        """Calls whose outcome is open land before a person acts, as if each were a race that was lost.

        One whose write was settled meanwhile stays under way: it should not have been settled.
        """
        sent = {i.idempotency_key for i in self.store.open_intents() if i.state is IntentState.SENDING}
        self.platform.deliver(of=sent)

    # Agents

    def desk(self, who: str) -> Desk:
        if who not in self.desks:
            self.desks[who] = Desk(self.config, self.clock)
        return self.desks[who]

    def look(self, who: str) -> bool:
        """One look of an agent; False if it was killed in it."""
        self.looking.append(who)
        try:
            with self._opening(who):
                self.desk(who).look()
        except Killed:
            self.hear_the_judge()
            self.desks.pop(who)._held.close()  # the kernel closes what a process held; nothing is given up in order
            return False
        finally:
            self.looking.pop()
        return True

    def judged(self, judge: Callable[..., None], *what: Any) -> None:
        """Let the judge see a call or an effect; a verdict ends an agent, which would take it for a defect."""
        try:
            judge(*what)
        except AssertionError as verdict:
            if not self.looking:
                raise
            self.verdict = verdict
            raise Killed from None

    def hear_the_judge(self) -> None:
        """Raise what the judge found while a process ran."""
        if self.verdict is not None:
            raise self.verdict

    def point(self, who: str, place: str) -> None:
        """An agent comes to a point at which something may happen."""
        mishap = self.mishap
        if mishap is None or who not in self.looking:
            return
        mishap.left -= 1
        if mishap.left > 0:
            return
        self.mishap = None
        match mishap.what:
            case "kill":
                raise Killed(place)
            case "brake":
                self.throw(on=True)
            case "breather":
                self.throw(on=True, lasts=BREATHER)
            case "stall":
                self.clock.sleep(95)
                self.look("b" if who == "a" else "a")
            case "edit" if self.platform.compares:
                self.hand(0, 3)

    def close(self) -> None:
        for desk in self.desks.values():
            desk.leave()
        self._typed.close()
        self.store.close()

    def stack(self, who: str) -> Connector:
        """The way of an agent's calls to the platform, with all that may befall them."""

        def befalls(*names: str) -> Callable[[int], bool]:
            return lambda _number: self._befalls(names, who)

        wired: Any = self.platform
        wired = faults.NotApplied(wired, befalls("lie"))
        wired = faults.PartialSet(wired, befalls("partial"), 7_000_000)
        if self.platform.compares:
            wired = faults.EditedBehind(wired, befalls("edited"))
        wired = faults.Refuses(wired, befalls("refused"))
        wired = faults.TimesOutAfterCommit(wired, befalls("lost-after"))
        wired = faults.TimesOutBeforeCommit(wired, befalls("lost-before"))
        for kind, name in ((Late, "late"), (Twice, "twice")):
            wired = kind(wired, befalls(name))
            wired.platform = self.platform
        wired = faults.Throttled(wired, befalls("throttled"), 5.0)
        door = Door(wired, befalls())
        door.ground, door.who = self, who
        return door

    def _befalls(self, names: tuple[str, ...], who: str) -> bool:
        """One fault at most befalls a call; the people's own calls go through."""
        if who == "people" or self.befell or not self.armed or self.armed[0] not in names:
            return False
        self.armed.pop(0)
        self.befell = True
        return True

    @contextmanager
    def _opening(self, who: str) -> Iterator[None]:
        before, STAGE.ground, STAGE.who = STAGE.who, self, who
        try:
            yield
        finally:
            STAGE.who = before


@dataclass
class Stage:
    """Who is opening a house at the moment; the wiring of the program asks here instead of the outer world."""

    ground: Any = None
    who: str = "people"


STAGE = Stage()


class _Unclosed:
    """A store in memory as each process has it: closing leaves it to the others."""

    def __init__(self, inner: MemoryStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def close(self) -> None:
        """Nothing."""


class _Silent:
    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_words, **_more: None


@contextmanager
def staged(*, mind: bool = True) -> Iterator[pytest.MonkeyPatch]:
    """Wire every house that is opened meanwhile to the ground that stands.

    Args:
        mind: Whether amounts are drawn; if not, they are decided on.
    """
    opens = bootstrap.open_house

    @contextmanager
    def trapped(config: Path, clock: Any = None, settings: Any = None) -> Iterator[House]:
        ground, who = STAGE.ground, STAGE.who
        with opens(config, clock, settings) as house:
            store = TrappedStore(house.store, partial(ground.point, who))
            yield replace(house, store=store, tenure=Tenure(store, house.clock, f"agent {who}"))

    def store(_url: str) -> Any:
        ground = STAGE.ground
        return open_sql(f"sqlite:///{ground.file}") if ground.memory is None else _Unclosed(ground.memory)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bootstrap.registry, "build", lambda _kind, _context: STAGE.ground.stack(STAGE.who))
        patched.setattr(bootstrap, "open_sql", store)
        patched.setattr(bootstrap, "make_place", lambda _url: None)
        patched.setattr(desk_module, "open_house", trapped)
        patched.setattr(desk_module, "is_there", lambda _url: True)  # where the settings say there is none
        patched.setattr(desk_module, "_LOG", _Silent())
        patched.setattr(cycle.secrets, "randbits", lambda _bits: next(STAGE.ground.seeds))
        if mind:
            patched.setattr(cycle, "decided", quick_mind)
            patched.setattr(deciding, "decided", quick_mind)
        yield patched


_PROOF = Evidence(60, 400.0, 6000.0, thin=False, words="60 days, 400 conversions")
_GAIN = Effect(1.0, 0.5, 1.5, 0.1, 2.0, 0.1)


def quick_mind(
    seen: Snapshot, wanted: Any, guards: Any, around: Any, now: datetime, _seed: int, fixed: Any
) -> Decision:
    """Propose what was wished for, within the room that the guards leave."""
    planned, _ = guardrails.daily(seen)
    held = guardrails.holds(planned, (_PROOF,) * len(planned.targets), guards, now)
    room = guardrails.room(planned, wanted, guards, now)
    wishes = STAGE.ground.wishes
    ceiling = wanted.total or total([t.budget.amount for t in planned.targets], wanted.currency)
    amounts = [_wish(planned, room, held, k, wishes[k % len(wishes)]) for k in range(len(planned.targets))]
    amounts = [fixed.get(t.key, amount) for t, amount in zip(planned.targets, amounts, strict=True)]
    amounts = _within(planned, amounts, ceiling, set(fixed))
    lines = tuple(
        Line(t.key, t.budget.name, t.channel, t.budget.amount, amount, t.budget.etag, _GAIN, (), _PROOF, "wished for")
        for t, amount in zip(planned.targets, amounts, strict=True)
    )
    return Decision(
        as_of=seen.today, currency=wanted.currency, time_zone="Asia/Tokyo", objective=Objective.CONVERSIONS,
        unit="conversions a day", lines=lines, total=_GAIN, expected_now=10.0, expected_then=11.0,
        findings=guardrails.portfolio_findings(planned, held), arms=(),
        envelopes=goals.envelopes(wanted, planned.targets, ceiling), bindings=(), promises=(), certificate=None,
        model_version="wish", guardrail_version="g", goals_digest="0", input_digest="1",
        ads=_switch(planned) if STAGE.ground.wishes_ads and not all(held) and not around.observes else (),
    )  # fmt: skip


def _wish(planned: Snapshot, room: Any, held: Sequence[Any], k: int, wish: float) -> Money:
    budget = planned.targets[k].budget
    if held[k] is not None:
        return budget.amount
    now = budget.amount.micros / 1e6
    wanted = now + wish * (room.upper[k] - now if wish > 0 else now - room.lower[k])
    return Money.of(int(wanted if wish > 0 else -(-wanted // 1)), "JPY")


def _within(planned: Snapshot, amounts: list[Money], ceiling: Money, fixed: set[Any]) -> list[Money]:
    """Take raises back until the total holds."""
    most = max(ceiling.micros, sum(t.budget.amount.micros for t in planned.targets))
    found = list(amounts)
    for k, target in enumerate(planned.targets):
        over = sum(amount.micros for amount in found) - most
        if over > 0 and found[k] > target.budget.amount and target.key not in fixed:
            found[k] = max(target.budget.amount, Money(found[k].micros - over, "JPY"))
    return found


def _switch(planned: Snapshot) -> tuple[AdLine, ...]:
    """Pause an ad of the first budget of which three run; else resume one of ours."""
    ours = {switch.key for switch in planned.switches if switch.after is EntityStatus.PAUSED}
    by_budget = crews([t.budget for t in planned.targets], planned.ads)
    for key, crew in sorted(by_budget.items()):
        runs = running(crew)
        for ad in sorted(crew, key=lambda ad: ad.key):
            pauses = ad.status is EntityStatus.ACTIVE and len(runs) >= 3
            if pauses or (ad.status is EntityStatus.PAUSED and ad.key in ours and len(runs) < 3):
                then = EntityStatus.PAUSED if pauses else EntityStatus.ACTIVE
                return (
                    AdLine(ad.key, key, ad.name, ad.status, then, ad.etag, Money(0, "JPY"), 0.2, 0.1, 0.01, len(runs),
                           min(2, len(runs)), None, _PROOF, "wished for"),
                )  # fmt: skip
    return ()
