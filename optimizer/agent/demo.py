"""The whole loop on a simulated market, through the same store, cycle and connector contract as any other.

The market is one more connector; what only a simulator can do (let days pass, tell the truth afterwards) is done
here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from connectors.errors import AskMarketer
from connectors.money import Money
from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent.bootstrap import open_house
from optimizer.agent.breaker import Guarded
from optimizer.agent.clock import SetClock
from optimizer.agent.cycle import House
from optimizer.plan.record import Record, State
from simulations.oracle.regret import Comparison
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import named

WEEKS_AFTER: Final = 2
_ACTOR: Final = "demo"
_NAME: Final = "market"
_SCENARIO: Final = "demo"
_WINDOW_DAYS: Final = 14  # how far back each morning's reading goes, as against a restating platform
_MINUTES_TO_SETTLE: Final = timedelta(minutes=10)

Tell = Callable[[str, float], None]
"""Told what is being done, and the share of the demo that is behind."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What the demo did and what came of it.

    Attributes:
        first: The first recommendation as it was proposed.
        written: The same after it was approved, applied and read back.
        applied: How many recommendations were applied and verified, the first included.
        comparison: The days after the first plan, by the market's own truth.
        unit: What is counted, in words.
    """

    first: Record
    written: Record
    applied: int
    comparison: Comparison
    unit: str


def prepare(folder: Path, seed: int) -> Path:
    """Write the demo's config.toml into a folder.

    Returns:
        The file.

    Raises:
        AskMarketer: There is one already, or the folder cannot be written.
    """
    scenario = named(_SCENARIO)
    text = (
        f'[portfolio]\nname = "demo"\ncurrency = "{scenario.currency}"\ntime_zone = "{scenario.time_zone}"\n\n'
        f'[connectors.{_NAME}]\nkind = "simulated"\nscenario = "{_SCENARIO}"\nseed = {seed}\n'
        'state_file = "market.json"\n'
    )
    path = folder / "config.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise AskMarketer(f"{path} exists already", mend="name a new folder.") from None
    except OSError as error:
        raise AskMarketer(f"{path} cannot be written: {error.strerror}", mend="name another folder.") from None
    return path


def play(config: Path, tell: Tell) -> Outcome:
    """Run the demo on a prepared folder: two months of history, a first plan, then two weeks of daily plans."""
    clock = SetClock(datetime(1970, 1, 1, tzinfo=UTC))  # until the market tells its own time
    with open_house(config, clock) as house:
        connector = house.connectors[_NAME]
        market = connector.inner if isinstance(connector, Guarded) else connector
        if not isinstance(market, SimulatedConnector):
            raise TypeError(f"the demo needs a simulated market, not a {type(market).__name__}")
        clock.at = market.now
        _history(house, market, tell)
        since = market.today
        first = cycle.plan(house, since, seed=0)
        written = _carry_out(house, clock, first)
        applied = int(written.state is State.VERIFIED)
        days = 7 * WEEKS_AFTER
        for day in range(1, days + 1):
            tell(f"day {day} of {days}", 0.4 + 0.6 * day / days)
            applied += _another_day(house, clock, market, seed=day, last=day == days)
        comparison = market.compare(since, market.today - timedelta(days=1), total=house_total(first))
    return Outcome(first, written, applied, comparison, first.recommendation.decision.unit)


def house_total(record: Record) -> float:
    """What all budgets of a recommendation's base were together, currency units a day."""
    return sum(line.current.micros for line in record.recommendation.decision.lines) / 1e6


def _history(house: House, market: SimulatedConnector, tell: Tell) -> None:
    """Read the past morning by morning, so that the store knows how conversions come in late."""
    house.store.note_entities(market.entities())
    for number, reading in enumerate(market.readings(_WINDOW_DAYS)):
        tell(f"reading the morning of {reading.morning:%Y-%m-%d}", 0.4 * min(number / 60, 1.0))
        house.store.ingest(reading.rows)
    house.store.note_budgets(_NAME, market.budgets(), market.now)
    house.store.note_ads(_NAME, market.ads(), market.now)


def _another_day(house: House, clock: SetClock, market: SimulatedConnector, *, seed: int, last: bool) -> int:
    """Let a day pass, read what it brought, and unless it is the last, plan and write; 1 if something was written."""
    market.advance()
    clock.at = market.now
    cycle.pull(house, market.today, days=_WINDOW_DAYS)
    if last:
        return 0
    record = cycle.plan(house, market.today, seed=seed)
    return int(_carry_out(house, clock, record).state is State.VERIFIED)


def _carry_out(house: House, clock: SetClock, record: Record) -> Record:
    if record.state is not State.PROPOSED:
        return record
    recommendation = record.recommendation
    cycle.settle(house, recommendation.rec_id, approval.Approve(_ACTOR, recommendation.plan_hash))
    writing.apply(house, recommendation.rec_id)
    clock.at += _MINUTES_TO_SETTLE
    return writing.verify(house, recommendation.rec_id)


def gain(comparison: Comparison) -> float:
    """Expected gain over doing nothing, as a share of what doing nothing brought."""
    return float(comparison.actual.sum() / comparison.unchanged.sum() - 1.0)


def spend(comparison: Comparison, currency: str) -> tuple[Money, Money]:
    """Expected spend of what was done, and of doing nothing."""
    done, left = float(comparison.spend.sum()), float(comparison.spend_unchanged.sum())
    return Money.of(f"{done:.2f}", currency), Money.of(f"{left:.2f}", currency)
