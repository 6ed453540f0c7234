"""A registration: what it refuses, and that its hash tells every change."""

import json
from dataclasses import fields, replace
from datetime import date, timedelta

import pytest

from bandits.experiment import Experiment, Guard, Kind, Metric, Share

PLAN = Experiment(
    name="headline",
    targets=("ads/1/b1",),
    kind=Kind.AD,
    arms=(Share("a", 0.5), Share("b", 0.3), Share("c", 0.2)),
    control="a",
    metric=Metric.CTR,
    minimum_effect=0.1,
    first_day=date(2026, 3, 2),
    last_day=date(2026, 3, 29),
    guards=(Guard(Metric.CONVERSIONS, 0.1),),
    holdout=0.25,
)
CHANGES = {
    "name": "other",
    "targets": ("ads/1/b1", "ads/1/b2"),
    "kind": Kind.CREATIVE,
    "arms": (Share("a", 0.5), Share("b", 0.2), Share("c", 0.3)),
    "control": "b",
    "metric": Metric.CONVERSION_RATE,
    "minimum_effect": 0.11,
    "first_day": date(2026, 3, 1),
    "last_day": date(2026, 3, 30),
    "guards": (),
    "holdout": 0.2,
    "error_rate": 0.04,
    "power": 0.9,
    "least_days": 8,
    "settle_days": 6,
    "planned": 100_000,
}


def test_it_is_read_back_as_it_was_written():
    assert Experiment.from_json(PLAN.to_json()) == PLAN
    assert Experiment.from_json(PLAN.to_json()).to_json() == PLAN.to_json()
    assert len(PLAN.digest()) == 64


def test_every_change_changes_the_hash():
    assert set(CHANGES) == {item.name for item in fields(Experiment)}
    digests = {replace(PLAN, **{name: value}).digest() for name, value in CHANGES.items()}
    assert len(digests | {PLAN.digest()}) == len(CHANGES) + 1


def test_what_follows_from_it():
    assert (PLAN.ids, PLAN.control_place, PLAN.days) == (("a", "b", "c"), 0, 28)
    assert PLAN.last_look == date(2026, 4, 6)
    assert [(m.success, m.exposure) for m in Metric] == [
        ("clicks", "impressions"), ("conversions", "clicks"), ("conversions", "impressions"), ("value", "impressions"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": " "}, "name must be 1 to 80 printable"),
        ({"name": "a\x1b"}, "printable"),
        ({"targets": ()}, "targets must name"),
        ({"targets": ("x", "x")}, "each budget once"),
        ({"arms": (Share("a", 0.9),)}, "two or more, not 1"),
        ({"arms": (Share("a", 0.5), Share("a", 0.5))}, "different ids; a does not"),
        ({"control": "z"}, "'z' is none of the arms; write one of a, b, c"),
        ({"arms": (Share("a", 0.5), Share("b", 0.4))}, "sum to 1, not to 0.9"),
        ({"arms": (Share("a", 1.0), Share("b", 0.0))}, "above 0 and below 1"),
        ({"holdout": 0.6}, "between 0 and the control's share of 0.5, not 0.6"),
        ({"minimum_effect": 0.0}, "a relative lift above 0"),
        ({"minimum_effect": float("inf")}, "a relative lift above 0"),
        ({"error_rate": 0.5}, "below 0.5"),
        ({"power": 1.0}, "power must be above"),
        ({"guards": (Guard(Metric.CTR, 0.1),)}, "none of ctr"),
        ({"guards": (Guard(Metric.REVENUE, 0.1),) * 2}, "each be of another metric"),
        ({"guards": (Guard(Metric.REVENUE, 1.0),)}, "worst loss of revenue-per-impression"),
        ({"planned": 0}, "at least 1"),
        ({"least_days": 0}, "least_days must be at least 1"),
        ({"settle_days": -1}, "settle_days at least 0"),
        ({"settle_days": 10**7}, "settle_days at least 0 and at most 730"),
        ({"last_day": date(2026, 3, 7)}, "6 days; it must last 7"),
        ({"last_day": date(2026, 3, 2) + timedelta(days=731)}, "to 730"),
    ],
)
def test_what_cannot_be_an_experiment_is_refused_with_its_mend(changes, words):
    with pytest.raises(ValueError, match=words) as caught:
        replace(PLAN, **changes)
    assert "experiment " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "JSON object with a version"),
        ("[]", "JSON object with a version"),
        ("{}", "JSON object with a version"),
        (json.dumps({"version": 9}), "version 9; only version 1"),
        (json.dumps({"version": 1}), "lacks a field"),
        (PLAN.to_json().replace('"power"', '"might"'), "lacks a field or has one too many"),
        (PLAN.to_json().replace('"ad"', '"colour"'), "colour"),
    ],
)
def test_broken_json_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        Experiment.from_json(text)
