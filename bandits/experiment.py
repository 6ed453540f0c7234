"""What is promised before an experiment begins: its arms, its measures, its errors and its end, as one value.

The value never changes. Its hash is written down when it is registered, so that what is read off later is read off by
the rules that stood before the first row; whoever wants other rules registers another experiment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import chain
from math import isclose, isfinite, log1p
from typing import Any, Final

VERSION: Final = 1
EARLY: Final = 0.2
"""Part of the error rate that all looks before the last one share; the rest is that of the last look."""

_LONGEST_NAME: Final = 80
_LONGEST_DAYS: Final = 730


class Metric(StrEnum):
    """What an experiment may be about; more is better in each."""

    CTR = "ctr"
    CONVERSION_RATE = "conversion-rate"
    CONVERSIONS = "conversions-per-impression"
    REVENUE = "revenue-per-impression"

    @property
    def exposure(self) -> str:
        """The measure that it is counted against: `impressions` or `clicks`."""
        return "clicks" if self is Metric.CONVERSION_RATE else "impressions"

    @property
    def success(self) -> str:
        """The measure that is counted: `clicks`, `conversions` or `value`."""
        return {Metric.CTR: "clicks", Metric.REVENUE: "value"}.get(self, "conversions")


class Kind(StrEnum):
    """What the arms are."""

    AD = "ad"
    CREATIVE = "creative"
    AUDIENCE = "audience"


@dataclass(frozen=True, slots=True)
class Share:
    """One arm with the share of the impressions that it is to have.

    Attributes:
        arm: Id of an ad, a creative or an audience.
        share: In (0, 1); those of an experiment sum to 1.
    """

    arm: str
    share: float


@dataclass(frozen=True, slots=True)
class Guard:
    """A measure that must not suffer.

    Attributes:
        metric: Another one than that of the experiment.
        worst_loss: The largest relative loss against the control that is tolerated, in (0, 1).
    """

    metric: Metric
    worst_loss: float


@dataclass(frozen=True, slots=True)
class Experiment:
    """A pre-registered comparison of arms with a control.

    Attributes:
        name: For people; unique among those that run.
        targets: The budgets whose rows count, as `connector/account/budget`, one or more.
        kind: What the arms are.
        arms: Two or more, with the split.
        control: The arm that the others are compared with.
        metric: What decides.
        minimum_effect: The least relative lift worth a change, > 0.
        first_day, last_day: Rows of other days do not count.
        guards: At most one a metric.
        holdout: Share that the control keeps in any case, at most its share of the split.
        error_rate: Of calling any arm different that is not, over all looks together, in (0, .5).
        power: Of finding the minimum effect, for the planning of its length, in (.5, 1).
        least_days: No verdict before so many days had rows; by default a week, since weekdays differ.
        settle_days: The last look is taken so many days after the last day, when conversions have come in.
        planned: Exposure of all arms that it was planned for, > 0; None where only days were planned.

    Raises:
        ValueError: Something is not as above; the message names the field and the mend.
    """

    name: str
    targets: tuple[str, ...]
    kind: Kind
    arms: tuple[Share, ...]
    control: str
    metric: Metric
    minimum_effect: float
    first_day: date
    last_day: date
    guards: tuple[Guard, ...] = ()
    holdout: float = 0.0
    error_rate: float = 0.05
    power: float = 0.8
    least_days: int = 7
    settle_days: int = 7
    planned: int | None = None

    def __post_init__(self) -> None:
        for problem in chain(_names(self), _split(self), _measures(self), _days(self)):
            raise ValueError(f"experiment {self.name!r}: {problem}")

    @property
    def ids(self) -> tuple[str, ...]:
        """The arms' ids, in their order."""
        return tuple(each.arm for each in self.arms)

    @property
    def control_place(self) -> int:
        """Index of the control among the arms."""
        return self.ids.index(self.control)

    @property
    def days(self) -> int:
        """How many days it lasts."""
        return (self.last_day - self.first_day).days + 1

    @property
    def last_look(self) -> date:
        """The day at whose beginning the last look is taken."""
        return self.last_day + timedelta(days=self.settle_days + 1)

    @property
    def scale(self) -> float:
        """The log rate ratio that the stopping rule is most sensitive to."""
        return log1p(self.minimum_effect)

    def to_json(self) -> str:
        """Return it as canonical JSON: the same bytes for the same experiment."""
        return json.dumps(_plain(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    def digest(self) -> str:
        """SHA-256 of `to_json`, 64 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> Experiment:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is no experiment, or of another version.
        """
        try:
            plain = json.loads(text)
            version = plain.pop("version")
        except (ValueError, KeyError, AttributeError, TypeError):
            raise ValueError("an experiment must be a JSON object with a version") from None
        if version != VERSION:
            raise ValueError(f"this experiment has version {version!r}; only version {VERSION} can be read")
        try:
            return cls(**_values(plain))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this experiment lacks a field or has one too many: {error}") from None


def _names(of: Experiment) -> Iterable[str]:
    if not of.name.strip() or len(of.name) > _LONGEST_NAME or not of.name.isprintable():
        yield f"name must be 1 to {_LONGEST_NAME} printable characters"
    if not of.targets or len(set(of.targets)) < len(of.targets) or not all(of.targets):
        yield "targets must name each budget once, one or more; write connector/account/budget"
    if len(of.arms) < 2:
        yield f"arms must be two or more, not {len(of.arms)}; name what is compared, the control among it"
    twice = sorted({arm for arm in of.ids if of.ids.count(arm) > 1})
    if twice or not all(of.ids):
        yield f"arms must have different ids; {', '.join(twice) or 'the empty one'} does not"
    if of.control not in of.ids:
        yield f"control {of.control!r} is none of the arms; write one of {', '.join(of.ids)}"


def _split(of: Experiment) -> Iterable[str]:
    for each in of.arms:
        if not 0 < each.share < 1:
            yield f"share of {each.arm!r} must be above 0 and below 1, not {each.share:g}"
    total = sum(each.share for each in of.arms)
    if not isclose(total, 1.0, abs_tol=1e-6):
        yield f"shares must sum to 1, not to {total:g}"
    own = of.arms[of.control_place].share
    if not 0 <= of.holdout <= own + 1e-12:
        yield f"holdout must be between 0 and the control's share of {own:g}, not {of.holdout:g}"


def _measures(of: Experiment) -> Iterable[str]:
    if not (isfinite(of.minimum_effect) and of.minimum_effect > 0):
        yield f"minimum_effect must be a relative lift above 0, such as 0.1, not {of.minimum_effect:g}"
    if not 0 < of.error_rate < 0.5:
        yield f"error_rate must be above 0 and below 0.5, not {of.error_rate:g}"
    if not 0.5 < of.power < 1:
        yield f"power must be above 0.5 and below 1, not {of.power:g}"
    watched = [guard.metric for guard in of.guards]
    if len(set(watched)) < len(watched) or of.metric in watched:
        yield f"guards must each be of another metric, and none of {of.metric.value}"
    for guard in of.guards:
        if not 0 < guard.worst_loss < 1:
            yield f"worst loss of {guard.metric.value} must be above 0 and below 1, not {guard.worst_loss:g}"
    if of.planned is not None and of.planned < 1:
        yield f"planned must be an exposure of at least 1, not {of.planned}"


def _days(of: Experiment) -> Iterable[str]:
    if of.least_days < 1 or not 0 <= of.settle_days <= _LONGEST_DAYS:
        yield f"least_days must be at least 1 and settle_days at least 0 and at most {_LONGEST_DAYS}"
    if not max(2, of.least_days) <= of.days <= _LONGEST_DAYS:
        yield (
            f"it lasts from {of.first_day} to {of.last_day}, {of.days} days; it must last {max(2, of.least_days)} "
            f"(least_days) to {_LONGEST_DAYS}"
        )


def _plain(of: Experiment) -> dict[str, Any]:
    return {
        "version": VERSION,
        "name": of.name,
        "targets": list(of.targets),
        "kind": of.kind.value,
        "arms": [[each.arm, float(each.share)] for each in of.arms],
        "control": of.control,
        "metric": of.metric.value,
        "minimum_effect": float(of.minimum_effect),
        "first_day": of.first_day.isoformat(),
        "last_day": of.last_day.isoformat(),
        "guards": [[guard.metric.value, float(guard.worst_loss)] for guard in of.guards],
        "holdout": float(of.holdout),
        "error_rate": float(of.error_rate),
        "power": float(of.power),
        "least_days": of.least_days,
        "settle_days": of.settle_days,
        "planned": of.planned,
    }


def _values(plain: dict[str, Any]) -> dict[str, Any]:
    return plain | {
        "targets": tuple(plain["targets"]),
        "kind": Kind(plain["kind"]),
        "arms": tuple(Share(*each) for each in plain["arms"]),
        "metric": Metric(plain["metric"]),
        "first_day": date.fromisoformat(plain["first_day"]),
        "last_day": date.fromisoformat(plain["last_day"]),
        "guards": tuple(Guard(Metric(metric), loss) for metric, loss in plain["guards"]),
    }
