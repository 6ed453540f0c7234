"""The knowledge gradient: what a look is worth, by hand and by its limits."""

import numpy as np
import pytest

from optimizer.knowledge import Question, gradient

BUDGET = np.tile(np.geomspace(10.0, 1_000.0, 20), (2, 1))
NOW = np.array([50.0, 50.0])


def two_stories(cost=0.0, count=1e9):
    """Target 0 is known; target 1 is either worth nothing or, with the same chance, twice its mean."""

    def draws(budget, n, rng):
        factor = np.ones((n, 2, 1))
        factor[:, 1, 0] = 2.0 * (np.arange(n) % 2) + 1e-9
        return np.sqrt(budget) * factor

    return Question(
        brought=np.sqrt,
        draws=draws,
        cost=lambda budget: cost * budget,
        counted=lambda budget: np.full_like(budget, count),
        total=float(NOW.sum()),
    )


def bonus(seed=1, **asked):
    return gradient(two_stories(**asked), BUDGET, NOW, np.random.default_rng(seed))


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


def test_where_spend_is_taken_off_a_loss_is_no_news():
    """At a price of its own the optimum moves; the bonus stays a number, and what loses everywhere is worth no look."""
    found = bonus(cost=0.02)
    assert np.isfinite(found).all()
    assert 0 < found[1].max() < bonus()[1].max() * 10
    assert np.allclose(bonus(cost=10.0)[0], 0.0, atol=1e-9)


def test_a_look_that_counts_nothing_tells_nothing():
    assert bonus(count=1e-3)[1].max() < 0.2 * bonus()[1].max()


def test_nothing_spent_is_no_look():
    budget = np.concatenate([np.zeros((2, 1)), BUDGET], axis=1)
    found = gradient(two_stories(), budget, NOW, np.random.default_rng(1))
    assert np.array_equal(found[:, 0], [0.0, 0.0])
