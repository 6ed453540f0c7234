"""What is kept of one policy's way through one world, and of the clairvoyant's; as text, the same bytes every time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np

from simulations.noise import FloatArray, IntArray
from simulations.oracle import Goal

_VERSION: Final = 1


class BadTrace(ValueError):  # noqa: N818 - it is the trace that is bad
    """A text is not a trace of this format."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A limit that a proposal did not keep to.

    Attributes:
        day: Index of the comparison's day, from 0.
        kind: `total`, `lower`, `upper`, `step` or `not-finite`.
        size: By how many currency units, over all campaigns; for `not-finite` how many campaigns.
    """

    day: int
    kind: str
    size: float


@dataclass(frozen=True, slots=True)
class Place:
    """Which world and which days a trace is of.

    Attributes:
        scenario, digest: Name and digest of the scenario.
        seed: Of the world.
        start: The date of the world's day 0, where its history begins.
        first: Index of the first day of the comparison: the days before are history.
        days: T, how many days are compared.
        goal: What is counted.
    """

    scenario: str
    digest: str
    seed: int
    start: date
    first: int
    days: int
    goal: Goal


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One policy's way through one world: K campaigns, T days.

    Attributes:
        policy: Its name.
        place: See `Place`.
        budgets: As they were in force, micros, shape (T, K).
        spend: Charged on each day, micros, shape (T,).
        expected: What the budgets bring in expectation, in the goal's unit, shape (T,).
        incremental: The part of it that would not have come anyway, shape (T,); equal to `expected` under an
            incremental goal.
        realised: What came of each day under the world's noise once all was reported, lost conversions included and
            returns taken off, in the goal's unit, shape (T,).
        violations: In the order of days.
        covered: How many of the stated 90% intervals held the eventual conversions of their campaign, shape (T,).
        stated: How many were stated, shape (T,).
        why: The policy's own words, one sentence a day, length T.
    """

    policy: str
    place: Place
    budgets: IntArray
    spend: IntArray
    expected: FloatArray
    incremental: FloatArray
    realised: FloatArray
    violations: tuple[Violation, ...]
    covered: IntArray
    stated: IntArray
    why: tuple[str, ...]

    def __post_init__(self) -> None:
        by_day = (self.spend, self.expected, self.incremental, self.realised, self.covered, self.stated)
        _require_days(self.place, self.budgets, by_day)
        if len(self.why) != self.place.days:
            raise BadTrace(f"{len(self.why)} reasons for {self.place.days} days")


@dataclass(frozen=True, slots=True, eq=False)
class OracleTrace:
    """The clairvoyant's way through one world.

    Attributes:
        place: See `Place`.
        budgets: Micros, rounded to whole ones, shape (T, K).
        best: What they bring in expectation, in the goal's unit, shape (T,).
        bound: No budgets within the limits bring more, shape (T,).
    """

    place: Place
    budgets: IntArray
    best: FloatArray
    bound: FloatArray

    def __post_init__(self) -> None:
        _require_days(self.place, self.budgets, (self.best, self.bound))


def trace_text(trace: Trace) -> str:
    """Return a trace as canonical JSON: the same trace gives the same bytes in every process."""
    return canonical(
        {
            "version": _VERSION,
            "policy": trace.policy,
            **_place_fields(trace.place),
            "budgets": trace.budgets.tolist(),
            "spend": trace.spend.tolist(),
            "expected": trace.expected.tolist(),
            "incremental": trace.incremental.tolist(),
            "realised": trace.realised.tolist(),
            "violations": [[v.day, v.kind, v.size] for v in trace.violations],
            "covered": trace.covered.tolist(),
            "stated": trace.stated.tolist(),
            "why": list(trace.why),
        }
    )


def oracle_text(trace: OracleTrace) -> str:
    """Return the clairvoyant's trace as canonical JSON."""
    return canonical(
        {
            "version": _VERSION,
            **_place_fields(trace.place),
            "budgets": trace.budgets.tolist(),
            "best": trace.best.tolist(),
            "bound": trace.bound.tolist(),
        }
    )


def read_trace(text: str) -> Trace:
    """Return the trace that `trace_text` wrote.

    Raises:
        BadTrace: The text is not one.
    """
    found = _parsed(text)
    try:
        return Trace(
            policy=str(found["policy"]),
            place=_place(found),
            budgets=_whole(found, "budgets"),
            spend=_whole(found, "spend"),
            expected=_real(found, "expected"),
            incremental=_real(found, "incremental"),
            realised=_real(found, "realised"),
            violations=tuple(Violation(int(day), str(kind), float(size)) for day, kind, size in found["violations"]),
            covered=_whole(found, "covered"),
            stated=_whole(found, "stated"),
            why=tuple(str(line) for line in found["why"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _not_a_trace(error) from None


def read_oracle(text: str) -> OracleTrace:
    """Return the clairvoyant's trace that `oracle_text` wrote.

    Raises:
        BadTrace: The text is not one.
    """
    found = _parsed(text)
    try:
        return OracleTrace(
            place=_place(found),
            budgets=_whole(found, "budgets"),
            best=_real(found, "best"),
            bound=_real(found, "bound"),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _not_a_trace(error) from None


def canonical(fields: Mapping[str, object]) -> str:
    """Return JSON with sorted keys, no spare spaces, shortest exact numbers, and a newline at the end.

    Raises:
        ValueError: A number is not finite.
    """
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False) + "\n"


def _place_fields(place: Place) -> dict[str, object]:
    return {
        "scenario": place.scenario,
        "digest": place.digest,
        "seed": place.seed,
        "start": place.start.isoformat(),
        "first": place.first,
        "days": place.days,
        "goal": place.goal,
    }


def _place(found: Mapping[str, Any]) -> Place:
    return Place(
        scenario=str(found["scenario"]),
        digest=str(found["digest"]),
        seed=int(found["seed"]),
        start=date.fromisoformat(found["start"]),
        first=int(found["first"]),
        days=int(found["days"]),
        goal=found["goal"],
    )


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _not_a_trace(error) from None
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        raise BadTrace(f"this is not a trace of version {_VERSION}")
    return found


def _not_a_trace(error: Exception) -> BadTrace:
    return BadTrace(f"this is not a whole trace ({type(error).__name__}: {error})")


def _whole(found: Mapping[str, Any], name: str) -> IntArray:
    array = np.array(found[name])
    if array.dtype != np.int64:
        raise BadTrace(f"{name} must be whole numbers")
    return array


def _real(found: Mapping[str, Any], name: str) -> FloatArray:
    array: FloatArray = np.array(found[name], dtype=np.float64)
    return array


def _require_days(place: Place, budgets: IntArray, by_day: tuple[FloatArray | IntArray, ...]) -> None:
    if budgets.ndim != 2 or len(budgets) != place.days:
        raise BadTrace(f"budgets of shape {budgets.shape} are not those of {place.days} days")
    if any(measure.shape != (place.days,) for measure in by_day):
        raise BadTrace(f"every measure must hold {place.days} days")
