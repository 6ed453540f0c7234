"""A store with named points before and after what it commits, at which a test may end, stop or disturb the process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from optimizer.plan.record import Event, Intent, Transition
from optimizer.ports import Store


class TrappedStore:
    """The store, with points; the code under test has none."""

    def __init__(self, inner: Store, at: Callable[[str], None]) -> None:
        self._inner, self._at = inner, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def take_lead(self, holder: str, now: datetime, until: datetime) -> Any:
        lease = self._inner.take_lead(holder, now, until)
        if lease is not None:
            self._at("lead:after")
        return lease

    def commit(self, transitions: Sequence[Transition], epoch: int | None = None) -> None:
        name = transitions[0].event.action if transitions else ""
        self._at(f"{name}:before")
        self._inner.commit(transitions, epoch)
        self._at(f"{name}:after")

    def advance(self, before: Intent, after: Intent, event: Event, epoch: int | None = None) -> None:
        name = f"{before.state.value}-{after.state.value}"
        self._at(f"{name}:before")
        self._inner.advance(before, after, event, epoch)
        self._at(f"{name}:after")
