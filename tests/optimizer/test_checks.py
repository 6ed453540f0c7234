"""Checks before advice: each finds its fault, and healthy panels are left in peace."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from connectors.money import Money
from optimizer import checks
from optimizer.checks.days import blocks
from optimizer.decide import decide
from optimizer.goals import Goals
from optimizer.guardrails import Guardrails
from optimizer.plan.problem import Outcome
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import DelayTriangle, Freshness, Snapshot
from optimizer.response import learn
from tests.optimizer.panels import DAYS, coded, found, healthy, panel_of, waves
from tests.optimizer.snapshots import NOW, TODAY, snapshot


def generator(*seed: int) -> np.random.Generator:
    return np.random.default_rng([20_261_127, *seed])


def test_healthy_panels_are_left_in_peace() -> None:
    """Of 200 panels of six campaigns at most one in twenty is warned of; about one in sixty is."""
    warned = Counter(
        code for seed in range(200) for code in coded(found(healthy(generator(1, seed))), Severity.WARNING)
    )
    assert warned.total() <= 10, warned
    noticed = Counter(code for seed in range(100) for code in coded(found(healthy(generator(2, seed)))))
    assert noticed.total() <= 10, noticed


@pytest.mark.parametrize("elasticity", [0.3, 0.95])
def test_money_moved_between_two_budgets_is_no_demand(elasticity: float) -> None:
    """Where the total is given, each raise is a cut elsewhere, and curves bend back: no demand need have moved."""
    warned = 0
    for seed in range(40):
        rng = generator(3, seed)
        share = np.exp(rng.normal(0, 0.2, (2, DAYS)))
        share /= share.mean(axis=0)
        warned += "spend-follows-demand" in coded(found(healthy(rng, count=2, factor=share, elasticity=elasticity)))
    assert warned <= 4


@pytest.mark.parametrize(
    ("budgets_follow", "who"), [(True, "The budgets themselves"), (False, "the platform delivered")]
)
def test_spend_that_follows_demand_is_warned_of_and_whose_doing_it_is(budgets_follow: bool, who: str) -> None:
    hits, words = 0, []
    for seed in range(20):
        rng = generator(4, seed)
        wave = waves(rng)
        made = healthy(rng, steps=0.02, demand=wave, factor=np.exp(0.5 * wave), budgets_follow=budgets_follow)
        of_it = [f for f in found(made) if f.code == "spend-follows-demand" and f.subject == "portfolio"]
        hits += bool(of_it)
        words += [f.message for f in of_it]
    assert hits >= 14
    assert all(who in message for message in words)


def test_one_budget_that_follows_demand_is_named() -> None:
    named: Counter[str] = Counter()
    for seed in range(20):
        rng = generator(5, seed)
        wave, times = waves(rng, size=0.3), np.ones((6, DAYS))
        times[2] = np.exp(1.5 * wave)
        made = healthy(rng, rate=25.0, steps=0.05, demand=wave, factor=times)
        named.update(f.subject for f in found(made) if f.code == "spend-follows-demand" and f.subject != "portfolio")
    assert named["files/shop/c002"] >= 10
    assert named.total() - named["files/shop/c002"] <= 2


def test_spends_that_rise_and_fall_together_are_told() -> None:
    rng = generator(6)
    together = found(healthy(rng, steps=0.0, factor=np.exp(rng.normal(0, 0.2, DAYS))))
    (finding,) = [f for f in together if f.code == "spends-move-together"]
    assert "6 of 6 budgets" in finding.message


def chased(rng: np.random.Generator, *, in_waves: bool) -> Snapshot:
    """Four budgets, each in proportion to what its last week brought per unit."""
    demand = np.stack([waves(rng) for _ in range(4)]) if in_waves else np.zeros((4, DAYS))
    spend, conversions = np.zeros((4, DAYS)), np.zeros((4, DAYS))
    for day in range(DAYS):
        week = slice(day - 7, day)
        bent = conversions[:, week].sum(axis=1) / spend[:, week].sum(axis=1) / 0.1 if day >= 7 else np.ones(4)
        spend[:, day] = 100 * np.clip(bent, 0.4, 2.5) * np.exp(rng.normal(0, 0.03, 4))
        conversions[:, day] = rng.poisson(10 * (spend[:, day] / 100) ** 0.6 * np.exp(demand[:, day]))
    return panel_of(spend, conversions)


def test_spend_that_follows_results_is_told_and_warned_of_only_if_good_days_come_in_runs() -> None:
    calm = [f for seed in range(10) for f in found(chased(generator(7, seed), in_waves=False))]
    calm = [f for f in calm if f.code == "spend-follows-results"]
    assert len(calm) >= 30
    assert sum(f.severity is Severity.WARNING for f in calm) <= 4
    stormy = [f for seed in range(10) for f in found(chased(generator(8, seed), in_waves=True))]
    assert sum(f.severity is Severity.WARNING for f in stormy if f.code == "spend-follows-results") >= 8


def test_a_level_that_jumps_is_dated_and_an_account_that_jumps_is_told_once() -> None:
    rng, jump = generator(9), np.zeros((6, DAYS))
    jump[1, 100:] = np.log(4.0)
    (finding,) = [f for f in found(healthy(rng, rate=20.0, demand=jump)) if f.code == "level-shift"]
    assert finding.subject == "files/shop/c001"
    near = [str(TODAY - timedelta(days=DAYS - day)) for day in range(97, 104)]
    assert any(day in finding.message for day in near), finding.message
    hits = 0
    for seed in range(20):
        whole = found(healthy(generator(10, seed), demand=np.log(np.where(np.arange(DAYS) < 108, 1.0, 0.4))))
        hits += coded(whole, Severity.WARNING) >= {"counting-changed"} and "level-shift" not in coded(whole)
    assert hits >= 16


def test_single_days_far_from_the_others_are_dated() -> None:
    made = healthy(generator(11), rate=20.0)
    made.panel.conversions[0, 110] *= 6
    made.panel.spend[3, 80] *= 6
    odd = {(f.code, f.subject): f for f in found(made) if f.code.startswith("odd")}
    bought, paid = odd["odd-conversions", "files/shop/c000"], odd["odd-spend", "files/shop/c003"]
    assert str(TODAY - timedelta(days=10)) in bought.message
    assert (bought.severity, paid.severity) == (Severity.WARNING, Severity.INFO)
    assert str(TODAY - timedelta(days=40)) in paid.message


def test_a_slope_that_was_never_tried_is_said_to_be_assumed() -> None:
    flat = [f for f in found(healthy(generator(12), steps=0.0), raised=1.2) if f.code == "slope-assumed"]
    assert len(flat) == 6
    assert Severity.WARNING in {f.severity for f in flat}
    varied = healthy(generator(13), factor=np.exp(generator(14).normal(0, 0.25, (6, DAYS))), rate=20.0)
    assert "slope-assumed" not in coded(found(varied, raised=1.2))
    assert "slope-assumed" not in coded(found(healthy(generator(12), steps=0.0))), (
        "only lines that move are asked about"
    )


def test_where_the_share_says_assumed_the_belief_itself_has_learnt_little() -> None:
    """The share of prior by Fisher information against the posterior: the spread of each drawn curve's own slope."""

    def elasticity(made: Snapshot) -> float:
        pair = np.stack([made.current, 1.3 * made.current], axis=1)
        drawn = learn(made).draws(pair, Outcome.CONVERSIONS, 2_000, generator(15))
        return float(np.median(np.log(drawn[..., 1] / drawn[..., 0]).std(axis=0)) / np.log(1.3))

    flat = healthy(generator(16), steps=0.0, rate=20.0)
    varied = healthy(generator(16), factor=np.exp(generator(17).normal(0, 0.3, (6, DAYS))), rate=20.0)
    shares = [checks.assumed_share(checks.read(made, np.ones(made.panel.spend.shape))) for made in (flat, varied)]
    assert np.median(shares[0]) > 0.7 > 0.3 > np.median(shares[1])
    assert elasticity(flat) > 1.5 * elasticity(varied)


def test_a_budget_beyond_everything_tried_is_told() -> None:
    made = healthy(generator(18), steps=0.0)
    assert {f.severity for f in found(made, raised=1.3) if f.code == "beyond-tried"} == {Severity.INFO}
    assert {f.severity for f in found(made, raised=0.5) if f.code == "beyond-tried"} == {Severity.WARNING}
    assert "beyond-tried" not in coded(found(made, raised=1.02))
    assert "beyond-tried" not in coded(found(made, raised=2.0, share=0.5)), "what is spent is what was tried"
    assert "beyond-tried" not in coded(found(made, raised=0.0)), "of a pause no curve is asked"


def test_a_budget_that_is_not_delivered_is_compared_by_what_is_spent() -> None:
    """Of each budget two thirds are spent: a raise within the tried spends is no news, though its amount is."""
    made = snapshot()
    larger = tuple(
        replace(t, budget=replace(t.budget, amount=Money(3 * t.budget.amount.micros // 2, "EUR"))) for t in made.targets
    )
    made = replace(made, targets=larger, panel=replace(made.panel, budget=1.5 * made.panel.budget))
    decision = decide(made, Goals("EUR"), Guardrails(min_gain_probability=0.0), NOW, np.random.default_rng(1))
    raised = [line for line in decision.lines if line.proposed > line.current]
    most = {target.key: float(spend.max()) for target, spend in zip(made.targets, made.panel.spend, strict=True)}
    assert any(line.proposed.micros / 1e6 > most[line.key] for line in raised)
    assert "beyond-tried" not in [finding.code for finding in decision.findings]


def test_what_is_there_to_learn_from_is_told() -> None:
    short = healthy(generator(19), days=20, rate=0.1)
    assert coded(found(short)) >= {"short-history", "few-conversions"}
    gaps = healthy(generator(20))
    gaps.panel.spend[:, 100:108] = np.nan
    (finding,) = [f for f in found(gaps) if f.code == "missing-days"]
    assert (finding.subject, finding.severity) == ("files/shop", Severity.WARNING)
    assert "8 of the last 56 days" in finding.message
    paused = healthy(generator(20))
    paused.panel.spend[0, 100:108] = np.nan
    assert "missing-days" not in coded(found(paused)), "a campaign may pause"


def test_a_report_that_stands_still_holds_its_budget_and_no_other() -> None:
    made = snapshot()
    for name in ("spend", "conversions", "clicks", "impressions", "value"):
        grid = getattr(made.panel, name)
        grid[0, -4:] = grid[0, [-4]]
    decision = decide(made, Goals("EUR"), Guardrails(), NOW, np.random.default_rng(1))
    (finding,) = [f for f in decision.findings if f.code == "frozen-report"]
    assert finding.severity is Severity.BLOCK
    line = next(line for line in decision.lines if str(line.key) == finding.subject)
    assert not line.changes
    assert line.reason.startswith("Stays: the last 4 days up to")
    assert decision.moves
    assert not decision.blocked


def test_few_equal_counts_are_no_frozen_report() -> None:
    made = panel_of(np.full((1, 60), 100.0), np.ones((1, 60)))
    nothing = np.full((1, 60), np.nan)
    made = replace(made, panel=replace(made.panel, clicks=nothing, impressions=nothing))
    made.panel.conversions[0, -5] = 2.0
    assert checks.blocking(made) == ()


def test_without_a_single_conversion_nothing_is_planned() -> None:
    made = snapshot()
    silent = replace(made, panel=replace(made.panel, conversions=np.zeros_like(made.panel.conversions)))
    decision = decide(silent, Goals("EUR"), Guardrails(minimum_conversions=0), NOW, np.random.default_rng(1))
    assert "no-conversions" in [f.code for f in decision.blocked]
    assert not decision.moves


def test_counts_that_cannot_be_are_told() -> None:
    made = healthy(generator(21))
    few = made.panel.clicks.copy()
    few[2] = made.panel.conversions[2] / 2
    odd = [f for f in found(replace(made, panel=replace(made.panel, clicks=few))) if f.code == "more-than-possible"]
    assert [f.subject for f in odd] == ["files/shop/c002"]
    assert odd[0].severity is Severity.WARNING


def maturing(rewritten: float = 1.0, later: float = 1.02) -> DelayTriangle:
    """Sixty days of 100 conversions that mature; five days ago all older ones were rewritten by a factor."""
    rows, lags = 60, 36
    age = np.arange(rows, 0, -1)[:, None] - 1  # of each day at yesterday's end
    lag = np.arange(lags)[None, :]
    known = 100.0 * np.where(lag < 3, 1.0, later) * np.where(age - lag < 5, rewritten, 1.0)
    return DelayTriangle("files/all", np.arange(6), np.where(lag <= age, known, np.nan))


def test_a_past_that_was_rewritten_and_conversions_that_are_taken_back_are_told() -> None:
    made = healthy(generator(22))
    assert not coded(found(replace(made, delays=(maturing(),)))) & {"rewritten-past", "taken-back"}
    (finding,) = [f for f in found(replace(made, delays=(maturing(1.3),))) if f.code == "rewritten-past"]
    assert str(TODAY - timedelta(days=5)) in finding.message
    assert "taken-back" in coded(found(replace(made, delays=(maturing(later=0.7),))))


def test_no_panel_is_too_small_or_too_full_of_holes() -> None:
    for seed in range(30):
        rng = generator(23, seed)
        made = healthy(rng, count=int(rng.integers(1, 4)), days=int(rng.integers(1, 70)), rate=0.5)
        for grid in (made.panel.spend, made.panel.conversions, made.panel.budget):
            grid[rng.random(grid.shape) < rng.uniform(0, 0.9)] = np.nan
        for finding in found(made, raised=1.3):
            assert "nan" not in finding.message
            assert "inf" not in finding.message


def test_many_findings_alike_are_counted() -> None:
    findings = found(healthy(generator(24), count=60, steps=0.0), raised=1.3)
    assert Counter(f.code for f in findings)["beyond-tried"] == checks.MOST_ALIKE + 1
    assert "40 more of the findings 'slope-assumed'" in " ".join(f.message for f in findings)


def test_of_many_findings_alike_the_worst_are_told_and_a_count_hides_no_warning() -> None:
    steady = healthy(generator(24), count=60, steps=0.0)
    days = checks.read(steady, np.ones(steady.panel.spend.shape))

    def beyond(raised: np.ndarray) -> list[Finding]:
        found = checks.examine(days, steady, steady.current * raised, steady.current * raised)
        return [finding for finding in found if finding.code == "beyond-tried"]

    largest = np.argsort(-steady.current)
    few = np.full(60, 1.3)
    few[largest[-5:]] = 2.0  # the smallest moves are told last
    *told, count = beyond(few)
    assert [f.severity for f in told].count(Severity.WARNING) == 5
    assert (len(told), count.severity) == (checks.MOST_ALIKE, Severity.INFO)
    many = np.full(60, 1.3)
    many[largest[-30:]] = 2.0
    *told, count = beyond(many)
    assert {f.severity for f in told} == {Severity.WARNING}
    assert (count.subject, count.severity) == ("portfolio", Severity.WARNING)


@pytest.mark.parametrize("length", [1, 27, 28, 29, 56, 112, 120])
def test_each_four_weeks_but_the_oldest_are_whole_and_end_today(length: int) -> None:
    found = blocks(length)
    assert (np.diff(found) <= 0).all()
    sizes = np.bincount(found)
    assert (sizes[:-1] == 28).all()
    assert 0 < sizes[-1] <= 28


def test_the_recommendation_shows_what_was_noticed() -> None:
    made = replace(
        healthy(generator(25), steps=0.0, rate=20.0), freshness=(Freshness("files", "shop", TODAY - timedelta(days=1)),)
    )
    made.panel.conversions[0, 110] *= 8
    decision = decide(made, Goals("EUR"), Guardrails(), NOW, np.random.default_rng(1))
    assert "odd-conversions" in [f.code for f in decision.findings]
    severities = [list(Severity)[::-1].index(f.severity) for f in decision.findings]
    assert severities == sorted(severities), "worst first"
