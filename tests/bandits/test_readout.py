"""What an experiment says on one day, against figures worked out by hand."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from bandits.experiment import Experiment, Guard, Kind, Metric, Share
from bandits.mismatch import check_split
from bandits.posterior import BetaBinomial, GammaPoisson
from bandits.readout import Kept, Rows, Verdict, posterior, read_out

PLAN = Experiment("headline", ("t",), Kind.AD, (Share("a", 0.5), Share("b", 0.5)), "a", Metric.CTR, 0.1,
                  date(2026, 3, 2), date(2026, 3, 29))  # fmt: skip


def rows(impressions, clicks, conversions=None, value=None, maturity=None, days=None):
    """Rows of arms (first axis) by day; conversions default to a tenth of the clicks, values to 10 each."""
    shown, clicked = np.array(impressions, dtype=np.float64), np.array(clicks, dtype=np.float64)
    sold = clicked / 10 if conversions is None else np.array(conversions, dtype=np.float64)
    size = shown.shape[1]
    return Rows(
        shown, clicked, sold, sold * 10 if value is None else np.array(value, dtype=np.float64),
        np.arange(size) if days is None else np.array(days), np.arange(size, 0, -1.0),
        np.ones(size) if maturity is None else np.array(maturity),
    )  # fmt: skip


def steady(*clicks, shown=10_000, days=14, noise=1):
    """The same day again and again, with a little noise in the clicks."""
    rng = np.random.default_rng(2)
    clicked = [[count + rng.integers(-noise, noise + 1) for _ in range(days)] for count in clicks]
    return rows([[shown] * days for _ in clicks], clicked)


def read(plan, given, *, last=False):
    return read_out(plan, given, last=last, rng=np.random.default_rng(1))


def test_posteriors_by_hand():
    given = rows([[1000], [500]], [[20], [15]])
    made, unit = posterior(PLAN, given, 1.0)
    assert isinstance(made, BetaBinomial)
    pooled = 36 / 1501
    np.testing.assert_allclose(made.alpha, [21, 16])
    np.testing.assert_allclose(made.beta, (1 - pooled) / pooled + np.array([980, 485]))
    assert unit == 1
    halved, _ = posterior(PLAN, given, 2.0)
    np.testing.assert_allclose(halved.alpha, [11, 8.5])


def test_conversions_still_to_come_lessen_the_exposure_and_values_are_counted_by_their_mean():
    given = rows([[1000, 1000], [1000, 1000]], [[0, 0], [0, 0]], [[10, 4], [12, 4]], [[400, 100], [500, 200]],
                 maturity=[1.0, 0.4])  # fmt: skip
    made, unit = posterior(replace(PLAN, metric=Metric.REVENUE), given, 1.0)
    assert isinstance(made, GammaPoisson)
    assert unit == pytest.approx(1200 / 30)
    np.testing.assert_allclose(made.shape, 1 + np.array([500, 700]) / 40)
    np.testing.assert_allclose(made.rate - made.rate.min(), 0)
    pooled = (30 + 1) / (2800 + 1)
    np.testing.assert_allclose(made.rate, 1400 + 1 / pooled)


def test_an_arm_that_is_better_wins_and_one_that_is_worse_is_told():
    seen = read(
        replace(PLAN, arms=(Share("a", 0.4), Share("b", 0.3), Share("c", 0.3))),
        rows(
            [[8_000] * 14, [6_000] * 14, [6_000] * 14],
            [[160 + i % 3 for i in range(14)], [160 + i % 4 for i in range(14)], [60 + i % 2 for i in range(14)]],
        ),
    )
    assert (seen.verdict, seen.winner, seen.days) == (Verdict.WINNER, "b", 14)
    assert [arm.shown for arm in seen.arms] == [0, 1, -1]
    assert seen.arms[1].p_best > 0.999
    assert seen.arms[1].lift == pytest.approx(160 / 6 / 20 - 1, abs=0.02)
    assert 0 < seen.arms[1].sure_low < seen.arms[1].lift < seen.arms[1].sure_high
    assert seen.arms[1].e > seen.threshold == pytest.approx(100)
    assert sum(arm.p_best for arm in seen.arms) == pytest.approx(1, abs=1e-9)
    assert seen.arms[0].loss > seen.arms[1].loss >= 0


def test_no_verdict_before_the_least_days():
    young = read(PLAN, steady(200, 300, days=6))
    assert (young.verdict, young.winner, young.caring) == (Verdict.RUNNING, None, None)
    assert young.arms[1].e > young.threshold
    assert read(PLAN, steady(200, 300, days=7)).verdict is Verdict.WINNER


def test_nothing_to_gain_ends_it():
    seen = read(replace(PLAN, minimum_effect=0.2), steady(2_000, 2_000, shown=100_000, days=20))
    assert (seen.verdict, seen.winner) == (Verdict.NONE_BETTER, None)
    assert seen.arms[1].sure_high < 0.2


def test_the_last_look_may_show_what_the_looks_before_it_could_not():
    given = steady(200, 213, days=28)
    before, last = read(PLAN, given), read(PLAN, given, last=True)
    assert (before.verdict, last.verdict, last.winner) == (Verdict.RUNNING, Verdict.WINNER, "b")
    assert read(PLAN, steady(100, 101), last=True).verdict is Verdict.NOT_SHOWN


def test_no_rows_are_told():
    none = rows(np.zeros((2, 0)), np.zeros((2, 0)))
    assert (read(PLAN, none).verdict, read(PLAN, none).days) == (Verdict.NO_ROWS, 0)
    assert read(PLAN, none, last=True).verdict is Verdict.NOT_SHOWN
    alone = rows([[1000] * 3, [np.nan] * 3], [[20] * 3, [np.nan] * 3])
    assert read(PLAN, alone).verdict is Verdict.NO_ROWS


def test_guards_are_kept_open_or_broken_and_what_breaks_one_does_not_win():
    plan = replace(PLAN, guards=(Guard(Metric.CONVERSIONS, 0.3),))
    shown, clicks = [[10_000] * 14] * 2, [[200] * 14, [300] * 14]
    cases = {Kept.BROKEN: 40, Kept.KEPT: 102, Kept.OPEN: 72}
    for kept, sold in cases.items():
        days = [[100 + i % 3 for i in range(14)], [sold + i % 2 for i in range(14)]]
        seen = read(plan, rows(shown, clicks, days))
        assert [guard.kept for guard in seen.guards] == [kept]
        assert seen.guards[0].change == pytest.approx(sold / 100 - 1, abs=0.02)
        assert seen.verdict is (Verdict.HARM if kept is Kept.BROKEN else Verdict.WINNER)


def test_a_split_that_is_not_the_promised_one_is_a_mismatch():
    given = rows([[6_000] * 14, [4_000] * 14], [[120] * 14, [120] * 14])
    seen = read(PLAN, given)
    assert (seen.verdict, seen.winner) == (Verdict.MISMATCH, None)
    found = seen.mismatch
    assert found.chi_square == pytest.approx(2 * 14_000**2 / 70_000)
    assert (found.effect, found.shares) == (1, (0.6, 0.4))
    assert found.found
    assert not found.holdout_broken


def test_a_split_that_swings_by_the_day_is_no_mismatch():
    shares = 0.5 + 0.1 * np.sin(np.arange(14) * 2.0) + 0.01
    impressions = np.stack([10_000 * shares, 10_000 * (1 - shares)])
    found = check_split(PLAN, impressions, np.arange(14))
    assert found.naive_p < 0.0005 < found.p
    assert not found.found
    assert found.effect > 50


def test_strata_of_one_day_are_added_up_and_two_days_are_needed():
    twice = np.array([[600.0, 400, 500], [400.0, 600, 500]])
    found = check_split(PLAN, twice, np.array([0, 0, 1]))
    assert (found.chi_square, found.effect) == (0, 1)
    assert check_split(PLAN, twice[:, :2], np.array([0, 0])) is None


def test_a_control_that_lost_its_holdout_is_told():
    plan = replace(PLAN, holdout=0.5)
    days = np.arange(14)
    assert check_split(plan, np.array([[400.0] * 14, [600.0] * 14]), days).holdout_broken
    assert not check_split(plan, np.array([[499.0] * 14, [501.0] * 14]), days).holdout_broken


def test_the_expected_loss_rule_stands_beside():
    assert read(PLAN, steady(200, 300)).caring == "b"
    assert read(PLAN, steady(20, 21, days=7)).caring is None


def test_the_same_rows_and_seed_read_the_same():
    given = steady(200, 220)
    assert read(PLAN, given) == read(PLAN, given)
    assert read(PLAN, given.until(6)).days == 7


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: read(PLAN, steady(1, 2, 3)), "rows hold 3 arms, 'headline' has 2"),
        (lambda: replace(steady(1, 2), clicks=np.ones((2, 3))), "one shape"),
        (lambda: replace(steady(1, 2), age=np.ones(3)), "one value per stratum, 14"),
    ],
)
def test_rows_that_do_not_fit_are_refused(attempt, words):
    with pytest.raises(ValueError, match=words):
        attempt()
