"""The five families by hand; no curve falls, and each keeps to its row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.saturation import FAMILIES, Curves, Family

HAND = [
    (Family.MICHAELIS_MENTEN, 1.0, 2.0, (2 / 3) / (1 / 2)),
    (Family.HILL, 2.0, 2.0, (4 / 5) / (1 / 2)),
    (Family.POWER, 0.5, 4.0, 2.0),
    (Family.LOG, 1.0, 3.0, 2.0),
    (Family.LOGISTIC, 2.0, 2.0, (1 / (1 + np.exp(-2)) - 1 / (1 + np.exp(2))) / (1 / 2 - 1 / (1 + np.exp(2)))),
]


@pytest.mark.parametrize(("family", "slope", "z", "g"), HAND)
def test_each_family_by_hand_at_a_reference_of_one_half_saturation(family, slope, z, g):
    half = 50.0
    one = np.array([1.0])
    curve = Curves(np.array([FAMILIES.index(family)]), half * one, slope * one, half * one)
    assert curve(np.array([0.0, half, z * half])[None, :])[0] == pytest.approx([0.0, 1.0, g])


@given(
    st.integers(0, len(FAMILIES) - 1),
    st.floats(0.1, 1e4),
    st.floats(0.3, 8),
    st.floats(0.1, 1e4),
    st.lists(st.floats(0, 1e5), min_size=2, max_size=6),
)
def test_no_curve_ever_falls(family, half, slope, reference, spends):
    one = np.ones(1)
    curve = Curves(np.array([family]), half * one, slope * one, reference * one)
    assert (np.diff(curve(np.sort(spends)[None, :])[0]) >= -1e-12).all()


def test_curves_keep_to_their_rows():
    rng = np.random.default_rng(1)
    family = rng.integers(0, len(FAMILIES), 20)
    curves = Curves(family, rng.uniform(1, 9, 20), rng.uniform(0.5, 3, 20), rng.uniform(1, 9, 20))
    spend = rng.uniform(0, 20, (20, 3))
    whole = curves(spend)
    for k in range(20):
        assert curves.take(np.array([k]))(spend[[k]])[0].tolist() == whole[k].tolist()


def test_curves_of_unlike_lengths_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        Curves(np.zeros(2, dtype=int), np.ones(1), np.ones(2), np.ones(2))


def test_a_curve_without_a_scale_is_refused():
    with pytest.raises(ValueError, match="positive"):
        Curves(np.zeros(1, dtype=int), np.zeros(1), np.ones(1), np.ones(1))
