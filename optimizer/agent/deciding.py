"""A decision with all that the settings say of it: the one place where they meet, now or when it is made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import numpy as np

from connectors.contract import BudgetKey
from connectors.money import Money
from optimizer.goals import Goals, GoalsError
from optimizer.guardrails import Guardrails
from optimizer.plan.calendar import Occasion
from optimizer.plan.canonical import from_json, to_json
from optimizer.plan.recommendation import Decision, Finding, Severity
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import Call
from optimizer.rotation import Rotation

_OBSERVED: Final = Finding(
    "observing", Severity.BLOCK, "portfolio", "The agent only observes: nothing is proposed.",
    'Set [autonomy] mode = "recommend" to let it propose.',
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a decision rests on beside evidence, goals and guardrails; kept with it.

    Attributes:
        rotation: The written limits of switching ads.
        occasions: Known events, past and to come.
        observes: Whether nothing may be proposed at all.
        hold_back: Share of the lines that may move which are left as they are by lot.
        noticed: What the agent noticed of its own forecasts.
    """

    rotation: Rotation = field(default_factory=Rotation)
    occasions: tuple[Occasion, ...] = ()
    observes: bool = False
    hold_back: float = 0.0
    noticed: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """All that a decision is made from: values that can go to another process, and no way to a platform or a store.

    Attributes:
        seen: The evidence, with or without events.
        wanted: The goals.
        guards: The guardrails.
        around: Everything else that the settings say.
        now: Aware UTC.
        seed: Of the generator.
    """

    seen: Snapshot
    wanted: Goals
    guards: Guardrails
    around: Surroundings
    now: datetime
    seed: int


def answer(request: Request) -> tuple[str, str]:
    """Decide, and return what comes back of a worker: the decision as canonical JSON, or why the goals cannot hold."""
    try:
        made = decided(request.seen, request.wanted, request.guards, request.around, request.now, request.seed, {})
    except GoalsError as error:
        return "", str(error)
    return to_json(made), ""


def asked(call: Call, request: Request) -> Decision:
    """Have a decision made wherever calls are made.

    Raises:
        GoalsError: The goals cannot hold with these budgets.
        CallRaised, CallLost: It was not made.
    """
    made, refused = call(answer, request)
    if refused:
        raise GoalsError(refused)
    return from_json(Decision, made)


def decided(
    seen: Snapshot,
    wanted: Goals,
    guards: Guardrails,
    around: Surroundings,
    now: datetime,
    seed: int,
    fixed: Mapping[BudgetKey, Money],
) -> Decision:
    """Decide; see `optimizer.decide.decide`.

    Args:
        seen: The evidence, with or without events.
        wanted: The goals.
        guards: The guardrails.
        around: Everything else that the settings say.
        now: Aware UTC.
        seed: Of the generator.
        fixed: Lines that a person set.

    Raises:
        GoalsError: A fixed amount breaks a limit of its line, or names no budget.
    """
    # Loaded here: an agent that was started anew first writes what was approved, and what learns takes long to load.
    from optimizer.decide import decide  # noqa: PLC0415

    known = replace(seen, occasions=around.occasions)
    rng = np.random.default_rng(seed)
    # What a person edits is no lot any more.
    hold_back = 0.0 if fixed else around.hold_back
    decision = decide(known, wanted, guards, now, rng, fixed=fixed, rotation=around.rotation, hold_back=hold_back)
    noticed = (*around.noticed, _OBSERVED) if around.observes else around.noticed
    return replace(decision, findings=(*decision.findings, *noticed)) if noticed else decision
