"""Appraisals check themselves, and find the nearest estimate."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from optimizer.plan.appraisal import Appraisal, Estimate, Subject

OWN = Estimate("search", 0.5, 0.1, campaign="brand")
CHANNEL = Estimate("search", 0.9, 0.2)
CREDIT = Appraisal(Subject.CREDIT, "markov-1/1", datetime(2026, 1, 1, tzinfo=UTC), "a" * 64, "", (CHANNEL, OWN))


def test_a_campaigns_own_estimate_goes_before_its_channels() -> None:
    assert CREDIT.of("search", "brand") is OWN
    assert CREDIT.of("search", "generic") is CHANNEL
    assert CREDIT.of("social", "brand") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"made_at": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))}, "must be in UTC"),
        ({"evidence": "a"}, "is no digest"),
        ({"currency": "EUR"}, "has no currency"),
        ({"subject": Subject.CUSTOMER, "currency": "XXQ"}, "XXQ"),
        ({"estimates": (OWN, OWN)}, "named twice"),
        ({"estimates": ()}, "estimates nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(CREDIT, **change)


@pytest.mark.parametrize(("mean", "log_sd"), [(0.0, 0.1), (float("nan"), 0.1), (1.0, -0.1), (1.0, float("inf"))])
def test_figures_are_finite_and_in_their_range(mean: float, log_sd: float) -> None:
    with pytest.raises(ValueError, match="the estimate of 'search'"):
        Estimate("search", mean, log_sd)
