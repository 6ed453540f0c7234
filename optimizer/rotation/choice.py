"""Which ads of one budget to switch. Pure rules over what each deserves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.contract import AdKey, AdState, EntityStatus
from optimizer.plan.recommendation import ArmShare
from optimizer.rotation.limits import Rotation


@dataclass(frozen=True, slots=True)
class Member:
    """An ad of a budget with what is believed of it.

    Attributes:
        arm: What it deserves; None where nothing is known of it.
        free: Whether neither a pin nor a cool-down nor an experiment holds it.
        ours: Whether we were the last to pause it.
    """

    state: AdState
    arm: ArmShare | None
    free: bool
    ours: bool

    @property
    def key(self) -> AdKey:
        """The ad."""
        return self.state.key

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self.state.status is EntityStatus.ACTIVE

    @property
    def share(self) -> float:
        """What it deserves; 0 where nothing is known."""
        return 0.0 if self.arm is None else self.arm.share

    @property
    def rate(self) -> float:
        """What it is believed to bring, in the unit of its metric; 0 where nothing is known."""
        return 0.0 if self.arm is None else self.arm.rate


def switches(crew: Sequence[Member], left: int, rotation: Rotation) -> list[Member]:
    """Choose the ads of one budget to be switched, resumes first.

    A budget of which nothing runs was switched off by somebody, and stays so. A free place is filled, a weak ad is
    exchanged for a paused one that deserves more, or else paused if enough run. One that is worn is exchanged only.

    Args:
        crew: The ads of the budget.
        left: How many switches the day leaves.
        rotation: The limits.
    """
    running = sum(ad.runs for ad in crew)
    weak, waiting = _weak(crew, rotation), _waiting(crew)
    chosen: list[Member] = []
    while waiting and left > 0 and 0 < running < rotation.keep_running:
        chosen.append(waiting.pop(0))
        running, left = running + 1, left - 1
    spare, worn = _better(waiting, crew, rotation), _worn(crew, weak)
    while left > 0 and running:
        tired = next((ad for ad in (*weak, *worn) if spare and ad.share < spare[0].share), None)
        if tired is not None and left >= 2:
            chosen += [spare.pop(0), tired]
            left -= 2
        elif weak and running > rotation.keep_running:
            tired = weak[0]
            chosen.append(tired)
            running, left = running - 1, left - 1
        else:
            break
        weak, worn = ([ad for ad in ads if ad is not tired] for ads in (weak, worn))
    return sorted(chosen, key=lambda ad: (ad.runs, ad.key))


def _weak(crew: Sequence[Member], rotation: Rotation) -> list[Member]:
    """Running ads that deserve too little, on enough evidence, the one that brings least first."""
    running = [ad for ad in crew if ad.runs and ad.arm is not None]
    equal = sum(ad.share for ad in running) / max(len(running), 1)
    found = [
        ad
        for ad in running
        if ad.free
        and ad.arm is not None
        and ad.arm.enough
        and ad.share < rotation.pause_below * equal
        and ad.arm.p_best < rotation.pause_p_best
    ]
    return sorted(found, key=lambda ad: (ad.rate, ad.key))


def _worn(crew: Sequence[Member], weak: Sequence[Member]) -> list[Member]:
    """The other running ads that are past their peak, the least deserving first."""
    found = [ad for ad in crew if ad.runs and ad.free and ad not in weak and ad.arm is not None and ad.arm.worn]
    return sorted(found, key=lambda ad: (ad.share, ad.key))


def _waiting(crew: Sequence[Member]) -> list[Member]:
    """Ads that we paused, with enough evidence of what they bring, the most deserving first."""
    found = [ad for ad in crew if not ad.runs and ad.ours and ad.free and ad.arm is not None and ad.arm.enough]
    return sorted(found, key=lambda ad: (-ad.share, ad.key))


def _better(waiting: Sequence[Member], crew: Sequence[Member], rotation: Rotation) -> list[Member]:
    """Those of them that deserve more than the worst that runs, and enough to take another's place."""
    judged = [ad for ad in crew if ad.arm is not None]
    equal = sum(ad.share for ad in judged) / max(len(judged), 1)
    worst = min((ad.share for ad in judged if ad.runs), default=math.inf)
    return [ad for ad in waiting if ad.share > worst and ad.share >= rotation.resume_above * equal]
