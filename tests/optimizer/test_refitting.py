"""Which experiments a refit is given: scopes are looked up in what is known, and nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from optimizer.agent.refitting import lifts_of
from optimizer.agent.settings.refit import LiftTestTable
from optimizer.plan.problem import Outcome
from tests.optimizer.snapshots import TODAY, snapshot


def row(scope: str, last_day: date = TODAY - timedelta(days=1), **changes: object) -> LiftTestTable:
    plain = {"spend": "100.25", "spend_change": "-50.5", "incremental": -4.0, "se": 2.0}
    days = {"first_day": last_day - timedelta(days=6), "last_day": last_day}
    return LiftTestTable.model_validate({"scope": scope, **days, **plain, **changes})


@pytest.mark.parametrize(
    ("scope", "channel", "campaign"),
    [("channel:social", "social", None), ("channel:tv", "tv", None), ("campaign:brand", "search", "brand")],
)
def test_a_test_goes_to_its_channel_or_campaign(scope: str, channel: str, campaign: str | None) -> None:
    (lift,), left_out = lifts_of([row(scope, outcome="value")], snapshot())
    assert left_out == ()
    assert (lift.channel, lift.campaign, lift.outcome) == (channel, campaign, Outcome.VALUE)
    assert (lift.spend, lift.spend_change, lift.incremental, lift.se) == (100.25, -50.5, -4.0, 2.0)
    assert (lift.days, lift.last_day) == (7, TODAY - timedelta(days=1))


def test_campaigns_are_found_by_name_too_and_one_of_two_budgets_is_still_one() -> None:
    seen = snapshot()
    named = replace(seen.targets[0], campaign_names=("Our Brand",))
    twice = replace(seen, targets=(named, named, *seen.targets[2:]))
    (lift,), left_out = lifts_of([row("campaign:Our Brand")], twice)
    assert (lift.campaign, left_out) == (named.campaigns[0], ())


def test_what_cannot_be_told_apart_or_is_not_there_or_not_over_is_left_out_with_its_reason() -> None:
    seen = snapshot()
    same = replace(seen, targets=tuple(replace(target, campaign_names=("Sale",)) for target in seen.targets))
    tests = [row("campaign:Sale"), row("campaign:nowhere"), row("channel:social", TODAY)]
    taken, left_out = lifts_of(tests, same)
    assert taken == ()
    assert [words.partition(" is left out: ")[2] for words in left_out] == [
        "there are several of that name; write the id.",
        "there is no campaign of that id or name.",
        "it is not over yet.",
    ]
