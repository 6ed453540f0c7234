"""Small plans, live budgets and approvals that the tests of the approval machine share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from connectors.contract import Account, AdKey, AdState, BudgetKey, BudgetTarget, EntityStatus, Level
from connectors.money import Money
from optimizer import approval
from optimizer.plan.recommendation import (
    AdLine,
    Decision,
    Effect,
    Envelope,
    Evidence,
    Finding,
    Line,
    Objective,
    Severity,
)
from optimizer.plan.record import Intent, Record, Transition

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
ACCOUNT = Account("files", "acme", "USD", "Europe/Berlin")
ANYBODY = approval.Policy()
EVIDENCE = Evidence(60, 400.0, 6000.0, thin=False, words="60 days, 400 conversions")


def usd(amount: float) -> Money:
    return Money(round(amount * 1_000_000), "USD")


def key(name: str) -> BudgetKey:
    return BudgetKey(ACCOUNT.connector, ACCOUNT.account_id, name)


def keys(names: Iterable[str]) -> tuple[BudgetKey, ...]:
    return tuple(key(name) for name in names)


def line(name: str, current: float, proposed: float) -> Line:
    gain = (proposed - current) / 10
    effect = Effect(gain, gain - 1, gain + 2, gain - 3, gain + 4, 0.25)
    return Line(key(name), f"Budget {name}", "search", usd(current), usd(proposed), "", effect, (), EVIDENCE, "why")


def envelope(name: str, members: Iterable[str], ceiling: float | None = None, floor: float | None = None) -> Envelope:
    return Envelope(
        name,
        f"sum of {name}",
        keys(members),
        None if ceiling is None else usd(ceiling),
        None if floor is None else usd(floor),
    )


def decision(
    moves: Mapping[str, tuple[float, float]], *envelopes: Envelope, findings: tuple[Finding, ...] = ()
) -> Decision:
    lines = tuple(line(name, *amounts) for name, amounts in moves.items())
    gain = sum(each.effect.mean for each in lines)
    return Decision(
        as_of=date(2026, 11, 23),
        currency="USD",
        time_zone="Europe/Berlin",
        objective=Objective.CONVERSIONS,
        unit="conversions a day",
        lines=lines,
        total=Effect(gain, gain - 1, gain + 3, gain - 2, gain + 5, 0.1),
        expected_now=100.0,
        expected_then=100.0 + gain,
        findings=findings,
        arms=(),
        envelopes=envelopes,
        bindings=(),
        promises=(),
        certificate=None,
        model_version="m",
        guardrail_version="g",
        goals_digest="0",
        input_digest="1",
    )


BLOCK = Finding("stale-data", Severity.BLOCK, "portfolio", "The data are three weeks old.")


def issued(plan: Decision, author: str = "outlay", now: datetime = NOW) -> Transition:
    return approval.issue(plan, now=now, valid_for=DAY, seed=7, code_version="0.1", author=author)


def approved(plan: Decision, names: Iterable[str] | None = None, now: datetime = NOW) -> Record:
    record = issued(plan).record
    lines = None if names is None else keys(names)
    step = approval.judge(record, approval.Approve("ann", record.recommendation.plan_hash, lines), now, ANYBODY)
    assert isinstance(step, Transition), step
    return step.record


def target(name: str, amount: Money) -> BudgetTarget:
    return BudgetTarget(ACCOUNT, name, f"Budget {name}", Level.CAMPAIGN, (name,), amount)


def live(amounts: Mapping[str, float]) -> dict[BudgetKey, BudgetTarget]:
    return {key(name): target(name, usd(amount)) for name, amount in amounts.items()}


def as_planned(plan: Decision) -> dict[BudgetKey, BudgetTarget]:
    return {each.key: target(each.key.budget_id, each.current) for each in plan.lines}


def begun(record: Record) -> Transition:
    step = approval.begin(record, as_planned(record.recommendation.decision), NOW, open_intents=())
    assert isinstance(step, Transition), step
    return step


def done(intent: Intent) -> Intent:
    """The intent after a smooth call."""
    sent = approval.sending(intent, intent.base, NOW)
    return replace(sent, state=approval.recover(sent, intent.target, NOW).state)


def names(intents: Iterable[Intent]) -> list[str]:
    return [intent.key.budget_id for intent in intents]


def ad_key(name: str) -> AdKey:
    return AdKey(ACCOUNT.connector, ACCOUNT.account_id, name)


def ad_line(name: str, to: str, budget: str = "a", running: int = 3, least: int = 2, moved: float = 10) -> AdLine:
    """A line that pauses or resumes an ad of a budget."""
    wanted = EntityStatus(to)
    effect = Effect(1.0, 0.0, 2.0, -1.0, 3.0, 0.2)
    return AdLine(
        ad_key(name), key(budget), f"Ad {name}", _other(wanted), wanted, "", usd(moved), 0.2, 0.1, 0.01, running, least,
        effect, EVIDENCE, "why",
    )  # fmt: skip


def ads(running: str, paused: str = "", budget: str = "a") -> dict[AdKey, AdState]:
    """The ads of a budget as they stand, one a letter."""
    statuses = dict.fromkeys(running, EntityStatus.ACTIVE) | dict.fromkeys(paused, EntityStatus.PAUSED)
    return {ad_key(n): AdState(ACCOUNT, n, f"Ad {n}", budget, None, status) for n, status in statuses.items()}


def _other(status: EntityStatus) -> EntityStatus:
    return EntityStatus.PAUSED if status is EntityStatus.ACTIVE else EntityStatus.ACTIVE
