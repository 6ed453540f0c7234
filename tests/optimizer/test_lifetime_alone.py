"""What groups tell by themselves, and the coordinates that come of it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.measure.lifetime.alone import Alone, of_amounts, of_purchases, of_spend, of_subscriptions
from optimizer.measure.lifetime.contract import Lifetime
from optimizer.measure.lifetime.customers import Customers, summarise
from optimizer.measure.lifetime.evidence import Amounts, purchases, subscriptions
from optimizer.measure.lifetime.models import Leaning
from simulations.customers import Clientele, Subscribers, orders

START, WON, END = (datetime(*day, tzinfo=UTC) for day in ((2024, 1, 1), (2025, 10, 1), (2025, 12, 31)))
FEW = st.floats(-3.0, 3.0)


def _customers(*kinds: Clientele | Subscribers) -> Customers:
    return summarise(orders(kinds, (START, WON), END, "EUR", np.random.default_rng(1)), END.date(), "EUR", UTC)


@given(value=FEW, mean=FEW, at=FEW, apart=st.floats(0.05, 2.0), precision=st.floats(0.0, 1e4))
def test_coordinates_are_distances_from_where_a_normal_group_would_be(
    value: float, mean: float, at: float, apart: float, precision: float
) -> None:
    """The log posterior of a normal group is a standard normal of its coordinate, whatever mean and spread."""
    leaning = Leaning(Alone(np.array([at]), np.array([precision])))
    mine = float(leaning.forward(np.array([value]), mean, apart)[0])
    assert leaning.backward(np.array([mine]), mean, apart)[0] == pytest.approx(value, abs=1e-9)

    def log_posterior(theta: float) -> float:
        return -0.5 * (precision * (theta - at) ** 2 + ((theta - mean) / apart) ** 2)

    top = float(leaning.backward(np.zeros(1), mean, apart)[0])
    assert log_posterior(value) - log_posterior(top) == pytest.approx(-0.5 * mine**2, rel=1e-6, abs=1e-6)


def test_the_density_allows_for_the_coordinates() -> None:
    steps = Leaning(Alone(np.zeros(2), np.array([0.0, 12.0]))).log_jac_det(np.zeros(2), 0.3, 0.5)
    assert steps.eval(mode="FAST_COMPILE") == pytest.approx(np.log([0.5, 0.25]))


def test_means_of_amounts_in_logs() -> None:
    """An error of 2 at 20 is a tenth; a group that hardly paid is taken as if it had paid a quarter of the rest."""
    found = of_amounts(Amounts(np.array([0, 2]), np.array([20.0, 0.1]), np.array([2.0, 1.0]), 16.0), 3)
    assert found.at == pytest.approx(np.log([20.0, 16.0, 4.0]))
    assert found.precision == pytest.approx([100.0, 0.0, 16.0])


def test_repeats_tell_as_much_as_customers_who_bought_them() -> None:
    spent = np.array([[0, 1, 8.0], [0, 3, 12.0], [2, 2, 10.0]])
    found = of_spend(spent, 3)
    assert found.at == pytest.approx(np.log([10.0, 10.0, 10.0]))
    assert found.precision[0] == pytest.approx(2 * found.precision[2])
    assert found.precision[1] == 0.0


def test_many_customers_tell_their_rate_and_their_loss_and_one_tells_next_to_nothing() -> None:
    """True values within .3: a little more than errors say, as the shapes are told by the same customers."""
    kinds = (
        Clientele("large", 4_000, 0.5, 40.0, (0.7, 2.0), (6.0, 4.0, 15.0)),
        Clientele("other", 2_000, 0.5, 20.0, (0.7, 2.0), (6.0, 4.0, 15.0)),
        Clientele("one", 1, 0.5, 40.0, (0.7, 2.0), (6.0, 4.0, 15.0)),
    )
    shop = _customers(*kinds)
    evidence = purchases(shop, shop.channels, shop.channel, np.arange(len(shop)))
    rate, loss = of_purchases(evidence, np.array([-4.0, -1.0, -0.5, 1.0]))
    large, one, other = (shop.channels.index(name) for name in ("large", "one", "other"))
    for place, scale in ((large, 40.0), (other, 20.0)):
        assert abs(rate.at[place] - np.log(0.5 / scale)) < 0.3
        assert abs(loss.at[place] - np.log(0.7 / 2.0)) < 0.3
        assert rate.precision[place] > 100.0
    assert rate.precision[one] < 5.0
    assert loss.precision[one] < 5.0
    assert np.all(np.isfinite([rate.at, loss.at]))


def test_many_subscribers_tell_their_loss() -> None:
    club = _customers(
        Subscribers("large", 4_000, (0.8, 8.0), 10.0, 30.0), Subscribers("one", 1, (1.6, 7.2), 20.0, 30.0)
    )
    evidence = subscriptions(club, club.channels, club.channel, Lifetime(period_days=30.0))
    loss = of_subscriptions(evidence, np.array([-1.5, 1.0]))
    assert abs(loss.at[0] - np.log(0.1)) < 0.3
    assert loss.precision[0] > 100.0 > 5.0 > loss.precision[1] >= 0.0
