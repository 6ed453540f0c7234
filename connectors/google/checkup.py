"""What `outlay connectors check` asks: are the credentials good, do they reach and may they change each account?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from connectors.contract import BudgetKind
from connectors.diagnosis import Diagnosis, Verdict
from connectors.errors import AskMarketer, ConnectorError
from connectors.google.accounts import Held
from connectors.google.budgets import read_budgets
from connectors.google.session import VERSION, Session

_QUOTA_LOW = 0.8


def diagnose(
    session: Session, customer_ids: tuple[str, ...], read: Callable[[str], Held], limit: int | None, today: date
) -> Iterator[Diagnosis]:
    """Yield how each thing stands, and stop where nothing more can be asked.

    Args:
        session: The connector's calls.
        customer_ids: The accounts of the settings.
        read: Reads one of them.
        limit: Operations a day.
        today: Of the version's sunset.
    """
    warning = VERSION.warning(today)
    told = f"version {VERSION.name} of the interface is in service"
    yield Diagnosis("version", Verdict.WARNING if warning else Verdict.WELL, warning or told)
    try:
        session.renew()
    except ConnectorError as error:
        yield _wrong("credentials", error)
        return
    yield Diagnosis("credentials", Verdict.WELL, "an access token was given for the credentials")
    for customer in customer_ids:
        yield _account(session, read, customer)
    spent = session.quota.spent
    low = limit is not None and spent >= _QUOTA_LOW * limit
    words = f"{spent} of {limit} operations of today are spent" if limit else f"{spent} operations were spent today"
    mend = "raise operations_per_day if the developer token has more, or wait for tomorrow" if low else ""
    yield Diagnosis("quota", Verdict.WARNING if low else Verdict.WELL, words, mend)


def _account(session: Session, read: Callable[[str], Held], customer: str) -> Diagnosis:
    """Whether an account can be read, and a budget of it be set: by a request that is only validated."""
    subject = f"account {customer}"
    try:
        held = read(customer)
        own = [b for b in read_budgets(session, held) if not b.shared and b.kind is BudgetKind.DAILY]
    except ConnectorError as error:
        return _wrong(subject, error)
    if not own:
        return Diagnosis(subject, Verdict.WARNING, "it can be read; it has no budget of one campaign alone to set")
    try:
        session.set_budget(customer, own[0].budget_id, own[0].amount.micros, only_check=True)
    except ConnectorError as error:
        return _wrong(f"permissions of {subject}", error)
    currency = f"in {held.account.currency}, {held.account.time_zone}"
    return Diagnosis(subject, Verdict.WELL, f"it can be read and its budgets be set ({currency})")


def _wrong(subject: str, error: ConnectorError) -> Diagnosis:
    mend = error.mend if isinstance(error, AskMarketer) else "try again later"
    return Diagnosis(subject, Verdict.WRONG, str(error).removesuffix(f". Mend: {mend}"), mend)
