"""The written limits of switching ads, and the pins that hold an ad."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import date

from connectors.contract import AdKey
from optimizer.goals import Goals
from optimizer.plan.snapshot import Target


@dataclass(frozen=True, slots=True)
class Rotation:
    """The written limits of switching ads.

    Attributes:
        max_changes: Most switches of one budget's ads over any 24 hours; an exchange is two. 0 proposes none.
        pause_below: An ad that deserves less than this part of an equal share may be paused.
        pause_p_best: ... if it is the best of its budget with less than this probability.
        keep_running: Ads of one budget that go on running where there are so many; never less than one.
        resume_above: A paused ad takes the place of another only if it deserves at least this part of an equal share.
        cool_down_hours: An ad that we switched is left alone for so long.

    Raises:
        ValueError: A limit is out of its range.
    """

    max_changes: int = 2
    pause_below: float = 0.75
    pause_p_best: float = 0.05
    keep_running: int = 2
    resume_above: float = 1.0
    cool_down_hours: float = 72.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{item.name} must be a finite number of at least 0, not {value!r}")
        for name in ("pause_below", "pause_p_best"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is a share: it must lie between 0 and 1, not {getattr(self, name)!r}")
        if self.keep_running < 1:
            raise ValueError(f"keep_running must be at least 1, not {self.keep_running!r}: a budget never goes dark")
        if self.resume_above <= self.pause_below:
            raise ValueError("resume_above must be above pause_below, or an ad would be paused and resumed in turn")

    @property
    def off(self) -> bool:
        """Whether no switch is ever proposed."""
        return self.max_changes == 0


def protection(goals: Goals, target: Target | None, ad: AdKey, name: str, day: date) -> str | None:
    """Say which pin keeps an ad from being switched on a day, or None; a pin on its budget does.

    Args:
        goals: Where the pins stand.
        target: The budget that it draws on; None if that is not among the planned ones any more.
        ad: The ad.
        name: Its name, by which a pin may name it.
        day: The day that is planned, or today.
    """
    for pin in goals.pins:
        if pin.holds(day) and (pin.scope.names(ad, name) or (target is not None and pin.scope.covers(target))):
            return pin.words
    return None
