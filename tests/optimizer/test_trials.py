"""Planned trials: what a look of several days is worth, by hand, by its limits, and on a recommendation."""

import numpy as np
import pytest

from optimizer.knowledge import HORIZON, LOOK, Question
from optimizer.trials import worthwhile

AT = np.geomspace(10.0, 500.0, 16)[None]
PRICE = 0.1
STEPS = (0.3, 0.3)
"""100 is what is lived on; by expectation 100 is best, and one unit more takes .1 from elsewhere."""


def asked(*curves, chance, now=100.0, noise=0.01, cost=0.0, free=True, at=AT):
    """One target whose cells are functions of the budget."""
    return Question(
        at=at,
        curves=np.stack([curve(at) for curve in curves], axis=-1),
        chance=np.array([chance]),
        cost=np.full(at.shape, cost),
        noise=np.full(at.shape, noise),
        price=np.array([PRICE]),
        current=np.array([now]),
        steps=STEPS,
        free=np.array([free]),
    )


def saturated(budget):
    """Worth its money up to 100, and nothing beyond."""
    return 0.2 * np.minimum(budget, 100.0)


def steep(budget):
    """The same up to 100; at 500 it brings five times what the money does elsewhere."""
    return np.where(budget <= 100.0, 0.2 * budget, 20.0 + 0.6 * (budget - 100.0))


def test_where_all_is_known_nothing_is_tried():
    assert worthwhile(asked(saturated, chance=[1.0])) == ()


def test_where_no_story_asks_for_another_budget_nothing_is_tried():
    assert worthwhile(asked(saturated, lambda b: 0.8 * saturated(b) + 2.0, chance=[0.5, 0.5])) == ()


def test_a_trial_is_worth_what_it_may_show_less_what_it_costs():
    """Noise aside, one story in five is worth (260 - 50) - (20 - 10) a day more than standing still."""
    at = np.array([[10.0, 50.0, 100.0, 500.0]])
    (trial,) = worthwhile(asked(saturated, steep, chance=[0.8, 0.2], at=at, noise=1e-3))
    stands, there = 20.0 - PRICE * 100.0, 0.8 * 20.0 + 0.2 * 260.0 - PRICE * 500.0
    assert there > stands, "by expectation it would go there anyway"
    (trial,) = worthwhile(asked(saturated, steep, chance=[0.96, 0.04], at=at, noise=1e-3))
    there = 0.96 * 20.0 + 0.04 * 260.0 - PRICE * 500.0
    way = np.log(5.0) / np.log(1.3)
    # The wander of demand blurs the look, but not by as much as these two stories are apart.
    assert trial.gain == pytest.approx(0.04 * (260.0 - 50.0 - stands), rel=1e-3)
    lost = stands - there
    assert trial.cost == pytest.approx(1.5 * 0.5 * lost * way + LOOK * lost, rel=1e-6)
    assert trial.days == pytest.approx(way + LOOK)
    assert trial.worth == pytest.approx(trial.gain * (HORIZON - way - LOOK) - trial.cost)
    assert trial.budget == pytest.approx(500.0)


def test_a_look_through_much_noise_is_worth_less():
    clear, blurred = (
        worthwhile(asked(saturated, steep, chance=[0.96, 0.04], noise=noise))[0].worth for noise in (0.05, 1.0)
    )
    assert blurred < clear


def test_the_nearer_it_has_come_the_more_a_trial_is_worth():
    """What was gone costs nothing any more: a trial goes on by itself."""
    worth = [worthwhile(asked(saturated, steep, chance=[0.96, 0.04], now=now))[0].worth for now in (30.0, 60.0, 100.0)]
    assert worth == sorted(worth)


def test_a_smaller_budget_is_tried_where_it_may_do_as_well():
    def early(budget):
        return np.minimum(20.0, 0.5 * budget)

    (trial,) = worthwhile(asked(saturated, early, chance=[0.7, 0.3]))
    assert trial.budget < 100.0


def test_what_may_not_move_is_not_tried():
    assert worthwhile(asked(saturated, steep, chance=[0.96, 0.04], free=False)) == ()


def test_a_cost_that_is_the_same_everywhere_changes_nothing():
    plain, dear = (worthwhile(asked(saturated, steep, chance=[0.96, 0.04], cost=cost))[0] for cost in (0.0, 5.0))
    assert dear.worth == pytest.approx(plain.worth)


def test_the_best_for_its_cost_comes_first_and_each_target_once():
    one = asked(saturated, steep, chance=[0.96, 0.04])
    two = Question(
        at=np.repeat(one.at, 3, axis=0),
        curves=np.repeat(one.curves, 3, axis=0),
        chance=np.array([[0.97, 0.03], [0.95, 0.05], [1.0, 0.0]]),
        cost=np.repeat(one.cost, 3, axis=0),
        noise=np.repeat(one.noise, 3, axis=0),
        price=np.full(3, PRICE),
        current=np.full(3, 100.0),
        steps=STEPS,
        free=np.ones(3, dtype=bool),
    )
    found = worthwhile(two)
    assert [trial.target for trial in found] == [1, 0]
    assert found[0].worth / found[0].cost > found[1].worth / found[1].cost
