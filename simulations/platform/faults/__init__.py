"""Things that go wrong on real platforms, as wrappers around any connector; they compose.

    TimesOutAfterCommit(Throttled(platform, on_calls(2)), on_calls(1))

Each takes the schedule of its calls: which of them, counted from 1, it spoils. All other calls pass through. The
outermost wrapper meets a call first; one that turns the call away keeps it from those inside, which do not count it.
"""

from simulations.platform.faults.calls import Delayed, Throttled, TokenExpired
from simulations.platform.faults.reads import OutOfOrder, PartialPull, StaleAds, StaleBudgets, StaleRows
from simulations.platform.faults.schedules import Schedule, always, on_calls, with_chance
from simulations.platform.faults.wrapper import Wrapper
from simulations.platform.faults.writes import (
    EditedBehind,
    NotApplied,
    PartialSet,
    Refuses,
    TimesOutAfterCommit,
    TimesOutBeforeCommit,
)

__all__ = [
    "Delayed",
    "EditedBehind",
    "NotApplied",
    "OutOfOrder",
    "PartialPull",
    "PartialSet",
    "Refuses",
    "Schedule",
    "StaleAds",
    "StaleBudgets",
    "StaleRows",
    "Throttled",
    "TimesOutAfterCommit",
    "TimesOutBeforeCommit",
    "TokenExpired",
    "Wrapper",
    "always",
    "on_calls",
    "with_chance",
]
