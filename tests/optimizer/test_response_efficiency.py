"""What money buys at its best, told by the other targets of a channel: by hand, and by its limits."""

import numpy as np
import pytest

from optimizer.response.curves import CELLS
from optimizer.response.efficiency import best_returns, told_by_others
from optimizer.response.scales import State, weights
from tests.optimizer.shapes import crossed

FLAT_AND_STEEP = crossed([4.0], [1.0, 2.0])
"""Half-saturation at four times x_ref: x / (x + 4), best at x_ref; x^2 / (x^2 + 16), best at its half-saturation."""

EVEN = np.log([0.5, 0.5])


def state(*levels, certain=1e9, seen=True):
    """Targets that bring so much a day at x_ref = 1 in either cell."""
    level = np.array(levels, dtype=np.float64)
    alpha = np.full(len(level), certain)
    begun = np.full(len(level), seen)
    return State(alpha, np.tile((alpha / level)[:, None], (1, 2)), np.zeros((len(level), 2)), begun)


def told(belief, channel=None):
    count = len(belief.alpha)
    where = np.zeros(count, dtype=np.int64) if channel is None else np.array(channel)
    found = told_by_others(FLAT_AND_STEEP, belief, np.tile(EVEN, (count, 1)), (), np.ones(count), where)
    return weights(belief.evidence + found, np.tile(EVEN, (count, 1)))


def test_the_best_return_of_a_curve_by_hand():
    log_u, log_g = best_returns(FLAT_AND_STEEP)
    assert np.exp(log_u) == pytest.approx([1.0, 4.0], rel=0.02)
    assert np.exp(log_g) == pytest.approx([1.0, 0.5 / (1.0 / 17.0)], rel=0.02)


def test_no_curve_is_best_before_the_reference():
    log_u, log_g = best_returns(CELLS)
    assert (log_u >= -1e-9).all()
    assert (log_g - log_u > -0.01).all(), "but for the width of the grid no worse than at the reference"


def test_a_starved_curve_is_told_from_a_poor_one_by_what_the_others_bring():
    """At x_ref it brings .47 of what the others do: as a steep one at its best 17 / 8 of that, as good as they are."""
    steep = told(state(1.0, 1.0, 1.0, 8.0 / 17.0))
    assert steep[3, 1] > 0.7
    assert (steep[:3, 0] > 0.5).all()
    # Worse than any other even at its best, it is poor in either story, and less is told.
    poor = told(state(1.0, 1.0, 1.0, 1e-4))
    assert abs(poor[3, 1] - 0.5) < steep[3, 1] - 0.5


def test_a_target_without_others_is_told_nothing():
    assert told(state(0.2)) == pytest.approx(0.5, abs=1e-6)
    assert told(state(0.2, 1.0, seen=False)) == pytest.approx(0.5, abs=1e-6)


def test_the_own_channel_speaks_louder_than_the_others():
    belief = state(1.0, 1.0, 1.0, 17.0 / 8.0, 17.0 / 8.0, 17.0 / 8.0, 1.0)
    with_good, with_alike = told(belief, [0, 0, 0, 1, 1, 1, 1]), told(belief, [0, 0, 0, 1, 1, 1, 0])
    assert with_good[6, 1] > with_alike[6, 1]


def test_few_counts_are_told_less():
    sure, unsure = (told(state(1.0, 1.0, 1.0, 8.0 / 17.0, certain=certain)) for certain in (1e9, 1.0))
    assert abs(unsure[3, 1] - 0.5) < abs(sure[3, 1] - 0.5)


def test_the_unit_of_spend_changes_nothing():
    belief = state(1.0, 0.7, 0.2)
    prior, channel = np.tile(EVEN, (3, 1)), np.zeros(3, dtype=np.int64)
    euros, cents = (
        told_by_others(FLAT_AND_STEEP, belief, prior, (), unit * np.ones(3), channel) for unit in (1.0, 100)
    )
    assert cents == pytest.approx(euros)
