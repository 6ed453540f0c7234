"""A past decision made again: from the store as known at its time, with its seed, goals and guardrails.

If all is as it was, the same bytes come out. If not, what differs is named, and where it comes from: another version of
the program, goals or guardrails that cannot be read any more, or evidence that is not what it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from optimizer.agent.cycle import House
from optimizer.agent.deciding import Surroundings, decided
from optimizer.goals import Goals
from optimizer.guardrails import GUARDRAIL_VERSION, Guardrails
from optimizer.plan.basis import Basis
from optimizer.plan.canonical import content_hash, from_json, to_json
from optimizer.plan.recommendation import Recommendation
from optimizer.ports import SnapshotQuery, StoreError
from optimizer.response import MODEL_VERSION

_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Difference:
    """A place at which the second decision is not the first.

    Attributes:
        path: Where in the recommendation, such as `decision.lines[2].proposed.micros`.
        then, now: What stood there, and what stands there now, as JSON; empty where there is nothing.
    """

    path: str
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A recommendation beside the one that is decided today from the same.

    Attributes:
        stored: What was recorded.
        basis: What it was decided from.
        plan_hash: Of the second; equals the first's if every byte does.
        causes: Why they may differ, in sentences; empty where nothing is known to.
        differences: The first places at which they do.
    """

    stored: Recommendation
    basis: Basis
    plan_hash: str
    causes: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """Whether the same bytes came out, and are those that were hashed when it was recorded."""
        return self.plan_hash == self.stored.plan_hash and not self.differences


def recompute(house: House, rec_id: str, revision: int | None = None) -> Recomputed:
    """Decide again what a revision decided, and compare; writes nothing and asks no platform.

    Args:
        house: Its store is read; its goals and guardrails are not used.
        rec_id: A recommendation.
        revision: Its latest by default.

    Raises:
        NotFound: There is none.
        StoreError: Nothing was decided (a rollback), or what it was decided from was not kept or cannot be read.
    """
    stored = house.store.record(rec_id, revision).recommendation
    basis = house.store.basis(rec_id, stored.revision)
    name = f"{rec_id} revision {stored.revision}"
    if basis is None:
        why = (
            f"restores what stood before {stored.parent_id}, and that is not decided"
            if stored.parent_id is not None
            else "is older than what is needed to decide again: its goals and guardrails were not kept"
        )
        raise StoreError(f"{name} {why}; it cannot be recomputed")
    wanted, guards = _read(Goals, basis.goals, name), _read(Guardrails, basis.guards, name)
    around = _read(Surroundings, basis.around, name)
    told = stored.decision
    currency, zone = told.currency, told.time_zone
    query = SnapshotQuery(basis.known_at, told.as_of, basis.days, currency, zone, restated_within=guards.doubt)
    seen = house.store.snapshot(query)
    decision = decided(seen, wanted, guards, around, stored.created_at, stored.seed, dict(stored.fixed))
    again = replace(stored, decision=decision, plan_hash="")
    again = replace(again, plan_hash=content_hash(again))
    found = _differences(json.loads(to_json(stored)), json.loads(to_json(again)))
    differences = tuple(d for _, d in zip(range(_MOST), found, strict=False))
    return Recomputed(stored, basis, again.plan_hash, _causes(house, stored, again), differences)


def _read[T](kind: type[T], text: str, name: str) -> T:
    try:
        return from_json(kind, text)
    except ValueError as error:
        words = f"{name}: its {kind.__name__.lower()} cannot be read by this version"
        raise StoreError(f"{words}. Mend: use the version that made it, or a nearer one") from error


def _causes(house: House, stored: Recommendation, again: Recommendation) -> tuple[str, ...]:
    old, new = stored.decision, again.decision
    found = []
    if stored.code_version != house.code_version:
        found.append(f"It was made by version {stored.code_version}; this is {house.code_version}.")
    for what, then, now in (
        ("The model of the response", old.model_version, MODEL_VERSION),
        ("The guardrails' code", old.guardrail_version, GUARDRAIL_VERSION),
    ):
        if then != now:
            found.append(f"{what} was {then}; it is {now} now.")
    if old.goals_digest != new.goals_digest:
        found.append("The goals that were kept are not those that it names: this version reads them otherwise.")
    if old.input_digest != new.input_digest:
        found.append(
            "The evidence is not what it was: rows, channels or budgets of before were entered later with an earlier "
            "time, or the store was changed by hand (see outlay audit verify)."
        )
    if stored.computed_hash() != stored.plan_hash:
        found.append("What is stored does not have the hash that it was issued with: somebody changed it.")
    return tuple(found)


def _differences(then: Any, now: Any, path: str = "") -> Iterator[Difference]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted({*then, *now}):
            yield from _differences(then.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif isinstance(then, list) and isinstance(now, list):
        for place in range(max(len(then), len(now))):
            old, new = (values[place] if place < len(values) else None for values in (then, now))
            yield from _differences(old, new, f"{path}[{place}]")
    elif then != now:
        yield Difference(path, _shown(then), _shown(now))


def _shown(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
