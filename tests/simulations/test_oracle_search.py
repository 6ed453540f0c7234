"""The search on plain curves: closed forms, brute force, and bounds that nothing beats."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.oracle.bend import bend
from simulations.oracle.grid import Ranges, finer_suprema, suprema, tabulate
from simulations.oracle.hull import mend, pour, segments, torn
from simulations.oracle.portfolio import Impossible, Portfolio, check_box
from simulations.oracle.search import solve
from simulations.saturation import FAMILIES, Curves, Family

SLOPES = {
    Family.MICHAELIS_MENTEN: (1.0, 1.0),
    Family.HILL: (0.6, 3.0),
    Family.POWER: (0.4, 1.0),
    Family.LOG: (1.0, 1.0),
    Family.LOGISTIC: (1.0, 6.0),
}


def _curves(families, half, slope):
    index = np.array([FAMILIES.index(family) for family in families])
    half = np.asarray(half, dtype=np.float64)
    return Curves(index, half, np.asarray(slope, dtype=np.float64), half)


def _portfolio(curves, weight, *, cap=None, pool=None, overlap=0.0):
    """Curves without any noise; `cap` is a spend above which nothing more comes."""
    k = curves.half.size
    pool = np.arange(k) if pool is None else np.asarray(pool)
    cap = np.full(k, np.inf) if cap is None else cap
    weight = np.asarray(weight, dtype=np.float64)

    def at(rows, budgets):
        pad = (slice(None),) + (None,) * (budgets.ndim - 1)
        return weight[rows][pad] * curves.take(rows)(np.minimum(budgets, cap[rows][pad]))

    return Portfolio(
        curve=at,
        kinks=cap[:, None] if np.isfinite(cap).all() else np.empty((k, 0)),
        bend=bend(curves, np.zeros(k)),
        pool=pool,
        reference=np.bincount(pool, weight),
        overlap=overlap,
    )


def _random(rng, k, *, capped=False, overlap=0.0):
    families = [list(Family)[i] for i in rng.integers(0, len(FAMILIES), k)]
    curves = _curves(families, rng.uniform(20.0, 300.0, k), [rng.uniform(*SLOPES[family]) for family in families])
    pool = np.sort(rng.integers(0, max(k // 2, 1), k)) if overlap else None
    if pool is not None:
        pool = np.unique(pool, return_inverse=True)[1]
    cap = rng.uniform(30.0, 300.0, k) if capped else None
    return _portfolio(curves, rng.uniform(5.0, 20.0, k), cap=cap, pool=pool, overlap=overlap)


def test_water_filling_of_logarithms():
    # a log(1 + x / h): the marginal a / (x + h) is the price p, so x = a / p - h, and the sum gives p.
    a, h, total = np.array([40.0, 25.0, 10.0]), np.array([50.0, 100.0, 20.0]), 600.0
    portfolio = _portfolio(_curves([Family.LOG] * 3, h, np.ones(3)), a * np.log(2.0))
    found = solve(portfolio, np.zeros(3), np.full(3, total), total)
    price = a.sum() / (total + h.sum())
    assert found.budgets == pytest.approx(a / price - h, rel=1e-3)
    assert found.price == pytest.approx(price, rel=0.05)
    best = float((a * np.log(a / price / h)).sum())
    assert best * (1 - 1e-8) <= found.value <= best * (1 + 1e-12)
    assert best <= found.upper_bound <= best * (1 + 2e-4)


def test_two_saturating_campaigns_have_equal_marginal_returns():
    # a x / (x + h): a h / (x + h)^2 = p, so x = sqrt(a h / p) - h.
    a, h, total = np.array([30.0, 10.0]), np.array([80.0, 40.0]), 200.0
    portfolio = _portfolio(_curves([Family.MICHAELIS_MENTEN] * 2, h, np.ones(2)), a / 2.0)
    found = solve(portfolio, np.zeros(2), np.full(2, total), total)
    root = np.sqrt(a * h).sum() / (total + h.sum())
    assert found.budgets == pytest.approx(np.sqrt(a * h) / root - h, rel=1e-3)
    marginal = a * h / (found.budgets + h) ** 2
    assert marginal[0] == pytest.approx(marginal[1], rel=2e-3)
    assert found.budgets.sum() == pytest.approx(total)


def test_one_pool_of_two_equal_campaigns():
    # S(1+o)/(1+oS/R) of x1 + x2 at equal curves: equal budgets, whatever the overlap.
    curves = _curves([Family.MICHAELIS_MENTEN] * 2, [50.0, 50.0], [1.0, 1.0])
    portfolio = _portfolio(curves, [3.0, 3.0], pool=[0, 0], overlap=2.0)
    found = solve(portfolio, np.zeros(2), np.full(2, 100.0), 100.0)
    assert found.budgets == pytest.approx([50.0, 50.0], rel=1e-2)
    assert found.value == pytest.approx(6.0, rel=1e-6)
    # Phi'(R) = 1 / (1 + o); f'(50) = 3 * 2 * 50 / 100^2.
    assert found.price == pytest.approx(3 * 2 * 50 / 100**2 / 3.0, rel=0.05)


def test_a_pool_that_is_flooded_has_a_tiny_price_and_a_tight_bound():
    # S / R = 1e7: the last unit of money brings a hundred-million-millionth of what the first one brings.
    curves = _curves([Family.POWER] * 2, [1e-4, 1e-4], [1.0, 1.0])
    portfolio = _portfolio(curves, [1.0, 1.0], pool=[0, 0], overlap=5.0)
    found = solve(portfolio, np.zeros(2), np.full(2, 800.0), 1000.0)
    assert found.value == pytest.approx(2.0 * 6.0 / 5.0)
    assert found.upper_bound <= found.value * (1 + 1e-6)


def test_a_steep_curve_is_climbed_or_left_but_not_paid_in_part():
    steep = _curves([Family.HILL] * 2, [100.0, 100.0], [3.0, 3.0])
    found = solve(_portfolio(steep, [1.0, 1.0]), np.zeros(2), np.full(2, 150.0), 150.0)
    assert sorted(found.budgets) == pytest.approx([0.0, 150.0], abs=1e-3)
    assert found.upper_bound <= found.value * (1 + 2e-4)


@pytest.mark.parametrize("overlap", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("capped", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_brute_force_finds_nothing_better(seed, capped, overlap):
    portfolio = _random(np.random.default_rng(seed), 3, capped=capped, overlap=overlap)
    lower, upper, total = np.array([5.0, 0.0, 20.0]), np.array([300.0, 300.0, 250.0]), 400.0
    grid = np.linspace(lower, upper, 151, axis=1)
    alone = portfolio.curve(portfolio.rows, grid)
    rest = total - grid[0][:, None] - grid[1][None, :]
    i, j = np.nonzero(rest >= lower[2])
    third = portfolio.curve(portfolio.rows[2:], np.minimum(rest[i, j], upper[2])[None])[0]
    pools = np.zeros((portfolio.reference.size, i.size))
    for k, brings in enumerate((alone[0, i], alone[1, j], third)):
        pools[portfolio.pool[k]] += brings
    o, reference = portfolio.overlap, portfolio.reference[:, None]
    brute = float((pools * (1 + o) / (1 + o * pools / reference)).sum(axis=0).max())
    found = solve(portfolio, lower, upper, total)
    assert found.value >= brute * (1 - 1e-7)
    assert found.upper_bound >= brute
    assert found.upper_bound <= found.value * (1 + 1e-3)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    k=st.integers(1, 12),
    capped=st.booleans(),
    overlap=st.sampled_from([0.0, 0.3, 2.0]),
    floor=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_no_feasible_budgets_beat_the_bound(seed, k, capped, overlap, floor):
    rng = np.random.default_rng(seed)
    portfolio = _random(rng, k, capped=capped, overlap=overlap)
    total = 100.0 * k
    lower, upper = floor * rng.uniform(0.0, 90.0, k), rng.uniform(90.0, 500.0, k)
    found = solve(portfolio, lower, upper, total)
    assert found.budgets.sum() <= total * (1 + 1e-9)
    assert (found.budgets >= lower - 1e-9).all()
    assert (found.budgets <= upper + 1e-9).all()
    assert found.value == pytest.approx(portfolio.value(found.budgets))
    assert found.value <= found.upper_bound
    for alpha in (0.1, 1.0, 5.0):
        share = rng.dirichlet(np.full(k, alpha))
        plan = np.minimum(lower + share * max(total - lower.sum(), 0.0), upper)
        assert portfolio.value(plan) <= found.upper_bound * (1 + 1e-12)


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("elasticity", [-0.5, 0.0, 0.3, 0.9])
def test_no_curve_bends_more_than_its_bound(family, elasticity):
    z = np.geomspace(1e-3, 50.0, 4001)
    for slope in (0.3, 0.7, 1.0, 1.6, 3.0, 8.0, 12.0):
        curves = _curves([family], [1.0], [slope])

        def f(at, curves=curves):
            g = curves(at[None])[0]
            return g * ((g + 0.1) / 1.1) ** -elasticity

        step = 1e-4 * z
        second = (f(z + step) - 2.0 * f(z) + f(z - step)) / step**2
        # Below 1e-6 of its height a steep curve's second difference is rounding.
        seen = f(z) > 1e-6
        bent = (z**2 * np.abs(second) / f(z))[seen]
        assert bent.max() <= bend(curves, np.array([elasticity]))[0] * (1 + 1e-3) + 1e-3


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000), st.floats(0.0, 0.3), st.booleans())
def test_suprema_are_bounds_and_finer_ones_are_close(seed, price, capped):
    rng = np.random.default_rng(seed)
    portfolio = _random(rng, 5, capped=capped)
    lower, upper = np.array([0.0, 1.0, 10.0, 40.0, 60.0]), np.full(5, 400.0)
    weight = rng.uniform(0.3, 2.0, 5)
    table = tabulate(portfolio, lower, upper, 40)
    everything = Ranges(np.zeros(5, dtype=np.intp), np.full(5, table.x.shape[1] - 1))
    # The corners too: a curve may fall off steeply on both sides of them.
    x = np.concatenate([np.linspace(lower, upper, 5001, axis=1), table.x], axis=1)
    dense = (weight[:, None] * portfolio.curve(portfolio.rows, x) - price * x).max(axis=1)
    coarse = suprema(table, everything, weight, price)
    fine = finer_suprema(portfolio, table, everything, weight, price, 1e-4)
    assert (dense <= coarse + 1e-9).all()
    assert (dense <= fine + 1e-9).all()
    assert (fine <= dense + 5e-3).all()


def test_hull_skips_what_lies_under_a_line():
    x = np.array([[0.0, 1.0, 2.0, 3.0, 4.0]])
    f = np.array([[0.0, 0.5, 3.0, 4.0, 4.5]])
    hulls = segments(x, f, np.ones(x.shape, dtype=bool))
    assert hulls.left.tolist() == [0, 2, 3]
    assert hulls.right.tolist() == [2, 3, 4]
    assert hulls.gain.tolist() == [3.0, 1.0, 0.5]
    assert hulls.leap.tolist() == [True, False, False]
    portfolio = _portfolio(_curves([Family.LOG], [1.0], [1.0]), [1.0])
    poured = pour(portfolio, hulls, np.zeros(1), 1.0)
    assert poured.share.tolist() == [0.5, 0.0, 0.0]
    assert poured.price == 1.5
    assert torn(hulls, poured).tolist() == [True, False, False]
    assert mend(portfolio, hulls, np.zeros(1), 1.0, poured).tolist() == [0.0]
    assert pour(portfolio, hulls, np.zeros(1), 9.0).price == 0.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100_000))
def test_hulls_are_concave_and_above_their_points(seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 10, (4, 30)), axis=1)
    f = np.cumsum(rng.exponential(size=(4, 30)) ** 3, axis=1)
    hulls = segments(x, f, np.ones(x.shape, dtype=bool))
    for k in range(4):
        mine = np.flatnonzero(hulls.row == k)
        slope = hulls.gain[mine] / hulls.cost[mine]
        assert (np.diff(slope) <= 1e-9 * slope[:-1]).all()
        corners = np.append(hulls.left[mine], hulls.right[mine[-1]])
        assert corners[0] == 0
        assert corners[-1] == 29
        above = np.interp(x[k], x[k, corners], f[k, corners])
        assert (above >= f[k] * (1 - 1e-12)).all()


@pytest.mark.parametrize("overlap", [0.5, 4.0])
def test_money_in_pools_is_poured_to_equal_margins(overlap):
    rng = np.random.default_rng(5)
    portfolio = _random(rng, 8, overlap=overlap)
    table = tabulate(portfolio, np.full(8, 5.0), np.full(8, 400.0), 60)
    hulls = segments(table.x, table.f, table.use)
    base = portfolio.pooled(table.f[:, 0])
    poured = pour(portfolio, hulls, base, 700.0)
    assert float(hulls.cost @ poured.share) == pytest.approx(700.0)
    reached = base + portfolio.pooled(np.bincount(hulls.row, hulls.gain * poured.share, 8))
    slope = portfolio.marginal(reached)[portfolio.pool[hulls.row]] * hulls.gain / hulls.cost
    assert (slope[poured.share == 0.0] <= poured.price * (1 + 1e-3)).all()
    assert (slope[poured.share == 1.0] >= poured.price * (1 - 1e-3)).all()


def test_impossible_boxes_are_refused():
    ones = np.ones(2)
    with pytest.raises(Impossible, match=r"sum to 2\.00, more than the total of 1\.00"):
        check_box(ones, 2 * ones, 1.0)
    with pytest.raises(Impossible, match=r"number 1 has 1\.00 and 0\.50"):
        check_box(ones, np.array([1.0, 0.5]), 5.0)
