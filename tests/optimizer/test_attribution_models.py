"""Models of attribution: by hand, against published examples, and by what must hold for any paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.money import MICROS
from optimizer.measure.attribution import markov, shapley
from optimizer.measure.attribution.credit import Credit, Knobs, Model, credit, settle, spread
from optimizer.measure.attribution.paths import Floats, Paths, Place
from tests.optimizer.told_paths import Told, paths_of

EVERY = [(model, Knobs(order=order)) for model in Model for order in ((1, 2, 3) if model is Model.MARKOV else (1,))]

WORD = st.text("ABCabc", max_size=6)
TOLD = st.lists(
    st.tuples(WORD, st.integers(0, 2), st.integers(0, 10**9)).map(lambda t: t if t[1] else (t[0], 0, 0)), max_size=12
)


def _credit(told: Sequence[Told], model: Model, channels: str = "ABC", **knobs: float) -> Credit:
    return credit(paths_of(told, channels), model, Knobs(**knobs), np.random.default_rng(7))  # type: ignore[arg-type]


def _orders(told: Sequence[Told], model: Model, channels: str = "ABC", **knobs: float) -> list[float]:
    return [float(each) for each in _credit(told, model, channels, **knobs).orders / MICROS]


def _whole(paths: Paths) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.zeros(len(paths), dtype=np.int64)


# By hand


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Model.FIRST, [1.0, 0.0, 0.0]),
        (Model.LAST, [0.0, 0.0, 1.0]),
        (Model.LINEAR, [0.25, 0.5, 0.25]),
        (Model.POSITION, [0.4, 0.2, 0.4]),
        (Model.SHAPLEY, [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_one_path_by_hand(model: Model, expected: list[float]) -> None:
    assert _orders([("ABBC", 1, 0)], model) == pytest.approx(expected, abs=1e-6)


def test_time_decay_by_hand() -> None:
    """Touches 2, 1 and 0 days old with a half-life of a day weigh 1/4, 1/2 and 1."""
    assert _orders([("ABC", 1, 0)], Model.DECAY, half_life_days=1.0) == pytest.approx([1 / 7, 2 / 7, 4 / 7], abs=1e-6)


def test_time_decay_of_an_old_path_is_still_shared_out() -> None:
    paths = paths_of([("AB", 1, 0)])
    old = replace(paths, ages=paths.ages + np.float32(100_000))
    found = credit(old, Model.DECAY, Knobs(half_life_days=1.0), np.random.default_rng(7)).orders / MICROS
    assert list(found) == pytest.approx([1 / 3, 2 / 3, 0], abs=1e-6)


def test_clicks_go_before_views_where_one_touch_is_picked() -> None:
    assert _orders([("aBCa", 1, 0)], Model.FIRST) == [0.0, 1.0, 0.0]
    assert _orders([("aBCa", 1, 0)], Model.LAST) == [0.0, 0.0, 1.0]
    assert _orders([("abc", 1, 0)], Model.FIRST) == [1.0, 0.0, 0.0]
    assert _orders([("abc", 1, 0)], Model.LAST) == [0.0, 0.0, 1.0]


def test_a_view_counts_its_weight_where_touches_are_weighed() -> None:
    paths = paths_of([("aB", 1, 0)], view_weight=0.25)
    for model in (Model.LINEAR, Model.POSITION):
        found = credit(paths, model, Knobs(), np.random.default_rng(7)).orders / MICROS
        assert list(found) == pytest.approx([0.2, 0.8, 0.0], abs=1e-6)


def test_two_touches_share_a_position_based_order_in_halves() -> None:
    assert _orders([("AB", 1, 0)], Model.POSITION) == [0.5, 0.5, 0.0]


def test_a_loop_changes_nothing_of_the_removal_effect() -> None:
    plain = [("ABC", 1, 0), ("A", 0, 0), ("BC", 0, 0)]
    looped = [("AAABBC", 1, 0), ("AA", 0, 0), ("BCC", 0, 0)]
    for order in (1, 2, 3):
        assert _orders(plain, Model.MARKOV, order=order) == _orders(looped, Model.MARKOV, order=order)


def test_a_longer_memory_tells_apart_what_a_shorter_mixes() -> None:
    """Of A > B without and C > B > A with an order, all orders went by way of B.

    A first-order chain mixes the two visits to A: half of them are followed by an order at once, so that without B a
    quarter of all persons orders, where with it half do. One of order 2 knows where they came from.
    """
    paths = paths_of([("AB", 0, 0), ("CBA", 1, 0)])
    for order, expected in ((1, 0.5), (2, 1.0), (3, 1.0)):
        effects, _ = markov.removal_effects(markov.count(paths, order, _whole(paths), 1), np.ones(1))
        assert effects[1] == pytest.approx(expected)


def test_orders_that_nothing_led_to_are_direct_under_every_model() -> None:
    for model, knobs in EVERY:
        found = credit(paths_of([("", 2, 7), ("AB", 1, 5)]), model, knobs, np.random.default_rng(7))
        assert (found.direct_orders, found.direct_value) == (2 * MICROS, 7)
        assert (found.orders.sum(), found.values.sum()) == (MICROS, 5)


# Published examples


def test_the_removal_effect_equals_the_published_example() -> None:
    """S. Bryl', "Marketing Multi-Channel Attribution model with R (part 1)", analyzecore.com, 3 August 2016.

    Of C1 > C2 > C3 with an order, C1 without and C2 > C3 without, a third converts; the removal effects are 0.5, 1
    and 1, and the one order is shared out as 0.2, 0.4 and 0.4.
    """
    told = [("ABC", 1, 0), ("A", 0, 0), ("BC", 0, 0)]
    chain = markov.count(paths_of(told), 1, _whole(paths_of(told)), 1)
    effects, _ = markov.removal_effects(chain, np.ones(1))
    assert list(effects) == pytest.approx([0.5, 1.0, 1.0], abs=1e-12)
    assert _orders(told, Model.MARKOV) == [0.2, 0.4, 0.4]


def test_the_shapley_value_equals_the_published_example() -> None:
    """ "Data-driven marketing attribution", Towards Data Science: Facebook, organic and LinkedIn, 100 orders.

    Orders by set of channels: F 20, O 10, L 17, FO 17, FL 30, LO 0, FLO 6. The values are .455, .205 and .34.
    """
    told = [(word, many, 0) for word, many in (("F", 20), ("O", 10), ("L", 17), ("OF", 17), ("FL", 30), ("FLO", 6))]
    assert _orders(told, Model.SHAPLEY, "FOL") == [45.5, 20.5, 34.0]
    worth = np.array([[0.0], [0.20], [0.10], [0.47], [0.17], [0.67], [0.27], [1.0]])
    assert shapley.exact(worth)[:, 0] == pytest.approx([0.455, 0.205, 0.34], abs=1e-12)


def test_the_shapley_value_of_the_glove_game() -> None:
    """The standard example of the value: of one left glove and two right ones a pair is worth 1: 2/3, 1/6 and 1/6."""
    worth = np.array([[float(bool(s & 1) and bool(s & 6))] for s in range(8)])
    assert shapley.exact(worth)[:, 0] == pytest.approx([2 / 3, 1 / 6, 1 / 6])


# For any paths


@settings(max_examples=60, deadline=None)
@given(TOLD)
def test_credits_sum_exactly_to_all_orders_and_value(told: list[Told]) -> None:
    paths = paths_of(told)
    for model, knobs in EVERY:
        found = credit(paths, model, knobs, np.random.default_rng(7))
        assert found.orders.sum() + found.direct_orders == paths.orders.sum() * MICROS
        assert found.values.sum() + found.direct_value == paths.values.sum()


@settings(max_examples=60, deadline=None)
@given(TOLD)
def test_campaigns_sum_to_their_channels(told: list[Told]) -> None:
    """A and B as campaigns of one channel have together what that channel has, to the rounding of each place."""
    paths = paths_of(told)
    campaigns = replace(paths, places=(Place("X", "A"), Place("X", "B"), Place("C")))
    for model, knobs in EVERY:
        if model in (Model.SHAPLEY, Model.SHAPLEY_CHAIN, Model.MARKOV):
            inner, outer = (
                credit(each, model, knobs, np.random.default_rng(7)) for each in (campaigns, campaigns.by_channel())
            )
            assert inner.of("X")[0] == pytest.approx(outer.of("X")[0], abs=3e-6)
            assert inner.of("C")[1] == pytest.approx(outer.of("C")[1], abs=3)


@settings(max_examples=60, deadline=None)
@given(TOLD)
def test_the_closed_form_of_the_additive_worth_is_its_shapley_value(told: list[Told]) -> None:
    worth = np.zeros((8, 1))
    for coalition in range(8):
        inside = {"ABC"[c] for c in range(3) if coalition >> c & 1}
        worth[coalition] = sum(orders for word, orders, _ in told if word and set(word.upper()) <= inside)
    assert _orders(told, Model.SHAPLEY) == pytest.approx(list(shapley.exact(worth)[:, 0]), abs=2e-6)


@settings(max_examples=60, deadline=None)
@given(TOLD)
def test_the_removal_effect_is_that_of_a_linear_system(told: list[Told]) -> None:
    """Of a first-order chain, by solving for it densely with the channel's column set to nothing."""
    paths = paths_of(told)
    expected = _removed(told)
    effects, _ = markov.removal_effects(markov.count(paths, 1, _whole(paths), 1), np.ones(1))
    assert effects == pytest.approx(expected, abs=1e-9)


def _removed(told: Sequence[Told]) -> Floats:
    every = _left(told, frozenset())
    return np.array([1 - _left(told, frozenset([c])) / every if every else 0.0 for c in range(3)])


def _left(told: Sequence[Told], removed: frozenset[int]) -> float:
    """Orders per path of a first-order chain without some channels."""
    moves, ends = np.zeros((4, 4)), np.zeros((4, 2))
    for word, orders, _ in told:
        states = [0, *("ABC".index(letter) + 1 for letter in word.upper())]
        for before, after in pairwise(states):
            moves[before, after] += 1
        if word:
            ends[states[-1]] += (1, orders)
    leaving = np.maximum(moves.sum(axis=1) + ends[:, 0], 1e-300)
    chances = moves / leaving[:, None]
    chances[:, [channel + 1 for channel in removed]] = 0
    return float(np.linalg.solve(np.eye(4) - chances, ends[:, 1] / leaving)[0])


@settings(max_examples=40, deadline=None)
@given(TOLD)
def test_the_chain_s_orders_are_shared_as_all_orders_of_joining_would(told: list[Told]) -> None:
    """Each worth is what is left when the others are removed, solved for one by one."""
    paths = paths_of(told)
    chain = markov.count(paths, 1, _whole(paths), 1)
    found = shapley.chain_exact(chain, np.ones(1))[:, 0]
    walks = list(permutations(range(3)))
    sampled, _ = shapley.chain_sampled(chain, np.ones(1), [np.array(walk) for walk in walks])
    assert found == pytest.approx(sampled[:, 0], abs=1e-9)

    def worth(inside: tuple[int, ...]) -> float:
        return _left(told, frozenset(range(3)) - frozenset(inside)) * sum(bool(word) for word, _, _ in told)

    by_hand = [np.mean([worth(w[: w.index(c) + 1]) - worth(w[: w.index(c)]) for w in walks]) for c in range(3)]
    assert found == pytest.approx(by_hand, abs=1e-9)
    assert found.sum() == pytest.approx(sum(orders for word, orders, _ in told if word), abs=1e-9)
    assert (found >= -1e-9).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9), st.integers(-5, 5))
def test_settling_sums_exactly_and_moves_no_share_by_more_than_it_must(shares: list[float], off: int) -> None:
    total = round(sum(shares)) + off
    whole = settle(np.array(shares), total)
    assert whole.sum() == total
    assert np.abs(whole - shares).max() <= 1 + (abs(off) + 1) / len(shares) + 1e-6


def test_sampling_beyond_twelve_channels_tells_its_error() -> None:
    """With 14 channels, the sampled values are within five standard errors of the enumerated ones."""
    rng = np.random.default_rng(3)
    names = "ABCDEFGHIJKLMN"
    told = [("".join(rng.choice(list(names), 1 + rng.integers(4))), int(rng.random() < 0.3), 0) for _ in range(400)]
    paths = paths_of(told, names)
    chain = markov.count(paths, 1, _whole(paths), 1)
    enumerated = shapley.chain_exact(chain, np.ones(1))[:, 0]
    joinings = [rng.permutation(14) for _ in range(400)]
    sampled, errors = shapley.chain_sampled(chain, np.ones(1), joinings)
    assert sampled[:, 0].sum() == pytest.approx(enumerated.sum())
    assert (np.abs(sampled[:, 0] - enumerated) < 5.5 * errors[:, 0]).all()
    found = credit(paths, Model.SHAPLEY_CHAIN, Knobs(draws=50), rng)
    assert found.errors is not None
    assert found.errors.shape == (14,)
    assert spread(paths, Model.SHAPLEY_CHAIN, Knobs(draws=50), 5, rng).shape == (14,)


def test_a_campaign_has_its_part_of_the_sampling_error() -> None:
    """A twentieth of a channel is as unsure, relatively, as the rest: what is sampled is the channel's credit."""
    names = "ABCDEFGHIJKLMN"
    paths = paths_of([(names, 1, 0)] * 2000, names)
    small = (paths.codes == 0) & (paths.persons[paths.owners()] % 20 == 0)
    split = replace(paths, places=(*paths.places, Place("A", "small")), codes=np.where(small, 14, paths.codes))
    found = credit(split, Model.SHAPLEY_CHAIN, Knobs(draws=50), np.random.default_rng(1))
    assert found.errors is not None
    assert found.errors[0] > 5 * found.orders[14] / MICROS
    sure = spread(split, Model.SHAPLEY_CHAIN, Knobs(draws=50), 50, np.random.default_rng(1))
    assert sure[14] == pytest.approx(sure[0], rel=0.1)


# How sure


def test_the_spread_of_last_click_is_that_of_its_counts() -> None:
    """Of 20,000 persons, 800 order after A and 200 after B: counts of 800 and 200 have log-sd .0347 and .0704.

    With 400 replicates the standard error of a log-sd is 3.5%; with 500 groups the replicates' own is 3.2%.
    """
    told = [("A", 1, 0)] * 800 + [("B", 1, 0)] * 200 + [("C", 0, 0)] * 19_000
    found = spread(paths_of(told), Model.LAST, Knobs(), 400, np.random.default_rng(7))
    assert found[0] == pytest.approx(np.sqrt((1 - 0.04) / 800), rel=0.26)
    assert found[1] == pytest.approx(np.sqrt((1 - 0.01) / 200), rel=0.26)


def test_the_spread_of_next_to_nothing_is_that_of_a_count() -> None:
    assert spread(paths_of([("A", 1, 0)]), Model.LAST, Knobs(), 5, np.random.default_rng(7)) == pytest.approx(
        np.sqrt(np.log1p([1, 2, 2]))
    )


def test_a_person_of_many_paths_is_drawn_as_one() -> None:
    told = [("A", 1, 0)] * 400
    alone = spread(paths_of(told), Model.LAST, Knobs(), 200, np.random.default_rng(7))
    paths = replace(paths_of([*told, *[("B", 0, 0)] * 400]), persons=np.repeat(np.arange(80), 10))
    together = spread(paths, Model.LAST, Knobs(), 200, np.random.default_rng(7))
    assert alone[0] < 1e-9 or alone[0] == pytest.approx(np.sqrt(np.log1p(1 / 400)))
    assert together[0] > 2 * np.sqrt(0.5 / 400)


# What cannot be


@pytest.mark.parametrize("order", [0, 4])
def test_a_chain_has_an_order_of_1_to_3(order: int) -> None:
    with pytest.raises(ValueError, match="must be 1 to 3"):
        _credit([("A", 1, 0)], Model.MARKOV, order=order)


def test_a_half_life_is_above_0() -> None:
    with pytest.raises(ValueError, match="half_life_days must be above 0"):
        _credit([("A", 1, 0)], Model.DECAY, half_life_days=0.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"codes": np.array([9, 0])}, "is not one of the 3 places"),
        ({"codes": np.array([0])}, "of one length"),
        ({"offsets": np.array([0, 1])}, "must rise"),
        ({"offsets": np.array([0, 1, 2])}, "one offset more"),
        ({"ages": np.array([-1.0, 0.0])}, "0 or more"),
        ({"view_weight": 0.0}, "above 0"),
        ({"places": (Place("A"),) * 3}, "twice"),
    ],
)
def test_paths_that_make_no_sense_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(paths_of([("AB", 1, 0)]), **change)  # type: ignore[arg-type]
