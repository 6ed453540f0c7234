"""Days that are told otherwise than they were known hold a budget where the platform's own ways do not explain it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from optimizer import guardrails, suspicion
from optimizer.guardrails import Guardrails
from optimizer.plan import doubts
from optimizer.plan.doubts import Doubt
from optimizer.plan.recommendation import Severity
from optimizer.plan.snapshot import DelayTriangle, FloatArray, Restatements, Snapshot
from tests.optimizer.test_guardrails import DAYS, NOW, held, snapshot, target

GUARDS = Guardrails()
LAGS = 36


def told_otherwise(seen: Snapshot, *changes: tuple[int, int, float, float]) -> Snapshot:
    """With changes of late: target, days ago, of spend and of conversions; the panel holds what is known now."""
    rows = np.array(changes, dtype=np.float64).reshape(-1, 4)
    day = seen.panel.days - rows[:, 1].astype(np.int64)
    return replace(seen, restated=Restatements(rows[:, 0].astype(np.int64), day, rows[:, 2], rows[:, 3]))


def triangle(growth: float) -> DelayTriangle:
    """Ninety days of 100 conversions on their first day, of which each lag brings so much more; known to yesterday."""
    known: FloatArray = np.tile(100.0 * (1 + growth) ** np.arange(LAGS), (90, 1))
    for row in range(90):
        known[row, 90 - row :] = np.nan
    return DelayTriangle("ads/all", np.arange(1), known)


def codes(seen: Snapshot, guards: Guardrails = GUARDS) -> list[str | None]:
    return held(seen, guards)


def test_where_nothing_is_told_otherwise_nothing_is_held() -> None:
    seen = snapshot(target("a"), target("b"))
    assert codes(seen) == [None, None]
    assert suspicion.rewritten(seen, GUARDS.doubt) is None


@pytest.mark.parametrize(
    ("ago", "change", "code"),
    [
        (10, 30.0, "restated-spend"),  # 70 were known, 100 are told now
        (10, -30.0, "restated-spend"),
        (10, 9.0, None),  # within a tenth
        (3, 60.0, None),  # corrected within the days that platforms take for it
        (4, 60.0, "restated-spend"),
    ],
)
def test_spend_of_a_settled_day_that_is_told_otherwise_is_doubtful(ago: int, change: float, code: str | None) -> None:
    seen = told_otherwise(snapshot(target("a"), target("b")), (1, ago, change, 0.0))
    assert codes(seen) == [None, code]
    assert codes(seen, replace(GUARDS, restated_spend=1.0)) == [None, None]


def test_a_tiny_day_does_not_count_by_its_own_size() -> None:
    seen = snapshot(target("a"))
    seen.panel.spend[0, -20] = 2.0
    assert codes(told_otherwise(seen, (0, 20, 1.0, 0.0))) == [None]


def test_the_words_name_the_day_and_when_it_is_believed_again() -> None:
    seen = told_otherwise(snapshot(target("a")), (0, 10, 5.0, 0.0), (0, 12, 50.0, 0.0))
    found = suspicion.rewritten(seen, GUARDS.doubt)
    assert found is not None
    hold = found.hold(0, 0.1, 0.1)
    assert hold is not None
    day = seen.panel.first_day + timedelta(days=DAYS - 12)
    assert f"the spend of {day} is told otherwise by 50%" in hold.words
    assert "48 hours after it was noticed" in hold.mend
    assert hold.severity is Severity.WARNING


def test_conversions_of_old_days_that_fall_by_more_than_is_usual_are_doubtful() -> None:
    """Of 53 old days with 5 each, 265 are known: 60 less is 18%."""
    seen = snapshot(target("a"), target("b"))
    fell = told_otherwise(seen, *((0, ago, 0.0, -2.0) for ago in range(10, 40)))
    assert codes(fell) == ["restated-conversions", None]
    assert codes(fell, replace(GUARDS, restated_conversions=0.3)) == [None, None]
    young = told_otherwise(seen, *((0, ago, 0.0, -4.0) for ago in range(1, 8)))
    assert codes(young) == [None, None], "young days come to be known anyway"
    few = told_otherwise(snapshot(target("a"), conversions=0.6), (0, 10, 0.0, -4.0))
    assert suspicion.rewritten(few, GUARDS.doubt).unusual.tolist() == [False], "four conversions are chance"  # type: ignore[union-attr]


@pytest.mark.parametrize("growth", [0.07, -0.07])
def test_what_comes_late_or_is_taken_back_on_the_platform_is_not_doubtful(growth: float) -> None:
    change = 5.0 - 5.0 / (1 + growth) ** 2
    late = told_otherwise(snapshot(target("a")), *((0, ago, 0.0, change) for ago in range(8, DAYS + 1)))
    assert codes(late) == ["restated-conversions"], "the first reading after another knows of no platform's ways"
    assert codes(replace(late, delays=(triangle(growth),))) == [None]
    assert codes(replace(late, delays=(triangle(-growth),))) == ["restated-conversions"]


def test_twice_what_is_usual_is_doubtful_where_every_day_is_alike() -> None:
    twice = told_otherwise(snapshot(target("a"), conversions=50.0), *((0, ago, 0.0, -10.0) for ago in range(8, 60)))
    assert codes(replace(twice, delays=(triangle(-0.01),))) == ["restated-conversions"]


def test_a_restatement_stays_with_its_budget_when_some_are_left_out() -> None:
    seen = told_otherwise(snapshot(target("a"), target("b"), target("c")), (2, 10, 50.0, 0.0), (0, 10, 50.0, 0.0))
    assert codes(seen.select([1, 2])) == [None, "restated-spend"]


def doubt(code: str, account: str = "shop") -> Doubt:
    return Doubt(code, "files", account, "something is odd", "Look.", NOW)


@pytest.mark.parametrize("code", [doubts.CHANGED, doubts.GONE, doubts.TWICE, doubts.FUTURE])
def test_an_account_in_doubt_moves_nothing_and_is_told_once(code: str) -> None:
    seen = replace(snapshot(target("a"), target("b")), doubts=(doubt(code),))
    assert codes(seen) == [code, code]
    proof = guardrails.evidence(np.full(2, 60.0), np.full(2, 99.0), np.full(2, 99.0), GUARDS)
    findings = guardrails.portfolio_findings(seen, guardrails.holds(seen, proof, GUARDS, NOW))
    assert [(f.code, f.subject) for f in findings] == [(code, "files/shop"), ("all-held", "portfolio")]
    assert codes(replace(seen, doubts=(doubt(code, "another"),))) == [None, None]
    assert codes(replace(seen, doubts=(doubt(code, ""),))) == [code, code], "of the whole connector"


@pytest.mark.parametrize("code", [doubts.SKEW, doubts.RECEIPT])
def test_clocks_that_differ_block_the_whole_plan(code: str) -> None:
    seen = replace(snapshot(target("a")), doubts=(doubt(code, ""),))
    (finding,) = guardrails.portfolio_findings(seen, (None,))
    assert (finding.code, finding.severity, finding.subject) == (code, Severity.BLOCK, "portfolio")


def test_a_doubt_about_an_account_without_budgets_is_told_all_the_same() -> None:
    seen = replace(snapshot(target("a")), doubts=(doubt(doubts.GONE, "lost"),))
    (finding,) = guardrails.portfolio_findings(seen, (None,))
    assert (finding.code, finding.severity, finding.subject) == (doubts.GONE, Severity.WARNING, "files/lost")


def test_an_account_that_two_connectors_read_is_held_in_both() -> None:
    seen = snapshot(target("a"), target("b"), target("c"))
    copy = replace(seen.targets[0].budget, account=replace(seen.targets[0].budget.account, connector="again"))
    twice = replace(seen, targets=(*seen.targets[:2], replace(seen.targets[0], budget=copy)))
    assert codes(twice)[0] == doubts.TWICE
    assert codes(twice)[2] == doubts.TWICE
    other = replace(copy, name="another budget of the same number")
    assert codes(replace(seen, targets=(*seen.targets[:2], replace(seen.targets[0], budget=other))))[0] is None
