"""The models of one customer against published figures, hand computations, and customers whose truth is known."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import hyp2f1
from scipy.stats import beta

from optimizer.measure.lifetime import buying, renewing, spending
from optimizer.measure.lifetime.buying import Buying
from optimizer.measure.lifetime.customers import Customers, summarise
from optimizer.measure.lifetime.spending import Spending
from simulations.customers import Clientele, Subscribers, history, orders

CDNOW = (0.243, 4.414, 0.793, 2.426)
"""Of weeks: Fader, Hardie and Lee (2005), table 2."""

SHAPE = st.floats(0.05, 50.0)


def one(r: float, alpha: float, a: float, b: float) -> Buying:
    return Buying(*(np.array([value]) for value in (r, alpha, a, b)))


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


# BG/NBD


def test_a_history_of_one_repeat_by_hand() -> None:
    """r = a = b = 1, alpha = 1, one repeat at 1, known until 3: (1/2 (1/4)^2 + 1/2 (1/2)^2) = 5/32 = L."""
    p = one(1.0, 1.0, 1.0, 1.0)
    found = buying.log_likelihood(p, ints(1), np.array([1.0]), np.array([3.0]))
    assert found[0] == pytest.approx(math.log(5 / 32), abs=1e-12)
    assert buying.alive(p, ints(1), np.array([1.0]), np.array([3.0]))[0] == pytest.approx(1 / 5)


def test_who_never_came_back_may_still_do_so() -> None:
    p = one(*CDNOW)
    assert buying.alive(p, ints(0), np.array([0.0]), np.array([38.86]))[0] == 1.0
    found = buying.log_likelihood(p, ints(0), np.array([0.0]), np.array([10.0]))
    assert found[0] == pytest.approx(0.243 * math.log(4.414 / 14.414))


def test_the_published_expectation_of_a_customer_of_cdnow() -> None:
    """Two repeats, the last in week 30.43 of 38.86: 1.226 in the next 39 weeks, as the authors' sheet has it."""
    p, x = one(*CDNOW), ints(2)
    alive = buying.alive(p, x, np.array([30.43]), np.array([38.86]))
    later = buying.expected(p.after(x, np.array([38.86])), 39.0)
    assert alive[0] * later[0] == pytest.approx(1.226, abs=5e-4)


@given(r=SHAPE, alpha=st.floats(0.5, 100.0), a=SHAPE, b=SHAPE, days=st.floats(0.1, 400.0))
def test_expected_purchases_are_the_closed_form(r: float, alpha: float, a: float, b: float, days: float) -> None:
    """Equation 9 of the paper, away from a = 1, where it is nothing over nothing."""
    found = buying.expected(one(r, alpha, a, b), days)[0]
    if abs(a - 1.0) > 0.05 and a + b > 1.05:
        z = days / (alpha + days)
        closed = (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + days)) ** r * hyp2f1(r, b, a + b - 1, z))
        assert found == pytest.approx(closed, rel=5e-4)
    assert 0.0 < found < r / alpha * days * (1 + 1e-9)  # what they would buy if nobody were lost


def test_the_expectation_passes_through_a_of_one() -> None:
    below, at, above = (buying.expected(one(0.243, 4.414, a, 2.426), 520.0)[0] for a in (1 - 1e-6, 1.0, 1 + 1e-6))
    assert above < at < below
    density = beta(1.0, 2.426)
    summed, _ = quad(lambda p: density.pdf(p) * -math.expm1(-0.243 * math.log1p(p * 520 / 4.414)) / p, 1e-12, 1)
    assert at == pytest.approx(summed, rel=1e-6)


@given(r=SHAPE, alpha=st.floats(0.5, 100.0), a=SHAPE, b=SHAPE, force=st.floats(1e-5, 3e-3))
def test_interest_takes_away_what_it_must(r: float, alpha: float, a: float, b: float, force: float) -> None:
    p, days = one(r, alpha, a, b), 365.0
    plain, counted = buying.expected(p, days)[0], buying.expected(p, days, force)[0]
    assert math.exp(-force * days) * plain <= counted <= plain * (1 + 1e-9)
    # Week by week, each week's purchases counted at its ends.
    risen = np.array([buying.expected(p, t)[0] for t in np.linspace(1e-9, days, 53)])
    ends = np.exp(-force * np.linspace(0, days, 53))
    assert (np.diff(risen) * ends[1:]).sum() * (1 - 1e-6) <= counted <= (np.diff(risen) * ends[:-1]).sum() * (1 + 1e-6)


@given(
    x=st.integers(1, 200), recency=st.floats(0.0, 300.0), wait=st.floats(0.0, 300.0), more=st.floats(0.1, 100.0),
    a=SHAPE, b=SHAPE,
)  # fmt: skip
def test_silence_makes_loss_likelier(x: int, recency: float, wait: float, more: float, a: float, b: float) -> None:
    p, last = one(0.5, 10.0, a, b), np.array([recency])
    soon, late = (buying.alive(p, ints(x), last, last + since)[0] for since in (wait, wait + more))
    assert 0.0 <= late <= soon <= 1.0


def test_the_parameters_of_known_customers_are_found_again() -> None:
    """Within four standard errors, which 20,000 histories of 60 weeks leave at about 1.5 to 7%."""
    rng, count = np.random.default_rng(11), 20_000
    truth = one(0.6, 8.0, 0.9, 2.5)
    p = truth.of(np.zeros(count, dtype=np.int64))
    rate, chance = rng.gamma(p.r) / p.alpha, rng.beta(p.a, p.b)
    age = rng.uniform(20.0, 60.0, count)
    x, last = np.zeros(count, dtype=np.int64), np.zeros(count)
    going = np.ones(count, dtype=bool)
    while going.any():
        then = last + rng.exponential(1.0, count) / np.maximum(rate, 1e-300)
        going &= then <= age
        last, x = np.where(going, then, last), x + going
        going &= rng.random(count) >= chance
    found = buying.most_likely(x, last, age)
    for name, spread in {"r": 0.016, "alpha": 0.025, "a": 0.06, "b": 0.08}.items():
        error = math.log(getattr(found, name)[0] / getattr(truth, name)[0])
        assert abs(error) < 5 * spread, name
    drawn = buying.replicate(p, age, rng)
    assert abs(drawn.mean() - x.mean()) < 5 * math.sqrt((drawn.var() + x.var()) / count)


@pytest.mark.parametrize("x", [(0, 0, 0), (0,)])
def test_nobody_who_came_back_tells_no_parameters(x: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="nobody came back"):
        buying.most_likely(ints(*x), np.zeros(len(x)), np.ones(len(x)))


# Gamma-Gamma


def paying(p: float, q: float, gamma: float) -> Spending:
    return Spending(np.array([p]), np.array([q]), np.array([gamma]))


def test_one_purchase_by_hand() -> None:
    """p = 1, q = 2, gamma = 3, one purchase of 3: q gamma^q / (gamma + z)^(q + 1) = 2 * 9 / 216 = 1/12."""
    found = spending.log_likelihood(paying(1.0, 2.0, 3.0), ints(1), np.array([3.0]))
    assert found[0] == pytest.approx(math.log(1 / 12))


def test_the_density_of_the_mean_of_several_purchases_is_one() -> None:
    p = paying(6.25, 3.74, 15.44)
    whole, _ = quad(lambda z: math.exp(spending.log_likelihood(p, ints(3), np.array([z]))[0]), 0, np.inf)
    mean, _ = quad(lambda z: z * math.exp(spending.log_likelihood(p, ints(3), np.array([z]))[0]), 0, np.inf)
    assert (whole, mean) == (pytest.approx(1.0, abs=1e-6), pytest.approx(p.mean[0], rel=1e-5))


def test_the_published_mean_of_cdnow() -> None:
    """35.2 dollars a purchase, and 24.66 of the customer whose two averaged 22.35, as the authors' note has it."""
    p = paying(6.25, 3.74, 15.44)
    assert p.mean[0] == pytest.approx(35.2, abs=0.05)
    assert spending.expected(p, ints(2), np.array([22.35]))[0] == pytest.approx(24.66, abs=0.02)


@given(p=st.floats(0.5, 20.0), q=st.floats(1.1, 20.0), x=st.integers(1, 50), z=st.floats(0.1, 1000.0))
def test_the_next_purchase_lies_between_the_customers_and_all(p: float, q: float, x: int, z: float) -> None:
    all_of = paying(p, q, 30.0)
    low, high = sorted([z, float(all_of.mean[0])])
    assert low * (1 - 1e-9) <= spending.expected(all_of, ints(x), np.array([z]))[0] <= high * (1 + 1e-9)


def test_what_customers_spend_is_found_again() -> None:
    rng, count = np.random.default_rng(12), 20_000
    x = rng.integers(1, 6, count)
    scale = 15.0 / rng.gamma(4.0, size=count)
    z = rng.gamma(6.0 * x) * scale / x
    found = spending.most_likely(np.append(x, 0), np.append(z, 0.0))
    for name, true in {"p": 6.0, "q": 4.0, "gamma": 15.0}.items():
        assert abs(math.log(getattr(found, name)[0] / true)) < 0.15, name
    assert found.mean[0] == pytest.approx(30.0, rel=0.03)
    with pytest.raises(ValueError, match="nobody came back"):
        spending.most_likely(ints(0), np.zeros(1))


# Shifted-beta-geometric


@pytest.mark.parametrize(
    ("left", "a", "b", "likelihood"),
    [
        ((1000, 869, 743, 653, 593, 551, 517, 491), 0.668, 3.806, -1611.2),
        ((1000, 631, 468, 382, 326, 289, 262, 241), 0.704, 1.182, -1680.3),
    ],
)
def test_the_published_retention_of_two_segments(left: tuple[int, ...], a: float, b: float, likelihood: float) -> None:
    """High End and Regular of Fader and Hardie (2007), seven renewals of a thousand subscribers."""
    stayed = np.array(left, dtype=np.float64)
    renewed, gone = stayed[1:], stayed[:-1] - stayed[1:]
    found = renewing.most_likely(renewed, gone)
    assert found == (pytest.approx(a, abs=5e-4), pytest.approx(b, abs=5e-4))
    one_a, one_b = (np.array([value]) for value in found)
    assert renewing.log_likelihood(one_a, one_b, renewed[None], gone[None]) == pytest.approx(likelihood, abs=0.06)


def test_survival_by_hand() -> None:
    """a = b = 1: 1/2, 1/3, 1/4; and of those who renewed once, 2/3, 1/2."""
    a = b = np.array([1.0])
    assert renewing.survival(a, b, 3)[0] == pytest.approx([1 / 2, 1 / 3, 1 / 4])
    assert renewing.survival(a, b, 2, ints(1))[0] == pytest.approx([2 / 3, 1 / 2])


def test_renewals_are_read_from_payments() -> None:
    """Of 90 days: twice renewed and going on; lost after one; renewed, the next one three days late; just begun."""
    recency, age = ints(60, 30, 30, 0), ints(75, 90, 63, 10)
    nothing = np.zeros(4)
    customers = Customers(
        datetime(2026, 4, 1, tzinfo=UTC).date(), "EUR", ("a", "b", "c", "d"), ("",), ints(0, 0, 0, 0),
        ints(1, 1, 1, 1), ints(2, 1, 1, 0), recency, age, nothing, nothing,
    )  # fmt: skip
    found = renewing.renewals(customers, 30.0, 7.0)
    assert found.renewed.tolist() == [2, 1, 1, 0]
    assert found.ended.tolist() == [0, 1, 0, 0]
    assert found.due.tolist() == [2, 2, 1, 0]
    more, left = found.counts(ints(0, 0, 0, 0), 1)
    assert more.tolist() == [[3.0, 1.0, 0.0]]
    assert left.tolist() == [[0.0, 1.0, 0.0]]


def test_subscribers_of_known_loss_are_found_again() -> None:
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    kind = Subscribers("search", 6_000, (1.2, 6.0), 9.9, 30.0)
    told = orders([kind], (start, end), end, "EUR", np.random.default_rng(13))
    customers = summarise(told, end.date(), "EUR", UTC)
    more, left = renewing.renewals(customers, 30.0, 7.0).counts(customers.channel, 1)
    a, b = renewing.most_likely(more[0], left[0])
    assert a / (a + b) == pytest.approx(1.2 / 7.2, rel=0.08)  # five standard errors
    assert math.log((a + b) / 7.2) == pytest.approx(0.0, abs=0.5)


# The story and the formulae


def test_what_made_up_customers_bring_is_what_the_formulae_expect() -> None:
    """Mean discounted value of 20,000 new customers in a year, within five standard errors."""
    kind, force, rng = Clientele("search", 1, 0.5, 30.0, (0.8, 2.5), (6.0, 4.0, 15.0)), 3e-4, np.random.default_rng(14)
    brought = [sum(v * math.exp(-force * t) for t, v in history(kind, 365.0, rng)) for _ in range(20_000)]
    repeats = buying.expected(one(0.5, 30.0, 0.8, 2.5), 365.0, force)[0]
    expected = 30.0 * (1.0 + repeats)
    assert np.mean(brought) == pytest.approx(expected, abs=5 * np.std(brought) / math.sqrt(len(brought)))
