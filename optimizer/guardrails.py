"""What keeps money from moving: evidence too thin, data too old or doubtful, a change too recent or too large.

Every guard is a pure function of the snapshot and the written settings. A guard holds single budgets (a `Hold`) or
speaks of the portfolio (a `Finding`); it never moves money itself. Defaults and their reasons stand in
docs/safety.md. The values are checked at birth, so that a guard that cannot be read closes: nothing is planned.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.contract import BudgetKey, BudgetKind
from connectors.money import Money
from optimizer import goals, suspicion
from optimizer.goals import Because, Box, Goals
from optimizer.plan import doubts, under_test
from optimizer.plan.holds import Hold
from optimizer.plan.recommendation import Evidence, Finding, Severity
from optimizer.plan.snapshot import FloatArray, IntArray, Snapshot, Target

__all__ = [
    "GUARDRAIL_VERSION",
    "SHARED",
    "STALE",
    "BoolArray",
    "Guardrails",
    "Hold",
    "changes_left",
    "cooling",
    "daily",
    "evidence",
    "holds",
    "portfolio_findings",
    "room",
    "step_range",
]

GUARDRAIL_VERSION: Final = "guards/3"
SHARED: Final = "shared-budget"
STALE: Final = "stale-data"
_OF_ACCOUNTS: Final = frozenset({STALE, doubts.CHANGED, doubts.GONE, doubts.TWICE, doubts.FUTURE})
_RECENT_DAYS: Final = 28
_FEW_DAYS: Final = 8

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Guardrails:
    """The written limits of the agent, over and above the goals.

    Attributes:
        largest_step_24h: Largest relative change of one budget over any 24 hours, all recommendations together.
        cool_down_hours: A budget that we changed is left alone for so long, so that its effect can be seen.
        freshness_days: An account whose last complete day is older than this many days is not moved.
        minimum_days: Fewest days with rows before a budget is moved.
        minimum_conversions: Fewest conversions in the last 28 days before a budget is moved.
        smallest_step: Relative changes below this are not proposed; each change restarts a platform's learning.
        min_gain_probability: Least posterior probability that the plan is better than leaving all as it is.
        min_gain_share: Least expected gain, as a share of what the present budgets bring.
        max_changes: Most budgets that one recommendation changes, the most valuable first; 0 for no limit.
        spend_spike: A last day above this multiple of the 28-day median spend is doubtful.
        outage_days: Spend without a single conversion over this many days, where many were due, is an outage.
        restated_spend: A settled day whose spend is told otherwise by more than this share is doubtful.
        restated_conversions: So are conversions of old days that change by more than this share beyond what is usual.
        doubt_hours: What was told otherwise is doubtful for so long after it was noticed; 0 for never.
        gone_days: The budgets of an account that is told of no more stay where they are for so long.
        clock_skew_seconds: Times that differ by more than this from our clock's are doubtful.
        max_changes_24h: Most budgets that are changed over any 24 hours, all recommendations together; 0 for no limit.
        learning_step: Largest relative change of a budget of which its platform says that it is learning: a larger one
            would begin that anew.

    Raises:
        ValueError: A limit is negative, not finite, or a probability or share outside 0 to 1.
    """

    largest_step_24h: float = 0.5
    cool_down_hours: float = 20.0
    freshness_days: int = 3
    minimum_days: int = 14
    minimum_conversions: float = 10.0
    smallest_step: float = 0.02
    min_gain_probability: float = 0.6
    min_gain_share: float = 0.002
    max_changes: int = 0
    spend_spike: float = 5.0
    outage_days: int = 3
    restated_spend: float = 0.1
    restated_conversions: float = 0.1
    doubt_hours: float = 48.0
    gone_days: float = 7.0
    clock_skew_seconds: float = 300.0
    max_changes_24h: int = 0
    learning_step: float = 0.2

    @property
    def doubt(self) -> timedelta:
        """`doubt_hours` as a length of time."""
        return timedelta(hours=self.doubt_hours)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not np.isfinite(value) or value < 0:
                raise ValueError(f"{item.name} must be a finite number of at least 0, not {value!r}")
        for name in (
            "min_gain_probability",
            "min_gain_share",
            "smallest_step",
            "restated_spend",
            "restated_conversions",
        ):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is a share: it must lie between 0 and 1, not {getattr(self, name)!r}")
        if self.spend_spike <= 1:
            raise ValueError(f"spend_spike is a multiple of usual spend: it must be above 1, not {self.spend_spike!r}")


def daily(snapshot: Snapshot) -> tuple[Snapshot, tuple[Finding, ...]]:
    """Leave out lifetime budgets, whose amounts are of another kind, and name each that was."""
    keep = [k for k, target in enumerate(snapshot.targets) if target.budget.kind is BudgetKind.DAILY]
    left = tuple(
        Finding("lifetime-budget", Severity.INFO, str(target.key),
                f"{target.budget.name} has a lifetime budget and is not planned day by day.",
                "Give it a daily budget to let it take part.")
        for target in snapshot.targets if target.budget.kind is BudgetKind.LIFETIME
    )  # fmt: skip
    return (snapshot.select(keep) if left else snapshot), left


def evidence(days: FloatArray, conversions: FloatArray, spend: FloatArray, guards: Guardrails) -> tuple[Evidence, ...]:
    """Say for each target how much stands behind a move; the arrays are of shape (K,)."""
    return tuple(
        _evidence(int(d), float(c), float(s), guards) for d, c, s in zip(days, conversions, spend, strict=True)
    )


def holds(
    snapshot: Snapshot, proof: tuple[Evidence, ...], guards: Guardrails, now: datetime
) -> tuple[Hold | None, ...]:
    """Return for each target the first reason to leave it alone, or None.

    Args:
        snapshot: The evidence.
        proof: What `evidence` said of each target.
        guards: The written limits.
        now: Aware UTC; cool-down counts from it.
    """
    outage = _outage(snapshot.panel.spend, snapshot.panel.conversions, guards.outage_days)
    spike = _spike(snapshot.panel.spend, guards.spend_spike)
    stale = _stale_accounts(snapshot, guards)
    spent = _last_spent(snapshot.panel.spend)
    cooling = _cooling_until(snapshot, guards, now)
    doubted = suspicion.accounts(snapshot)
    rewritten = suspicion.rewritten(snapshot, guards.doubt)
    found: list[Hold | None] = []
    for index, target in enumerate(snapshot.targets):
        account = (target.budget.account.connector, target.budget.account.account_id)
        found.append(
            _unwritable(target)
            or doubted.get(account)
            or doubted.get((account[0], ""))
            or stale.get(account)
            or (rewritten and rewritten.hold(index, guards.restated_spend, guards.restated_conversions))
            or (_OUTAGE if outage[index] else None)
            or (_SPIKE if spike[index] else None)
            or _idle(snapshot, int(spent[index]), guards.freshness_days)
            or _thin(proof[index])
            or _cooling(cooling.get(target.key))
        )
    return tuple(found)


def portfolio_findings(snapshot: Snapshot, held: tuple[Hold | None, ...]) -> tuple[Finding, ...]:
    """What concerns the whole: nothing to plan, nothing movable, or campaigns without a readable budget."""
    found = _per_hold(snapshot, held)
    if not snapshot.targets:
        found.append(
            Finding("no-budgets", Severity.BLOCK, "portfolio", "No budget was read from any connector.",
                    "Run `outlay connectors check`, and read budgets with `outlay plan`.")
        )  # fmt: skip
    elif all(hold is not None for hold in held):
        found.append(
            Finding("all-held", Severity.BLOCK, "portfolio", "Every budget is held; nothing can move.",
                    "Read the findings of the single budgets.")
        )  # fmt: skip
    found += suspicion.findings(snapshot, held)
    if snapshot.unbudgeted:
        names = ", ".join(snapshot.unbudgeted[:5]) + (" ..." if len(snapshot.unbudgeted) > 5 else "")
        found.append(
            Finding("no-budget", Severity.WARNING, "portfolio",
                    f"{len(snapshot.unbudgeted)} campaign(s) spend but draw on no budget that can be read: {names}.",
                    "Add them to the budgets file, or leave them out of the export.")
        )  # fmt: skip
    return tuple(found)


def _per_hold(snapshot: Snapshot, held: tuple[Hold | None, ...]) -> list[Finding]:
    """One finding for each held budget, but one for each account whose data are stale."""
    found: dict[tuple[str, str], Finding] = {}
    for hold, target in zip(held, snapshot.targets, strict=True):
        if hold is None:
            continue
        finding = hold.finding(target)
        if hold.code in _OF_ACCOUNTS:
            account = _account(target)
            finding = replace(finding, subject=account, message=f"{account}: {hold.words}.")
        found.setdefault((hold.code, finding.subject), finding)
    return list(found.values())


def cooling(snapshot: Snapshot, guards: Guardrails, now: datetime) -> dict[BudgetKey, str]:
    """Return in words why budgets that we changed lately are left alone, by their keys."""
    until = _cooling_until(snapshot, guards, now)
    return {key: hold.words for key, end in until.items() if (hold := _cooling(end)) is not None}


def changes_left(snapshot: Snapshot, guards: Guardrails, now: datetime) -> int | None:
    """Return how many budgets may yet be changed at this moment; None for no limit."""
    limits = [guards.max_changes] if guards.max_changes else []
    if guards.max_changes_24h:
        lately = {move.key for move in snapshot.moves if move.at > now - timedelta(hours=24)}
        limits.append(max(guards.max_changes_24h - len(lately), 0))
    return min(limits, default=None)


def step_range(snapshot: Snapshot, guards: Guardrails, now: datetime) -> tuple[FloatArray, FloatArray]:
    """Return the least and largest budget, each (K,), that the cumulative 24-hour step allows.

    The reference is what the budget was before our first change of the last 24 hours, else what it is now.
    """
    reference = snapshot.current
    index = {target.key: k for k, target in enumerate(snapshot.targets)}
    for move in reversed(snapshot.moves):
        if move.at > now - timedelta(hours=24) and move.key in index:
            reference[index[move.key]] = move.before.micros / 1e6
    return reference * (1 - min(guards.largest_step_24h, 1.0)), reference * (1 + guards.largest_step_24h)


def room(snapshot: Snapshot, wanted: Goals, guards: Guardrails, now: datetime) -> Box:
    """Return the room that each budget has today: limits, pins and steps of the goals, of a day and while learning.

    A budget of a running lift test has none but what the test asks for, as far as all of these let it go.

    Asked for when a plan is made, and again right before it is written.

    Raises:
        GoalsError: A floor or platform minimum lies above a ceiling of the same budget.
    """
    least, most = step_range(snapshot, guards, now)
    if wanted.largest_cut is not None:
        least = np.minimum(least, snapshot.current * wanted.least(guards.largest_step_24h))
    words = f"the largest step over 24 hours is {guards.largest_step_24h:.0%}"
    own = goals.box(wanted, snapshot.targets, snapshot.current, snapshot.today)
    cut = own.within(least, most, Because("step-24h", words), goals.quanta(snapshot.targets))
    box = _while_learning(cut, snapshot, guards)
    return _under_test(box, snapshot)


def _under_test(box: Box, snapshot: Snapshot) -> Box:
    """The box with the budgets of running lift tests shut at what these ask for, or as near to it as the box goes."""
    at = {}
    for k, ask in under_test.asked(snapshot).items():
        quantum = snapshot.targets[k].budget.quantum_micros
        low, high = (Money(round(1e6 * float(side[k])), snapshot.currency) for side in (box.lower, box.upper))
        amount = min(max(ask.amount, low.quantize(quantum, "up")), max(low, high.quantize(quantum, "down")))
        at[k] = (amount.micros / 1e6, Because(under_test.LIFT_TEST, ask.words))
    return box.closed(at) if at else box


def _while_learning(box: Box, snapshot: Snapshot, guards: Guardrails) -> Box:
    """The box without the changes that would begin a platform's learning anew, which it is in the midst of."""
    learns = np.array([target.budget.learning is True for target in snapshot.targets], dtype=np.bool_)
    step, current = guards.learning_step, snapshot.current
    least = np.where(learns, current * max(1 - step, 0.0), -np.inf)
    most = np.where(learns, current * (1 + step), np.inf)
    words = f"its platform says that it is learning, and a step of more than {step:.0%} would begin that anew"
    return box.within(least, most, Because("learning-phase", words), goals.quanta(snapshot.targets))


_OUTAGE = Hold(
    "tracking-outage",
    "money was spent but not one conversion arrived where many were due; the tracking looks broken",
    Severity.WARNING,
    "Check the conversion tag or import; planning resumes by itself once conversions arrive.",
)
_SPIKE = Hold(
    "spend-spike",
    "the last day's spend is many times the usual; it may be an error of the report",
    Severity.WARNING,
    "Check the last day's row; it may be restated tomorrow.",
)


def _evidence(days: int, conversions: float, spend: float, guards: Guardrails) -> Evidence:
    seen = f"{conversions:,.1f} conversions in the last {_RECENT_DAYS} days, {days} days of history"
    missing = []
    if days < guards.minimum_days:
        missing.append(f"at least {guards.minimum_days} days are needed")
    if conversions < guards.minimum_conversions:
        more = guards.minimum_conversions - conversions
        soon = f" (about {more / conversions * _RECENT_DAYS:,.0f} more days at this rate)" if conversions > 0 else ""
        missing.append(f"at least {guards.minimum_conversions:g} conversions are needed{soon}")
    return Evidence(days, conversions, spend, bool(missing), "; ".join([seen, *missing]))


def _unwritable(target: Target) -> Hold | None:
    budget = target.budget
    if budget.shared:
        return Hold(SHARED, "the budget is shared with others; it is never written", Severity.INFO,
                    "Give the campaign a budget of its own.")  # fmt: skip
    if budget.amount.micros == 0:
        return Hold("no-amount", "the budget is zero; relative steps cannot start it", Severity.INFO,
                    "Set a first amount by hand.")  # fmt: skip
    return None


def _account(target: Target) -> str:
    return f"{target.key.connector}/{target.key.account_id}"


def _stale_accounts(snapshot: Snapshot, guards: Guardrails) -> dict[tuple[str, str], Hold]:
    stale = {}
    for account in snapshot.freshness:
        age = None if account.last_day is None else (snapshot.today - account.last_day).days - 1
        if age is None or age > guards.freshness_days:
            words = (
                "no rows at all" if age is None else f"the last day with rows is {account.last_day}, {age} days missing"
            )
            stale[account.connector, account.account_id] = Hold(
                STALE,
                f"{words}; at most {guards.freshness_days} may be",
                Severity.WARNING,
                "Bring the data up to date, or plan for the day after the last one with --as-of.",
            )
    return stale


def _outage(spend: FloatArray, conversions: FloatArray, days: int) -> BoolArray:
    """Zero conversions over the last days with rows, where Poisson chance says at most 1 in 1,000.

    Only a third of the usual rate is expected of days this young, since their conversions still come in.
    """
    silent = np.zeros(len(spend), dtype=np.bool_)
    if days == 0:
        return silent
    nothing = np.nan_to_num(_latest(spend, conversions, days)).sum(axis=1) == 0
    for k in np.flatnonzero(nothing & (np.isfinite(spend).sum(axis=1) > days)):
        known = np.isfinite(spend[k])
        paid, got = spend[k, known], np.nan_to_num(conversions[k, known])
        before = slice(max(len(paid) - days - _RECENT_DAYS, 0), -days)
        spent = paid[before].sum()
        due = got[before].sum() / spent * paid[-days:].sum() / 3 if spent > 0 else 0.0
        silent[k] = due > np.log(1000)
    return silent


def _spike(spend: FloatArray, multiple: float) -> BoolArray:
    recent = _latest(spend, spend, _RECENT_DAYS + 1)
    before = np.isfinite(recent[:, :-1]).sum(axis=1)
    ordered = np.sort(recent[:, :-1], axis=1)  # gaps last
    row, middle = np.arange(len(spend)), np.maximum(before - 1, 0)
    median = (ordered[row, middle // 2] + ordered[row, (middle + 1) // 2]) / 2
    usual = median * multiple
    doubtful: BoolArray = (before + 1 >= _FEW_DAYS) & (usual > 0) & (usual < recent[:, -1])
    return doubtful


def _latest(spend: FloatArray, measure: FloatArray, days: int) -> FloatArray:
    """A measure on each target's last days with rows, the newest last, shape (K, days); nan where there are fewer.

    A gap is a day that nothing is known of, not a day of zero.
    """
    known = np.isfinite(spend)
    back = np.cumsum(known[:, ::-1], axis=1)[:, ::-1]  # 1 on the newest day with a row, 2 on the one before
    row, day = np.nonzero(known & (back <= days))
    table = np.full((len(spend), days), np.nan)
    table[row, days - back[row, day]] = measure[row, day]
    return table


def _last_spent(spend: FloatArray) -> IntArray:
    """The last day on which each target spent, shape (K,); -1 where there is none."""
    days = np.arange(spend.shape[1], dtype=np.int64)
    last: IntArray = np.where(spend > 0, days, -1).max(axis=1, initial=-1)
    return last


def _idle(snapshot: Snapshot, spent: int, days: int) -> Hold | None:
    """A budget that has spent nothing for longer than data may be late, while its account reports others."""
    if spent < 0:
        return None
    last = snapshot.panel.first_day + timedelta(days=spent)
    if (snapshot.today - last).days - 1 <= days:
        return None
    return Hold("no-spend", f"it has spent nothing since {last} and may be paused", Severity.WARNING,
                "Resume the campaign, or take its budget out.")  # fmt: skip


def _thin(proof: Evidence) -> Hold | None:
    return Hold("thin-evidence", f"too thin to move money: {proof.words}", Severity.INFO) if proof.thin else None


def _cooling_until(snapshot: Snapshot, guards: Guardrails, now: datetime) -> dict[BudgetKey, datetime]:
    """Until when each budget that we changed lately is left alone."""
    until: dict[BudgetKey, datetime] = {}
    for move in snapshot.moves:
        end = move.at + timedelta(hours=guards.cool_down_hours)
        if end > now:
            until[move.key] = max(end, until.get(move.key, end))
    return until


def _cooling(until: datetime | None) -> Hold | None:
    if until is None:
        return None
    return Hold("cool-down", f"changed by us lately; it is left alone until {until:%Y-%m-%d %H:%M} UTC", Severity.INFO)
