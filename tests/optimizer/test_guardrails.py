"""Each guard holds what it should, names why, and leaves the rest alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from connectors.contract import Account, BudgetKind, BudgetTarget, Level
from connectors.money import Money
from optimizer import guardrails
from optimizer.goals import Goals, Limit, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan.recommendation import Severity
from optimizer.plan.snapshot import BudgetMove, Freshness, Panel, Snapshot, Target

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
TODAY = date(2026, 3, 2)
ACCOUNT = Account("files", "shop", "EUR", "Europe/Berlin")
DAYS = 60


def target(name: str, amount: int = 100) -> Target:
    budget = BudgetTarget(ACCOUNT, name, name, Level.CAMPAIGN, (name,), Money.of(amount, "EUR"))
    return Target(budget, "search", (), (name,), (name,))


def snapshot(*targets: Target, spend: float = 100.0, conversions: float = 5.0) -> Snapshot:
    shape = (len(targets), DAYS)
    nothing = np.full(shape, np.nan)
    panel = Panel(
        TODAY - timedelta(days=DAYS), np.full(shape, spend), np.full(shape, conversions), *[nothing] * 3, nothing
    )
    fresh = (Freshness("files", "shop", TODAY - timedelta(days=1)),)
    return Snapshot(NOW, TODAY, "EUR", "Europe/Berlin", targets, panel, (), None, freshness=fresh)


def held(of: Snapshot, guards: Guardrails | None = None) -> list[str | None]:
    guards = guards or Guardrails()
    panel = of.panel
    days = np.isfinite(panel.spend).sum(axis=1).astype(float)
    recent = np.nansum(panel.conversions[:, -28:], axis=1)
    proof = guardrails.evidence(days, recent, np.nansum(panel.spend[:, -28:], axis=1), guards)
    return [None if hold is None else hold.code for hold in guardrails.holds(of, proof, guards, NOW)]


def test_a_healthy_budget_is_not_held() -> None:
    assert held(snapshot(target("a"), target("b"))) == [None, None]


def test_shared_and_empty_budgets_are_never_written() -> None:
    shared = target("a")
    shared = replace(shared, budget=replace(shared.budget, shared=True))
    assert held(snapshot(shared, target("c", 0))) == ["shared-budget", "no-amount"]


def test_lifetime_budgets_are_left_out_whole_and_named() -> None:
    lifetime = target("b", 9_000)
    lifetime = replace(lifetime, budget=replace(lifetime.budget, kind=BudgetKind.LIFETIME))
    seen = snapshot(target("a"), lifetime, target("c", 300))
    seen.panel.spend[2] = 7.0
    planned, (finding,) = guardrails.daily(seen)
    assert [t.budget.budget_id for t in planned.targets] == ["a", "c"]
    assert planned.current.tolist() == [100, 300]
    assert set(planned.panel.spend[1]) == {7.0}
    assert (finding.code, finding.subject) == ("lifetime-budget", "files/shop/b")
    whole = snapshot(target("a"))
    assert guardrails.daily(whole) == (whole, ())


@pytest.mark.parametrize(("missing", "code"), [(0, None), (3, None), (4, "stale-data")])
def test_data_may_be_three_days_behind_and_no_more(missing: int, code: str | None) -> None:
    seen = replace(snapshot(target("a")), freshness=(Freshness("files", "shop", TODAY - timedelta(days=1 + missing)),))
    assert held(seen) == [code]


def test_an_account_without_any_row_is_stale() -> None:
    assert held(replace(snapshot(target("a")), freshness=(Freshness("files", "shop", None),))) == ["stale-data"]


def test_spend_without_conversions_where_many_were_due_is_an_outage() -> None:
    seen = snapshot(target("a"), target("b"), conversions=8.0)
    seen.panel.conversions[0, -3:] = 0.0
    seen.panel.conversions[1] = 0.5  # few are due of this one: silence says nothing
    seen.panel.conversions[1, -3:] = 0.0
    assert held(seen) == ["tracking-outage", None]


def test_silence_that_chance_explains_is_no_outage() -> None:
    seen = snapshot(target("a"), conversions=np.log(1000) - 0.01)  # a third of three days' worth is just below
    seen.panel.conversions[0, -3:] = 0.0
    assert held(seen) == [None]


def test_a_last_day_of_many_times_the_usual_spend_is_doubtful() -> None:
    seen = snapshot(target("a"), target("b"))
    seen.panel.spend[0, -1] = 501.0
    seen.panel.spend[1, -1] = 499.0
    assert held(seen) == ["spend-spike", None]


def test_thin_evidence_says_what_is_missing_and_how_long_it_takes() -> None:
    guards = Guardrails()
    (proof,) = guardrails.evidence(np.array([30.0]), np.array([4.0]), np.array([80.0]), guards)
    assert proof.thin
    assert "4.0 conversions" in proof.words
    assert "at least 10 conversions are needed (about 42 more days at this rate)" in proof.words
    assert held(snapshot(target("a"), conversions=0.3)) == ["thin-evidence"]


def test_a_budget_that_we_changed_lately_cools_down() -> None:
    money = Money.of(100, "EUR")
    late = BudgetMove(target("a").key, NOW - timedelta(hours=19), money, money)
    early = BudgetMove(target("b").key, NOW - timedelta(hours=21), money, money)
    assert held(replace(snapshot(target("a"), target("b")), moves=(early, late))) == ["cool-down", None]


def test_the_step_over_24_hours_counts_from_before_the_first_change() -> None:
    key = target("a").key
    moves = (
        BudgetMove(key, NOW - timedelta(hours=30), Money.of(50, "EUR"), Money.of(80, "EUR")),
        BudgetMove(key, NOW - timedelta(hours=10), Money.of(80, "EUR"), Money.of(90, "EUR")),
        BudgetMove(key, NOW - timedelta(hours=2), Money.of(90, "EUR"), Money.of(100, "EUR")),
    )
    least, most = guardrails.step_range(replace(snapshot(target("a")), moves=moves), Guardrails(), NOW)
    assert (least[0], most[0]) == (40.0, 120.0)


def test_all_held_blocks_the_portfolio_and_names_each() -> None:
    seen = snapshot(target("a"), target("b"), conversions=0.1)
    guards = Guardrails()
    proof = guardrails.evidence(np.full(2, 60.0), np.full(2, 2.8), np.full(2, 2800.0), guards)
    findings = guardrails.portfolio_findings(seen, guardrails.holds(seen, proof, guards, NOW))
    assert [f.code for f in findings] == ["thin-evidence", "thin-evidence", "all-held"]
    assert findings[-1].severity is Severity.BLOCK


def test_campaigns_without_a_budget_and_no_budget_at_all_are_told() -> None:
    lost = replace(snapshot(target("a")), unbudgeted=("x", "y"))
    assert [f.code for f in guardrails.portfolio_findings(lost, (None,))] == ["no-budget"]
    assert [f.code for f in guardrails.portfolio_findings(snapshot(), ())] == ["no-budgets"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("largest_step_24h", -0.1), ("cool_down_hours", float("nan")), ("spend_spike", 1.0), ("smallest_step", 1.5),
     ("min_gain_probability", 2.0), ("minimum_conversions", float("inf"))],
)  # fmt: skip
def test_a_guard_that_makes_no_sense_is_not_built(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Guardrails(**{name: value})


def test_the_room_of_a_budget_is_the_tighter_of_both_steps_within_its_limits() -> None:
    key = target("a").key
    moved = replace(
        snapshot(target("a"), target("b")),
        moves=(BudgetMove(key, NOW - timedelta(hours=23), Money.of(80, "EUR"), Money.of(100, "EUR")),),
    )
    room = guardrails.room(moved, Goals("EUR"), Guardrails(), NOW)
    assert room.upper.tolist() == pytest.approx([120, 130])
    assert [b.code for b in room.upper_because[0]] == ["step-24h"]
    assert [b.code for b in room.upper_because[1]] == ["step"]


def test_a_gap_is_not_a_day_of_zero_to_the_guards_that_watch_the_data() -> None:
    """The last day with a row counts, also when yesterday's has not come yet."""
    seen = snapshot(target("a"), conversions=8.0)
    seen.panel.spend[0, -2] = 501.0
    seen.panel.spend[0, -1] = np.nan
    assert held(seen) == ["spend-spike"]
    silent = snapshot(target("a"), conversions=8.0)
    silent.panel.conversions[0, -4:] = 0.0
    silent.panel.spend[0, -1] = np.nan
    assert held(silent) == ["tracking-outage"]
    weekly = snapshot(target("a"))
    weekly.panel.spend[0, ::2] = np.nan
    assert held(weekly) == [None]


def test_one_finding_for_an_account_whose_data_are_stale() -> None:
    seen = replace(
        snapshot(target("a"), target("b")), freshness=(Freshness("files", "shop", TODAY - timedelta(days=9)),)
    )
    guards = Guardrails()
    proof = guardrails.evidence(np.full(2, 60.0), np.full(2, 99.0), np.full(2, 99.0), guards)
    findings = guardrails.portfolio_findings(seen, guardrails.holds(seen, proof, guards, NOW))
    assert [(f.code, f.subject) for f in findings] == [("stale-data", "files/shop"), ("all-held", "portfolio")]


def test_all_budgets_at_once_are_judged_as_each_by_itself_gaps_and_all() -> None:
    rng = np.random.default_rng(8)
    targets, guards = tuple(target(f"t{k:03}") for k in range(400)), Guardrails(minimum_days=0, minimum_conversions=0)
    seen = snapshot(*targets)
    spend, conversions = seen.panel.spend, seen.panel.conversions
    spend[:] = rng.uniform(50, 150, spend.shape) * (rng.random(spend.shape) < rng.random((400, 1)))
    spend[:, -1] *= np.where(rng.random(400) < 0.3, 9.0, 1.0)
    conversions[:] = rng.poisson(5.0, spend.shape)
    conversions[rng.random(400) < 0.4, -4:] = 0.0
    spend[rng.random(spend.shape) < rng.random((400, 1)) ** 2] = np.nan
    conversions[rng.random(spend.shape) < 0.1] = np.nan

    def alone(k: int) -> str | None:
        known = np.isfinite(spend[k])
        paid, got = spend[k, known], np.nan_to_num(conversions[k, known])
        if len(paid) > guards.outage_days and got[-3:].sum() == 0:
            before = slice(max(len(paid) - 31, 0), -3)
            spent = paid[before].sum()
            if spent > 0 and got[before].sum() / spent * paid[-3:].sum() / 3 > np.log(1000):
                return "tracking-outage"
        recent = paid[-29:]
        if len(recent) >= 8 and 0 < np.median(recent[:-1]) * guards.spend_spike < recent[-1]:
            return "spend-spike"
        days = np.flatnonzero(np.nan_to_num(spend[k]) > 0)
        return "no-spend" if days.size and DAYS - 1 - days[-1] > guards.freshness_days else None

    found = held(seen, guards)
    assert found == [alone(k) for k in range(400)]
    assert {"tracking-outage", "spend-spike", "no-spend", None} == set(found)


@pytest.mark.parametrize(("learning", "step"), [(True, 0.2), (False, 0.3), (None, 0.3)])
def test_a_budget_in_its_platforms_learning_phase_moves_by_no_more_than_its_step(
    learning: bool | None, step: float
) -> None:
    one = target("a")
    seen = snapshot(replace(one, budget=replace(one.budget, learning=learning)), target("b"))
    found = guardrails.room(seen, Goals("EUR"), Guardrails(learning_step=0.2), NOW)
    np.testing.assert_allclose(found.lower, seen.current * [1 - step, 0.7])
    np.testing.assert_allclose(found.upper, seen.current * [1 + step, 1.3])
    assert ("learning-phase" in {why.code for why in found.upper_because[0]}) is (learning is True)


def test_a_limit_beyond_the_smallest_of_all_steps_leaves_an_amount_that_the_platform_takes() -> None:
    """The step of a learning budget is the last of three: 7.777% of 90 above it is 96.9993, to the cent 96.99."""
    one = target("a")
    seen = snapshot(replace(one, budget=replace(one.budget, learning=True, amount=Money.of(90, "EUR"))), target("b"))
    floor = Limit(Scope.parse("campaign:a"), floor=Money.of(400, "EUR"))
    found = guardrails.room(seen, Goals("EUR", limits=(floor,)), Guardrails(learning_step=0.07777), NOW)
    assert found.lower[0] == found.upper[0] == pytest.approx(96.99, abs=1e-9)
    assert [why.code for why in found.upper_because[0]] == ["learning-phase"]
