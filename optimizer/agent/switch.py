"""The kill switch: it stops writes, for a while or until somebody lets them go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from optimizer.agent.watching import clock_stands
from optimizer.guardrails import Guardrails
from optimizer.plan.office import Brake, pause_until
from optimizer.ports import Store


def throw(store: Store, brake: Brake, hours: float | None = None) -> Brake:
    """Stop writes, or let them go on; return the throw that was kept.

    Args:
        store: Whose writes.
        brake: Who says so, when and why; without an end.
        hours: How long a stop lasts, from its time or from the history's last entry where that is later, since the
            clock of whoever stops them may be behind the agent's; None until somebody lets writes go on.

    Raises:
        ValueError: The length is none.
        StateConflict: A stop for a while would end one that lasts longer.
    """
    if hours is not None:
        brake = replace(brake, until=pause_until(max(brake.at, store.last_written() or brake.at), hours))
    store.throw_brake(brake)
    return brake


def lift(store: Store, guards: Guardrails, now: datetime) -> Brake | None:
    """Let writes go on where a stop's time has passed; return the throw that says so, None where none is due.

    Args:
        store: Whose writes.
        guards: How far clocks may differ.
        now: Aware UTC.

    Raises:
        ClockWentBack: The clock says an earlier time than what was written last, so that it tells nothing of an end.
    """
    brake = store.brake()
    if brake is None or not brake.is_over(now):
        return None
    clock_stands(store, guards, now)
    return store.lift_brake(now)
