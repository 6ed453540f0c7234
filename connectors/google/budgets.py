"""Budgets: read with the campaigns that draw on them, and set by one request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

from connectors.contract import BudgetKind, BudgetTarget, Level
from connectors.errors import Stop
from connectors.google.accounts import Held, Searches, learns
from connectors.google.units import constant
from connectors.money import Money

_BUDGETS: Final = (
    "SELECT campaign.id, campaign.name, campaign.bidding_strategy_system_status, campaign_budget.id, "
    "campaign_budget.name, campaign_budget.amount_micros, campaign_budget.total_amount_micros, campaign_budget.period, "
    "campaign_budget.explicitly_shared, campaign_budget.reference_count "
    "FROM campaign WHERE campaign.status IN ('ENABLED', 'PAUSED')"
)
_ONE: Final = _BUDGETS + " AND campaign_budget.id = {budget}"


class Budgets(Searches, Protocol):
    """What reads rows and sets budgets: a session."""

    def set_budget(self, customer_id: str, budget_id: str, micros: int, *, only_check: bool) -> str:
        """Set an amount, or have it validated only; return the request's id."""
        ...


def read_budgets(session: Searches, held: Held) -> Iterator[BudgetTarget]:
    """Yield the live budgets of an account's campaigns that are not removed."""
    return _targets(held, session.search(held.account.account_id, _BUDGETS, "budgets"))


def read_budget(session: Searches, held: Held, budget_id: str) -> BudgetTarget:
    """Return one live budget, read now.

    Raises:
        Stop: There is none of this id.
    """
    if budget_id.isascii() and budget_id.isdigit():
        query = _ONE.format(budget=budget_id)
        for target in _targets(held, session.search(held.account.account_id, query, f"budget {budget_id}")):
            return target
    raise Stop(f"there is no budget {budget_id!r} in account {held.account.account_id}; nothing was written")


def _targets(held: Held, rows: Iterator[Any]) -> Iterator[BudgetTarget]:
    """One budget for all campaigns that draw on it, in the order in which they are met."""
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.campaign_budget.id, []).append(row)
    return (_target(held, those) for those in found.values())


def _target(held: Held, rows: list[Any]) -> BudgetTarget:
    budget, currency = rows[0].campaign_budget, held.account.currency
    shared = budget.explicitly_shared or budget.reference_count > 1 or len(rows) > 1
    lifetime = constant(budget, "period") == "CUSTOM_PERIOD"
    return BudgetTarget(
        account=held.account,
        budget_id=str(budget.id),
        name=budget.name if shared else rows[0].campaign.name,
        holder=Level.CAMPAIGN,
        covers=tuple(str(row.campaign.id) for row in rows),
        amount=Money(budget.total_amount_micros if lifetime else budget.amount_micros, currency),
        kind=BudgetKind.LIFETIME if lifetime else BudgetKind.DAILY,
        shared=shared,
        quantum_micros=held.unit_micros,
        learning=any(learns(row.campaign) for row in rows),
    )
