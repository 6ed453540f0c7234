"""Mornings judged afterwards: the scores, what a morning may know, and what is assumed where nothing was known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from connectors.contract import Account, BudgetTarget, Level, PerformanceRow, Series
from connectors.errors import BadInput
from connectors.money import Money
from optimizer import approval
from optimizer.agent import backtest
from optimizer.agent.clock import SetClock
from optimizer.agent.cycle import House
from optimizer.agent.logged import Columns, Policy, read_log, verdicts
from optimizer.agent.notify import LogNotifier
from optimizer.agent.store import MemoryStore, open_sql
from optimizer.agent.tenure import Tenure
from optimizer.decide import hindsight
from optimizer.decide.hindsight import Advice, Judged, Marks
from optimizer.decide.tally import by_day, tally
from optimizer.goals import Goals
from optimizer.guardrails import Guardrails
from optimizer.plan.recommendation import Effect
from optimizer.plan.snapshot import FloatArray
from optimizer.ports import SnapshotQuery, Store, StoreError
from optimizer.response import learn
from optimizer.response.scores import Predictive

ACCOUNT = Account("shop", "main", "EUR", "UTC")
FIRST = date(2026, 1, 1)
DAYS = 90
NAMES = ("ads", "buys", "clips")
SCALE, HALF = np.array([[40.0], [30.0], [60.0]]), np.array([[60.0], [160.0], [250.0]])
DELAY = (0.5, 0.25, 0.15, 0.1)  # of a day's conversions, reported 1, 2, 3 and 4 days later


# The scores


def mixture(mean: FloatArray, excess: float) -> Callable[[int], float]:
    """The probability of a count, from SciPy's own negative binomial."""
    shape = 1 / excess
    return lambda count: float(stats.nbinom.pmf(count, shape, shape / (shape + mean)).mean())


@given(st.integers(0, 2**32), st.floats(0.01, 3), st.integers(0, 30))
def test_scores_are_those_of_the_mixture(seed: int, excess: float, count: int) -> None:
    mean = np.random.default_rng(seed).gamma(3.0, 2.0, size=(7, 1))
    forecast, chance = Predictive(mean, np.array([excess])), mixture(mean, excess)
    came = np.array([float(count)])
    assert forecast.log_score(came)[0] == pytest.approx(np.log(chance(count)), abs=1e-8)
    assert forecast.below(came)[0] == pytest.approx(sum(chance(n) for n in range(count + 1)), abs=1e-9)
    assert forecast.below(np.array([-1.0]))[0] == 0.0
    assert forecast.expected[0] == pytest.approx(mean.mean())


@pytest.mark.parametrize("level", hindsight.LEVELS)
@pytest.mark.parametrize("mean", [0.05, 0.7, 6.0])
def test_a_true_forecast_covers_exactly_what_it_says(level: float, mean: float) -> None:
    """Over the forecast's own distribution, however coarse it is."""
    forecast, chance = Predictive(np.full((1, 1), mean), np.array([0.2])), mixture(np.array([mean]), 0.2)
    expected = sum(chance(n) * forecast.inside(np.array([float(n)]), level)[0] for n in range(200))
    assert expected == pytest.approx(level, abs=1e-9)


def test_a_count_out_of_all_reach_is_outside_and_one_of_a_sure_zero_inside() -> None:
    forecast = Predictive(np.array([[1e-9, 0.0]]), np.array([0.1, 0.1]))
    assert forecast.inside(np.array([500.0, 0.0]), 0.9) == pytest.approx([0.0, 0.9])


def test_the_crps_is_the_area_between_the_distribution_functions() -> None:
    mean = np.array([[2.0], [9.0]])
    came, shape = 4.0, 1 / 0.3
    reached = stats.nbinom.cdf(np.arange(400), shape, shape / (shape + mean)).mean(axis=0)
    exact = ((reached - (np.arange(400) >= came)) ** 2).sum()
    forecast = Predictive(np.repeat(mean, 20_000, axis=0), np.array([0.3]))
    assert forecast.crps(np.array([came]), np.random.default_rng(1))[0] == pytest.approx(exact, abs=0.08)


def test_forecasts_that_make_no_sense_are_refused() -> None:
    for mean, excess in (
        (np.ones((2, 3)), np.ones(2)),
        (np.ones((0, 2)), np.ones(2)),
        (-np.ones((2, 2)), np.ones(2)),
        (np.ones((2, 2)), np.zeros(2)),
    ):
        with pytest.raises(ValueError):
            Predictive(mean, excess)


def test_errors_are_by_day() -> None:
    found = by_day([np.array([1.0, 3.0]), np.array([2.0, np.nan]), np.array([np.nan, np.nan])])
    assert (found.mean, found.days, found.cells) == (2.0, 2, 3)
    assert found.se == 0.0, "both days have the mean that all have"
    found = by_day([np.array([1.0, 1.0]), np.array([4.0])])
    assert found.mean == 2.0
    assert found.se == pytest.approx(np.sqrt(2 / 1 * ((2 - 4) ** 2 + (4 - 2) ** 2) / 9))
    assert np.isnan(by_day([np.array([1.0])]).se)
    assert by_day([np.array([np.nan])]).cells == 0


# What is summed up


def advice(**changes: object) -> Advice:
    parts: dict[str, object] = {
        "current": np.array([100.0, 100.0, 100.0, 100.0]),
        "recommended": np.array([120.0, 80.0, 110.0, 100.0]),
        "done": np.array([130.0, 90.0, 70.0, 101.0]),
        "recorded": np.array([True, True, False, True]),
        "delivered": np.array([120.0, 80.0, 110.0, 0.0]),
        "least": np.array([90.0, 85.0, 50.0, np.nan]),
        "most": np.array([110.0, 100.0, 115.0, np.nan]),
        "proposed": True,
        "claim": Effect(3.0, 1.0, 5.0, 0.0, 6.0, 0.1),
        "unit": "conversions a day",
    }
    return Advice(**parts | changes)  # type: ignore[arg-type]  # the parts are given by name


def morning(day: int, found: Advice) -> Judged:
    empty = np.full((3, 4), np.nan)
    keys = tuple(budget(name, 1).key for name in "abcd")
    return Judged(FIRST + timedelta(days=day), keys, tuple("abcd"), Marks(empty, empty, empty, empty), found)


def test_moves_are_counted_and_measured() -> None:
    idle = advice(recommended=np.full(4, 100.0), done=np.array([np.nan] * 4), proposed=False)
    sums = tally([morning(0, advice()), morning(1, idle)], smallest_step=0.02)
    moves = sums.moves
    assert (moves.mornings, moves.proposals, moves.advised, moves.recorded) == (2, 1, 3, 2)
    assert (moves.agreed, moves.opposed, moves.left) == (2, 1, 0)
    assert moves.distance_advised == pytest.approx(50 / 400)
    assert moves.distance_done == pytest.approx((30 + 10 + 30 + 1) / 400)
    assert moves.distance_between == pytest.approx((10 + 10 + 40 + 1) / 400)
    assert (moves.claim, moves.low80, moves.high80) == (3.0, 1.0, 5.0)
    assert [(item.name, item.outside) for item in sums.reach] == [("a", 1.0), ("b", 1.0), ("c", 0.0), ("d", 0.0)]
    assert sums.outside == pytest.approx(0.5)


def test_a_change_below_the_smallest_step_is_none() -> None:
    sums = tally([morning(0, advice(done=np.array([101.0, 99.0, 100.0, 100.0])))], smallest_step=0.02)
    assert (sums.moves.left, sums.moves.agreed, sums.moves.opposed) == (3, 0, 0)


def test_nothing_to_sum_up_is_refused() -> None:
    with pytest.raises(ValueError, match="no morning"):
        tally([], 0.02)


# The walk


def budget(name: str, amount: float) -> BudgetTarget:
    return BudgetTarget(ACCOUNT, name, name, Level.CAMPAIGN, (name,), Money.of(f"{amount:.2f}", "EUR"))


def history(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Budgets that were varied, and what became of them in the end, each of shape (3, DAYS)."""
    spend = np.round(rng.uniform(50, 250, (3, DAYS)), 2)
    noise = rng.standard_gamma(20.0, spend.shape) / 20.0
    return spend, rng.poisson(SCALE * spend / (spend + HALF) * noise).astype(np.float64)


def at(day: int, hour: int) -> datetime:
    return datetime.combine(FIRST + timedelta(days=day), time(hour), UTC)


def statements(
    rng: np.random.Generator, spend: FloatArray, conversions: FloatArray, until: int
) -> Iterator[PerformanceRow]:
    """Every row as it was stated on the four mornings after its day, up to a morning."""
    for k, name in enumerate(NAMES):
        series = Series(ACCOUNT, name, "search")
        for day in range(DAYS):
            arrived = np.cumsum(rng.multinomial(int(conversions[k, day]), DELAY))
            for age, count in enumerate(arrived, start=1):
                if day + age <= until:
                    yield PerformanceRow(
                        series, FIRST + timedelta(days=day), round(spend[k, day] * 1e6), int(count) * 1_000_000,
                        None, None, None, at(day + age, 6),
                    )  # fmt: skip


def house(store: Store, now: datetime, **guards: float) -> House:
    clock = SetClock(now)
    return House(
        name="test",
        store=store,
        connectors={},
        goals=Goals("EUR"),
        guards=Guardrails(**guards),
        policy=approval.Policy(),
        autonomy=approval.Autonomy(),
        windows=(),
        tenure=Tenure(store, clock, "test"),
        clock=clock,
        notifier=LogNotifier(),
        time_zone="UTC",
        history_days=120,
        valid_for=timedelta(hours=24),
        code_version="test",
    )


def kept(*, until: int = DAYS + 10, budgets: bool = True, seed: int = 3) -> tuple[House, FloatArray, FloatArray]:
    """A store that was fed every morning; with budgets, they were read each morning before the day was spent."""
    rng = np.random.default_rng(seed)
    spend, conversions = history(rng)
    store = MemoryStore()
    store.ingest(statements(rng, spend, conversions, until))
    for day in range(DAYS) if budgets else (DAYS + 10,):
        amounts = spend[:, min(day, DAYS - 1)]
        store.note_budgets("shop", [budget(n, a) for n, a in zip(NAMES, amounts, strict=True)], at(day, 7))
    return house(store, at(DAYS + 10, 8)), spend, conversions


def run(it: House, since: int, until: int, *, as_if_mature: bool = False) -> backtest.Backtest:
    days = (FIRST + timedelta(days=since), FIRST + timedelta(days=until))
    return backtest.run(it, *days, as_if_mature=as_if_mature, seed=1, tell=lambda *_: None)


def test_each_morning_knows_what_was_known_then_and_no_more() -> None:
    it, spend, _ = kept()
    found = run(it, 60, 62)
    assert (found.unknown, found.assumed) == ((), 0)
    assert [judged.day.day for judged in found.judged] == [2, 3, 4]
    for day, judged in zip((60, 61, 62), found.judged, strict=True):
        assert judged.advice.current == pytest.approx(spend[:, day])
        assert judged.advice.recorded.all()
        assert judged.advice.done == pytest.approx(spend[:, day])
        assert judged.advice.least == pytest.approx(spend[:, :day].min(axis=1))
        assert judged.advice.most == pytest.approx(spend[:, :day].max(axis=1))
        assert (judged.advice.recommended <= 1.3 * judged.advice.current + 0.01).all()


def test_what_was_learnt_later_changes_no_advice() -> None:
    """The same store once with all that came later, and once as it stood at noon of the last morning."""
    whole, *_ = kept()
    cut, *_ = kept(until=70)
    first, second = run(whole, 68, 70), run(cut, 68, 69)
    for early, late in zip(second.judged, first.judged, strict=False):
        assert (early.advice.recommended == late.advice.recommended).all()
        assert early.advice.claim == late.advice.claim


def test_a_well_specified_market_is_forecast_as_well_as_it_says() -> None:
    """The counts are independent given the curves, so that coverage has at most the error of so many coins."""
    sums = run(kept(seed=4)[0], 40, 79).tally
    for level, covered in sums.coverage:
        assert covered.cells == 120
        assert abs(covered.mean - level) < 5.5 * np.sqrt(level * (1 - level) / 120)
    model, week, month = sums.forecasters
    for rival in (week, month):
        assert rival.behind is not None
        log, crps = rival.behind
        assert log.mean > 0
        assert crps.mean > 0
        assert log.mean == pytest.approx(model.log.mean - rival.log.mean)
        assert crps.mean == pytest.approx(rival.crps.mean - model.crps.mean)
    assert (week.window, month.window) == (7, 28)
    assert sums.outside < 0.2


def test_young_days_are_judged_by_what_is_reported_of_them_by_now() -> None:
    """On the morning after the last day half of its conversions are missing, and the forecast says so."""
    it, _, conversions = kept(until=DAYS)
    it = replace(it, clock=SetClock(at(DAYS, 8)))
    judged = run(it, 89, 89).judged[0]
    reported = it.store.snapshot(SnapshotQuery(at(DAYS, 8), FIRST + timedelta(days=DAYS), 1, "EUR", "UTC"))
    assert (reported.panel.conversions[:, 0] < 0.8 * conversions[:, 89]).all()
    mature = run(kept()[0], 89, 89).judged[0]
    assert (judged.marks.error[0] < 0.6 * conversions[:, 89]).all()
    assert (judged.advice.recommended == mature.advice.recommended).all()


def test_mornings_before_the_first_reading_are_refused_with_the_way_out() -> None:
    it, *_ = read_once()
    with pytest.raises(StoreError, match="--as-if-mature") as refused:
        run(it, 60, 62)
    assert "cannot be known" in str(refused.value)


def read_once() -> tuple[House, FloatArray, FloatArray]:
    """A history that was read once, ten days after its end."""
    spend, conversions = history(np.random.default_rng(3))
    now = at(DAYS + 10, 6)
    rows = [
        PerformanceRow(Series(ACCOUNT, name, "search"), FIRST + timedelta(days=day), round(spend[k, day] * 1e6),
                       int(conversions[k, day]) * 1_000_000, None, None, None, now)
        for k, name in enumerate(NAMES) for day in range(DAYS)
    ]  # fmt: skip
    store = MemoryStore()
    store.ingest(rows)
    store.note_budgets("shop", [budget(name, 100) for name in NAMES], now)
    return house(store, at(DAYS + 10, 8)), spend, conversions


def test_a_history_read_once_is_walked_as_if_it_had_been_mature() -> None:
    it, spend, _ = read_once()
    found = run(it, 60, 62, as_if_mature=True)
    assert found.assumed == 9
    for day, judged in zip((60, 61, 62), found.judged, strict=True):
        assert judged.advice.current == pytest.approx(spend[:, day - 7 : day].mean(axis=1), abs=0.006)
        assert not judged.advice.recorded.any()
        assert judged.advice.done == pytest.approx(spend[:, day : day + 7].mean(axis=1))


def test_later_rows_change_no_advice_of_a_history_read_once() -> None:
    it, *_ = read_once()
    before = run(it, 60, 60, as_if_mature=True).judged[0]
    rows = [
        PerformanceRow(Series(ACCOUNT, name, "search"), FIRST + timedelta(days=60 + n), 7_000_000, 99_000_000, None,
                       None, None, at(DAYS + 10, 7))
        for name in NAMES for n in range(5)
    ]  # fmt: skip
    it.store.ingest(rows)
    after = run(it, 60, 60, as_if_mature=True).judged[0]
    assert (before.advice.recommended == after.advice.recommended).all()
    assert not np.allclose(before.marks.error[0], after.marks.error[0])


def test_what_is_taken_to_be_mature_is_not_corrected_for_delay() -> None:
    """Yesterday counts as complete: its conversions are not scaled up, as a young store's default would."""
    it, *_ = read_once()
    known, stand_ins = backtest._assumed_known(it, FIRST + timedelta(days=60), it.clock.now())
    assert stand_ins == 3
    maturity = learn(known).maturity(np.arange(5))
    assert maturity == pytest.approx(np.ones((3, 5)), abs=1e-3)


def test_rows_with_their_own_times_need_no_budget_of_that_time() -> None:
    it, spend, _ = kept(budgets=False)
    found = run(it, 60, 61)
    assert found.assumed == 6
    assert found.judged[0].advice.current == pytest.approx(spend[:, 53:60].mean(axis=1), abs=0.006)


def test_mornings_without_a_recent_row_are_left_out() -> None:
    it, *_ = kept()
    found = run(replace(it, guards=Guardrails(freshness_days=0)), 0, 2)
    assert found.unknown == (FIRST,)
    assert len(found.judged) == 2


def test_the_usual_period_is_the_last_four_weeks_with_rows() -> None:
    it, *_ = read_once()
    found = backtest.run(it, None, None, as_if_mature=True, seed=1, tell=lambda *_: None)
    assert (found.until, (found.until - found.since).days) == (FIRST + timedelta(days=DAYS - 1), 27)


def test_periods_that_cannot_be_walked_are_refused() -> None:
    it, *_ = read_once()
    with pytest.raises(BadInput, match="--until"):
        run(it, 60, DAYS)
    with pytest.raises(BadInput, match="--since"):
        run(it, 61, 60)
    with pytest.raises(StoreError, match="outlay plan"):
        run(house(MemoryStore(), at(10, 8)), 1, 2)


@pytest.mark.parametrize("kind", ["memory", "sql"])
def test_a_store_gives_later_budgets_for_earlier_rows(kind: str, tmp_path: Path) -> None:
    store: Store = MemoryStore() if kind == "memory" else open_sql(f"sqlite:///{tmp_path}/store.sqlite")
    with closing(store):
        row = PerformanceRow(Series(ACCOUNT, "ads", "search"), FIRST, 5_000_000, 0, None, None, None, at(1, 6))
        store.ingest([row])
        store.note_budgets("shop", [budget("ads", 70)], at(5, 6))
        query = SnapshotQuery(at(2, 6), FIRST + timedelta(days=2), 2, "EUR", "UTC")
        assert store.snapshot(query).targets == ()
        later = store.snapshot(replace(query, budgets_at=at(6, 6)))
        assert [target.budget.amount for target in later.targets] == [Money.of(70, "EUR")]
        assert later.panel.spend[0, 0] == 5.0
        assert np.isnan(later.panel.budget).all()
        assert store.snapshot(replace(query, known_at=at(0, 6), budgets_at=at(6, 6))).freshness[0].last_day is None


# A log of choices


def written(folder: Path, text: str) -> Path:
    path = folder / "log.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_log_is_read_by_its_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "id,ad,clicks,chance,other\n1,b,1,0.5,0.2\n2,a,0,0.25,1\n3,b, 2 ,0.5,0\n")
    read = read_log(path, Columns("ad", "clicks", "chance", "other"))
    assert read.names == ("a", "b")
    assert read.log.action.tolist() == [1, 0, 1]
    assert read.log.reward.tolist() == [1.0, 0.0, 2.0]
    assert read.log.propensity.tolist() == [0.5, 0.25, 0.5]
    assert read.chosen is not None
    assert read.chosen.tolist() == [0.2, 1.0, 0.0]
    (found,) = verdicts(read, (), "other", batches=1, clip=np.inf, seed=1)
    assert (found.policy, found.robust, found.gain) == ("other", None, None)
    assert found.weighting.ips.value == pytest.approx((0.4 * 1 + 4 * 0) / 3)


HEADER = "action,reward,propensity\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("arm,reward,propensity\na,1,.5\n", "log.csv, field 'action': there is no such column in 'arm', 'reward'"),
        ("action,reward,propensity,reward\na,1,.5,1\n", "field 'reward': several columns have this name"),
        (HEADER + "a,1,.5\nb,x,.5\n", r"log.csv:3, field 'reward': 'x' is not a finite number"),
        (HEADER + "a,1,.5\nb,inf,.5\n", r"log.csv:3, field 'reward'"),
        (HEADER + "a,1,0\nb,1,.5\n", r"log.csv:2, field 'propensity': '0' is not above 0 and at most 1"),
        (HEADER + "a,1,.5\n,1,.5\n", r"log.csv:3, field 'action': is empty"),
        (HEADER + "a,1,.5\n", "holds 1 rows"),
        (HEADER + "a,1,.5\nb,1\n", "is not CSV"),
        ("", "no such column in an empty file"),
    ],
)
def test_a_log_that_cannot_be_read_says_where(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=words):
        read_log(written(tmp_path, text), Columns())


def test_policies_learn_from_the_log_and_name_their_favourite(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    arms = rng.integers(0, 3, 6_000)
    rewards = rng.random(6_000) < np.array([0.02, 0.1, 0.03])[arms]
    lines = "".join(f"{'abc'[arm]},{int(reward)},0.3333333333\n" for arm, reward in zip(arms, rewards, strict=True))
    read = read_log(written(tmp_path, HEADER + lines), Columns())
    _, greedy, shares = verdicts(read, tuple(Policy), None, batches=12, clip=np.inf, seed=1)
    assert greedy.leading == shares.leading == "b"
    for found in (greedy, shares):
        assert found.gain is not None
        assert found.gain.value > 5.5 * found.gain.se
    with pytest.raises(BadInput, match="batches must be 1 to 6000"):
        verdicts(read, (Policy.GREEDY,), None, batches=6_001, clip=np.inf, seed=1)
