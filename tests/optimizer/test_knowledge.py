"""The knowledge gradient: what a look is worth, by hand and by its limits."""

import numpy as np
import pytest

from optimizer.knowledge import gradient

BUDGET = np.tile(np.geomspace(10.0, 1_000.0, 20), (2, 1))
NOW = np.array([50.0, 50.0])


class TwoStories:
    """Target 0 is known; target 1 is either worth nothing or, with the same chance, twice its mean."""

    def moments(self, budget):
        mean = np.sqrt(budget)
        sd = mean * np.array([[0.0], [1.0]])
        return mean, sd

    def draws(self, budget, n, rng):
        factor = np.ones((n, 2, 1))
        factor[:, 1, 0] = 2.0 * (np.arange(n) % 2) + 1e-9
        return np.sqrt(budget) * factor


def bonus(seed=1):
    stories = TwoStories()
    return gradient(stories.moments, stories.draws, BUDGET, NOW, np.random.default_rng(seed))


def test_a_look_at_what_is_known_is_worth_nothing():
    assert np.allclose(bonus()[0], 0.0, atol=1e-9)


def test_a_look_that_settles_two_stories_is_worth_what_the_better_one_brings():
    """At price p the mean gains max(sqrt(x) - p x) = 1 / 4p; told apart, half of the time 2 sqrt(x): 1 / p."""
    found = bonus()[1]
    assert (found > 0).all()
    # The grid of looks is the grid of plans, so the closed form holds to the grid's width.
    at = NOW.sum() / 2  # sqrt curves split a total evenly: the price is 1 / (2 sqrt(x)) there
    price = 0.5 / np.sqrt(at)
    worth = 0.5 * (1.0 / price) - 0.25 / price
    near = np.abs(BUDGET[1] - NOW[1]).argmin()
    assert found[near] == pytest.approx(0.5 * worth * 60.0 / 5.0, rel=0.25)


def test_what_is_far_away_takes_longer_and_so_is_worth_less():
    found = bonus()[1]
    near, far = np.abs(BUDGET[1] - NOW[1]).argmin(), -1
    assert found[far] < found[near]


def test_the_same_seed_gives_the_same_bonus():
    assert np.array_equal(bonus(3), bonus(3))
