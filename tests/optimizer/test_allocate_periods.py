"""Plans over days: by hand where that is possible, else against a linear programme, SLSQP and plans drawn at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from optimizer.allocate.periods import Carry, Horizon, Schedule, schedule
from optimizer.plan.snapshot import FloatArray


def roots(days: int, budgets: int = 1, points: int = 401, **changes: object) -> Horizon:
    """Curves 2 sqrt(x) on spends up to 16, an ordinary season, money for 1 a day and budget."""
    grid = np.tile(np.linspace(0, 16, points), (budgets, 1))
    plain = Horizon(
        grid=grid,
        gain=2 * np.sqrt(grid),
        factor=np.ones((days, budgets)),
        money=float(days * budgets),
        lower=np.zeros((days, budgets)),
        upper=np.full((days, budgets), 16.0),
        carry=Carry.EFFECT,
        retention=np.zeros(budgets),
        before=np.zeros(budgets),
    )
    return replace(plain, **changes)


def drawn(seed: int, days: int, budgets: int, *, s_shaped: bool = False, **changes: object) -> Horizon:
    """Hill curves under a week's season."""
    rng = np.random.default_rng(seed)
    size = rng.lognormal(2, 0.7, budgets)
    power = np.full(budgets, 2.0 if s_shaped else 1.0)
    grid = np.linspace(0, 1, 25) ** 1.5 * (5 * size)[:, None]
    gain = (size * grid.T**power / (grid.T**power + (1.3 * size) ** power)).T
    factor = 1 + 0.4 * np.sin(2 * np.pi * (np.arange(days)[:, None] / 7 + rng.random(budgets)))
    plain = Horizon(
        grid=grid, gain=gain, factor=factor, money=float(days * size.sum()), lower=np.tile(0.1 * size, (days, 1)),
        upper=np.tile(4 * size, (days, 1)), carry=Carry.EFFECT, retention=np.full(budgets, 0.5), before=0.8 * size,
        yesterday=size,
    )  # fmt: skip
    return replace(plain, **changes)


def worth(horizon: Horizon, spend: FloatArray) -> float:
    """The value of a plan, day by day, as the module's docstring has it; effects after the last day at `beyond`."""
    theta, total = horizon.retention, 0.0
    state = horizon.before if horizon.carry is Carry.STOCK else np.zeros(len(horizon.grid))
    for paid, factor in zip(spend, horizon.factor, strict=True):
        state = (1 - theta) * paid + theta * state if horizon.carry is Carry.STOCK else state
        reads = state if horizon.carry is Carry.STOCK else paid
        response = [np.interp(x, g, f) for x, g, f in zip(reads, horizon.grid, horizon.gain, strict=True)]
        if horizon.carry is Carry.EFFECT:
            state = (1 - theta) * response + theta * state
            response = state
        total += float((factor * response).sum())
    if horizon.carry is Carry.EFFECT:
        total += horizon.beyond * float((state * theta / (1 - theta)).sum())
    return total


def in_bounds(horizon: Horizon, found: Schedule) -> None:
    spend = found.spend
    assert (spend >= horizon.lower - 1e-9).all()
    assert (spend <= horizon.upper + 1e-9).all()
    assert spend.sum() <= horizon.money * (1 + 1e-9)
    if np.isfinite(horizon.step):
        before = np.concatenate([horizon.yesterday[None], spend[:-1]])
        assert (spend <= before * (1 + horizon.step) + 1e-6).all()
        assert (spend >= before * (1 - horizon.step) - 1e-6).all()


def test_equal_days_are_spent_equally() -> None:
    found = schedule(roots(5))
    assert found.spend[:, 0] == pytest.approx(np.ones(5), abs=0.05)
    assert found.value == pytest.approx(10, rel=1e-4)
    assert found.price == pytest.approx(1.0, abs=0.05)  # d 2 sqrt(x) / dx at 1
    assert found.gap <= 1e-4


def test_a_day_that_counts_twice_gets_four_times_the_money() -> None:
    """s_t 2 sqrt(x_t) has the slope s_t / sqrt(x_t): spends go with the square of the season."""
    found = schedule(roots(3, factor=np.array([[1.0], [2.0], [1.0]]), money=6.0))
    assert found.spend[:, 0] == pytest.approx([1, 4, 1], abs=0.06)
    assert found.by_day[0] == pytest.approx([1, 4, 1], abs=0.06)


def test_effects_count_by_the_days_on_which_they_arrive() -> None:
    horizon = roots(2, factor=np.array([[1.0], [3.0]]), retention=np.array([0.5]), beyond=0.0)
    assert horizon.worth[:, 0].tolist() == [0.5 * 1 + 0.25 * 3, 0.5 * 3]
    assert replace(horizon, beyond=2.0).worth[:, 0].tolist() == [1.25 + 0.25 * 2, 1.5 + 0.5 * 2]


def test_what_arrives_counts_what_the_days_before_left() -> None:
    horizon = roots(3, retention=np.array([0.5]), before=np.array([8.0]), money=0.0)
    found = schedule(horizon)
    assert found.outcome[:, 0].tolist() == [4.0, 2.0, 1.0]
    assert found.value == 0
    stock = schedule(replace(horizon, carry=Carry.STOCK, before=np.array([4.0])))
    assert stock.outcome[:, 0] == pytest.approx([2 * np.sqrt(2), 2.0, 2 * np.sqrt(0.5)], rel=1e-2)


@pytest.mark.parametrize("changes", [{}, {"step": 0.2}, {"carry": Carry.STOCK}])
def test_the_value_is_what_the_days_bring(changes: dict[str, object]) -> None:
    horizon = drawn(3, 6, 3, **changes)
    found = schedule(horizon)
    in_bounds(horizon, found)
    assert found.needed is None
    after = 0.0
    if horizon.carry is Carry.STOCK:
        after = found.value - worth(horizon, found.spend)  # what its last stock brings after the horizon
        assert after > 0
    assert found.value == pytest.approx(worth(horizon, found.spend) + after, rel=1e-9)
    expected = worth(horizon, found.spend) if horizon.carry is Carry.STOCK else None
    if expected is not None:
        assert found.outcome.sum() == pytest.approx(expected)


def exact(horizon: Horizon) -> float:
    """The optimum over concave curves by one linear programme: spends, states, and tangents above the outcomes."""
    days, budgets = horizon.factor.shape
    cells = days * budgets
    stock = horizon.carry is Carry.STOCK
    rows, bounds = [], []

    def state(day: int, k: int) -> tuple[FloatArray, float]:
        """The state as a linear function of all spends."""
        row, theta = np.zeros(2 * cells), horizon.retention[k]
        if not stock:
            row[day * budgets + k] = 1
            return row, 0.0
        for earlier in range(day + 1):
            row[earlier * budgets + k] = (1 - theta) * theta ** (day - earlier)
        return row, float(theta ** (day + 1) * horizon.before[k])

    for day in range(days):
        for k in range(budgets):
            row, constant = state(day, k)
            table = horizon.worth[day, k] * horizon.gain[k]
            slopes = np.diff(table) / np.diff(horizon.grid[k])
            for slope, x, y in zip(slopes, horizon.grid[k], table, strict=False):
                line = -slope * row
                line[cells + day * budgets + k] = 1
                rows.append(line)
                bounds.append(y - slope * x + slope * constant)
            if np.isfinite(horizon.step):
                for sign, share in ((1, 1 + horizon.step), (-1, 1 - horizon.step)):
                    line, right = np.zeros(2 * cells), 0.0
                    line[day * budgets + k] = sign
                    if day:
                        line[(day - 1) * budgets + k] = -sign * share
                    else:
                        right = sign * share * horizon.yesterday[k]
                    rows.append(line)
                    bounds.append(right)
    rows.append(np.repeat([1.0, 0.0], cells))
    bounds.append(horizon.money)
    ends = [*zip(horizon.lower.ravel(), horizon.upper.ravel(), strict=True), *[(None, None)] * cells]
    found = linprog(-np.repeat([0.0, 1.0], cells), A_ub=np.array(rows), b_ub=bounds, bounds=ends)
    assert found.success
    return float(-found.fun)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("changes", [{}, {"step": 0.15}, {"carry": Carry.STOCK, "beyond": 0.0}])
def test_it_equals_the_linear_programme_on_concave_curves(seed: int, changes: dict[str, object]) -> None:
    horizon = drawn(seed, 8, 2, **changes)
    found, best = schedule(horizon), exact(horizon)
    in_bounds(horizon, found)
    assert found.value >= best * (1 - 5e-4)
    assert found.value <= best * (1 + 1e-6)
    assert found.upper_bound >= best * (1 - 1e-7)
    assert found.upper_bound <= best * (1 + 2e-3)


def test_it_is_not_worse_than_slsqp_on_carried_stocks() -> None:
    horizon = drawn(5, 5, 2, carry=Carry.STOCK, beyond=0.0)
    found = schedule(horizon)
    other = minimize(
        lambda x: -worth(horizon, x.reshape(5, 2)),
        np.full(10, horizon.money / 10).clip(horizon.lower.ravel(), horizon.upper.ravel()),
        bounds=list(zip(horizon.lower.ravel(), horizon.upper.ravel(), strict=True)),
        constraints=[{"type": "ineq", "fun": lambda x: horizon.money - x.sum()}],
        method="SLSQP",
    )
    assert found.value >= -other.fun * (1 - 5e-4)


@pytest.mark.parametrize("changes", [{"step": 0.2}, {"carry": Carry.STOCK}])
def test_many_budgets_of_s_curves_are_proven_near_the_best(changes: dict[str, object]) -> None:
    assert schedule(drawn(4, 8, 40, s_shaped=True, **changes)).gap < 3e-3


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([{}, {"step": 0.3}, {"carry": Carry.STOCK}]), st.floats(0.3, 2.0))
def test_no_plan_drawn_at_random_is_above_the_bound(seed: int, changes: dict[str, object], money: float) -> None:
    horizon = drawn(seed, 5, 2, s_shaped=seed % 2 == 0, **changes)
    horizon = replace(horizon, money=horizon.money * money, beyond=0.0)
    found = schedule(horizon)
    if found.needed is not None:
        return
    in_bounds(horizon, found)
    assert found.upper_bound >= found.value * (1 - 1e-12)
    rng = np.random.default_rng(seed)
    for _ in range(50):
        before, spend = horizon.yesterday, np.empty_like(found.spend)
        for day in range(5):
            reach = min(horizon.step, 1e6)
            low = np.maximum(horizon.lower[day], (1 - min(reach, 1.0)) * before)
            high = np.minimum(horizon.upper[day], (1 + reach) * before)
            spend[day] = before = low + rng.random(2) * np.maximum(high - low, 0)
        if spend.sum() <= horizon.money:
            assert worth(horizon, spend) <= found.upper_bound * (1 + 1e-9)


@pytest.mark.parametrize("step", [0.1, 0.2, 0.25, 0.3])
def test_a_plan_that_takes_every_step_whole_is_below_the_bound(step: float) -> None:
    """Its spends lie on the edges of cells, where rounding could lose them: 1, 1 + step, (1 + step)^2, ..."""
    horizon = roots(12, money=1e6, lower=np.full((12, 1), 0.5), step=step, yesterday=np.ones(1))
    climb = np.minimum((1.0 + step) ** np.arange(1, 13), 16.0)[:, None]
    found = schedule(horizon)
    assert worth(horizon, climb) <= found.upper_bound <= worth(horizon, climb) * 1.02


def test_money_that_brings_nothing_is_left() -> None:
    grid = np.linspace(0, 16, 33)[None]
    found = schedule(roots(4, grid=grid, gain=np.minimum(grid, 2.0), money=40.0, step=0.5, yesterday=np.array([2.0])))
    assert found.value == pytest.approx(8)
    assert found.price == 0
    assert found.upper_bound == pytest.approx(8, rel=1e-3)


@pytest.mark.parametrize("changes", [{}, {"step": 0.1, "yesterday": np.array([4.0])}, {"carry": Carry.STOCK}])
def test_too_little_money_is_told_with_what_is_needed(changes: dict[str, object]) -> None:
    horizon = roots(3, lower=np.full((3, 1), 2.0), money=1.0, **changes)
    found = schedule(horizon)
    assert found.needed is not None
    least = 4.0 * (0.9 + 0.81 + 0.729) if "step" in changes else 6.0
    assert found.needed == pytest.approx(least, rel=0.03)
    enough = schedule(replace(horizon, money=found.needed * 1.001))
    assert enough.needed is None


@pytest.mark.parametrize("carried", [{"step": 0.2}, {"carry": Carry.STOCK, "retention": np.full(2, 0.5)}])
@pytest.mark.parametrize("money", [0.0, 5.0])
@pytest.mark.parametrize("flat", [False, True], ids=["pinned", "flat"])
def test_where_no_gain_sets_a_price_too_little_money_is_told_too(
    carried: dict[str, object], money: float, flat: bool
) -> None:
    least = np.full((3, 2), 2.0)
    bounds = {"lower": least, "upper": 2 * least if flat else least, "before": np.full(2, 2.0)}
    plain = roots(3, 2, money=money, **bounds, **carried)
    horizon = replace(plain, gain=np.ones_like(plain.gain)) if flat else plain
    found = schedule(horizon)
    assert found.needed == pytest.approx(12.0)
    assert found.spend == pytest.approx(least)
    enough = schedule(replace(horizon, money=12.1))
    assert enough.needed is None
    assert enough.spend.sum() <= 12.1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"retention": np.array([1.0])}, "retention"),
        ({"upper": np.full((3, 1), 17.0)}, "within the grid"),
        ({"lower": np.full((3, 1), 5.0), "upper": np.full((3, 1), 4.0)}, "lower <= upper"),
        ({"factor": np.ones((3, 2))}, "lower needs|factor needs"),
        ({"step": 0.0}, "above zero"),
        ({"step": 0.2, "carry": Carry.STOCK}, "Mend"),
        ({"money": np.inf}, "finite"),
        ({"before": np.array([np.nan])}, "before"),
        ({"gain": np.zeros((1, 3))}, "must be"),
        ({"grid": np.zeros((1, 401))}, "ascending"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        roots(3, **changes)
