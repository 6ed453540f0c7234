"""What is drawn behind a line is what the decision rests on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.decide import decide, pictures
from optimizer.decide.pictures import SEEN_DAYS
from optimizer.goals import Goals
from optimizer.guardrails import Guardrails
from optimizer.plan.recommendation import Objective
from tests.optimizer.snapshots import NOW, snapshot


def test_the_curve_between_both_points_is_the_effect_that_the_line_tells() -> None:
    decision = decide(snapshot(), Goals("EUR"), Guardrails(), NOW, np.random.default_rng(1))
    moved = {str(line.key): line for line in decision.lines if line.changes}
    assert moved
    for picture in pictures(snapshot(), Goals("EUR"), (), {}, 1):
        line = moved.get(str(picture.key))
        if line is None:
            continue
        now, then = (amount.micros / 1e6 for amount in (line.current, line.proposed))
        told = np.interp([now, then], picture.curve.budget, picture.curve.mean)
        assert told[1] - told[0] == pytest.approx(
            line.effect.mean, rel=0.03
        )  # straight lines between points of a curve


def test_the_intervals_nest_and_begin_at_nothing() -> None:
    for picture in pictures(snapshot(), Goals("EUR"), (), {}, 1):
        curve = picture.curve
        assert curve.budget[0] == curve.mean[0] == 0.0
        assert np.all(np.diff(curve.budget) > 0)
        ends = np.array([curve.low95, curve.low80, curve.high80, curve.high95])
        assert np.all(np.diff(ends, axis=0) >= 0)


def test_the_days_are_those_of_the_panel_grown_by_how_much_is_reported() -> None:
    known = snapshot(days=120)
    for k, picture in enumerate(pictures(known, Goals("EUR"), (), {}, 1)):
        seen = picture.seen
        assert len(seen.days) == SEEN_DAYS
        assert (known.today - seen.days[-1]).days == 1
        np.testing.assert_array_equal(seen.spend, known.panel.spend[k, -SEEN_DAYS:])
        np.testing.assert_array_equal(seen.conversions, known.panel.conversions[k, -SEEN_DAYS:])
        told = seen.conversions > 0
        assert np.all(seen.matured[told] >= seen.conversions[told] * (1 - 1e-9))


def test_the_curve_reaches_past_what_is_proposed() -> None:
    known = snapshot()
    far = {target.key: 9_000.0 for target in known.targets}
    assert all(
        picture.curve.budget[-1] == pytest.approx(14_400.0) for picture in pictures(known, Goals("EUR"), (), far, 1)
    )


def test_the_same_seed_draws_the_same_and_what_is_drawn_is_the_objective() -> None:
    goals = Goals("EUR")
    one, again = (pictures(snapshot(), goals, (), {}, 3) for _ in range(2))
    np.testing.assert_array_equal(one[0].curve.low80, again[0].curve.low80)
    value = pictures(snapshot(), replace(goals, objective=Objective.REVENUE), (), {}, 3)
    assert np.max(value[0].curve.mean) > 2 * np.max(one[0].curve.mean)


def test_without_budgets_there_is_nothing_to_draw() -> None:
    assert pictures(snapshot().select([]), Goals("EUR"), (), {}, 1) == ()
