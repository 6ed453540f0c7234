"""The knowledge gradient: what a look is worth, by hand and by its limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.knowledge import HORIZON, LOOK, Question, after, bonus, money, news, spaced

AT = np.geomspace(10.0, 1_000.0, 30)[None]
PRICE = 0.05
BOTH = np.arange(1)


def stories(*factors, chance, noise=1e-3, cost=0.0, now=50.0):
    """One target that brings sqrt(x) times one factor or another."""
    return Question(
        at=AT,
        curves=np.sqrt(AT)[..., None] * np.array(factors),
        chance=np.array([chance]),
        cost=np.full(AT.shape, cost),
        noise=np.full(AT.shape, noise),
        price=np.array([PRICE]),
        current=np.array([now]),
        steps=(0.3, 0.3),
        free=np.ones(1, dtype=bool),
    )


def test_a_look_at_what_is_known_is_worth_nothing():
    assert news(stories(1.0, chance=[1.0]), BOTH).max() == pytest.approx(0.0, abs=1e-12)


def test_a_look_that_settles_two_stories_is_worth_what_the_better_one_brings():
    """At price p the mean gains max(sqrt(x) - p x) = 1 / 4p; told apart, half of the time 2 sqrt(x): 1 / p."""
    found = news(stories(1e-9, 2.0, chance=[0.5, 0.5]), BOTH)
    nothing = PRICE * AT[0, 0]  # the least budget costs as much even where it brings nothing
    assert found[0] == pytest.approx(0.5 * (1.0 / PRICE - nothing) - 0.25 / PRICE, rel=0.02)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.02, 2.0))
def test_what_is_believed_after_a_look_is_on_average_what_was_believed(seed, noise):
    """The martingale of beliefs, for any cells and any noise; a look is never worth less than nothing."""
    rng = np.random.default_rng(seed)
    cells = int(rng.integers(2, 12))
    curves, chance = rng.lognormal(0.0, 0.7, (5, cells)), rng.dirichlet(np.ones(cells))
    believed, likely = after(curves, chance, np.full(5, noise))
    assert likely.sum() == pytest.approx(1.0)
    assert np.einsum("plj,l->pj", believed, likely) == pytest.approx(np.tile(chance, (5, 1)), abs=5e-3)


def test_two_stories_half_a_noise_apart_by_hand():
    """log f apart by d = s: P(cell 1 | y) = 1 / (1 + exp(z d / s + d^2 / 2 s^2)) in cell 0, by Bayes."""
    believed, likely = after(np.array([[1.0, np.exp(0.3)]]), np.array([0.5, 0.5]), np.array([0.3]))
    nodes = np.polynomial.hermite_e.hermegauss(likely.size // 2)[0]
    assert believed[0, : nodes.size, 1] == pytest.approx(1.0 / (1.0 + np.exp(0.5 - nodes)))


def test_noise_makes_a_look_worth_less_down_to_nothing():
    worth = [news(stories(0.5, 1.5, chance=[0.5, 0.5], noise=noise), BOTH).max() for noise in (0.1, 1.0, 3.0, 1e4)]
    assert worth == sorted(worth, reverse=True)
    assert worth[-1] == pytest.approx(0.0, abs=1e-6)


def test_what_is_far_away_takes_longer_and_so_is_worth_less():
    asked = stories(1e-9, 2.0, chance=[0.5, 0.5])
    found, worth = bonus(asked, AT)[0], news(asked, BOTH)[0]
    near = int(np.abs(AT[0] - 50.0).argmin())
    days = np.log(AT[0] / 50.0) / np.log(1.3)
    assert found[-1] == pytest.approx(0.5 * worth[-1] * HORIZON / (LOOK + days[-1]))
    assert found[-1] < found[near]


def test_nothing_spent_is_no_look():
    assert bonus(stories(1e-9, 2.0, chance=[0.5, 0.5]), np.array([[0.0, 50.0]]))[0, 0] == 0.0


def test_a_cost_that_is_the_same_everywhere_is_no_news():
    plain, dear = (news(stories(1e-9, 2.0, chance=[0.5, 0.5], cost=cost), BOTH) for cost in (0.0, 3.0))
    assert dear == pytest.approx(plain)


def test_the_price_of_money_is_the_slope_at_which_the_total_is_spent():
    """sqrt curves split a total evenly, and the slope there is 1 / (2 sqrt(x))."""
    at = np.tile(np.linspace(1.0, 200.0, 2_000), (2, 1))
    assert money(at, np.sqrt(at), 100.0) == pytest.approx(0.5 / np.sqrt(50.0), rel=1e-2)


def test_looks_are_spaced_evenly_in_log_and_none_is_at_nothing():
    at = spaced(np.array([0.0, 10.0]), np.array([100.0, 20.0]))
    assert (at > 0).all()
    assert np.diff(np.log(at), axis=1) == pytest.approx(np.diff(np.log(at), axis=1)[:, :1] * np.ones(at.shape[1] - 1))
