"""What `outlay connectors check` is told of a Meta connector: credentials, permissions, accounts, version, quota."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from connectors.diagnosis import Diagnosis, Verdict
from connectors.errors import AskMarketer, ConnectorError
from connectors.manners import Clock
from connectors.meta.door import Answer, Door
from connectors.meta.options import Options
from connectors.meta.session import VERSION, sunset_warning

# Of the field account_status, by the reference of the ad account.
_STATES: Final = {
    2: "is disabled",
    3: "has unpaid bills",
    7: "is under a review of its risk",
    8: "waits for a payment",
    9: "is in the time of grace before it is disabled",
    100: "is about to be closed",
    101: "is closed",
}
_UPDATE: Final = "update Outlay"


def diagnose(door: Door, options: Options, clock: Clock) -> Sequence[Diagnosis]:
    """Return how everything stands; what cannot be looked at is wrong, and says why."""
    found = [*_looked("credentials", lambda: _credentials(door, clock))]
    if found[0].verdict is Verdict.WRONG:
        return found
    found += _looked("permissions", lambda: _permissions(door))
    for account_id in options.accounts:
        found += _looked(f"account {account_id}", lambda account_id=account_id: _account(door, account_id))  # type: ignore[misc]
    return [*found, _quota(door, options)]


def _looked(subject: str, look: Callable[[], Iterator[Diagnosis]]) -> list[Diagnosis]:
    try:
        return list(look())
    except ConnectorError as error:
        mend = error.mend if isinstance(error, AskMarketer) else "try again later"
        return [Diagnosis(subject, Verdict.WRONG, str(error), mend)]


def _credentials(door: Door, clock: Clock) -> Iterator[Diagnosis]:
    answer = door.read("me", fields="id,name")
    yield Diagnosis("credentials", Verdict.WELL, f"Meta knows the token as {answer.body.get('name')!r}")
    yield _version(answer, clock)


def _version(answer: Answer, clock: Clock) -> Diagnosis:
    """Meta answers a version that has ended with a later one, and says so in a header only."""
    if answer.version and answer.version != VERSION.name:
        words = f"asked for {VERSION.name}, Meta answered as {answer.version}: the version has ended"
        return Diagnosis("version", Verdict.WRONG, words, _UPDATE)
    warning = sunset_warning(clock().date())
    if warning is not None:
        return Diagnosis("version", Verdict.WARNING, warning, _UPDATE)
    return Diagnosis("version", Verdict.WELL, f"{VERSION.name} is served")


def _permissions(door: Door) -> Iterator[Diagnosis]:
    granted = {row.get("permission") for row in door.rows("me", "permissions") if row.get("status") == "granted"}
    if not granted & {"ads_read", "ads_management"}:
        yield Diagnosis(
            "permissions", Verdict.WRONG, "the token may not read ads", "make a token with ads_read and ads_management"
        )
    elif "ads_management" not in granted:
        yield Diagnosis(
            "permissions",
            Verdict.WARNING,
            "the token may read, but not write: every change will be refused",
            "make a token with ads_management, too",
        )
    else:
        yield Diagnosis("permissions", Verdict.WELL, "the token may read and write ads")


def _account(door: Door, account_id: str) -> Iterator[Diagnosis]:
    body = door.read(f"act_{account_id}", fields="name,account_status,user_tasks").body
    subject, name = f"account {account_id}", body.get("name")
    state, tasks = _STATES.get(body.get("account_status", 1)), body.get("user_tasks")
    if state is not None:
        yield Diagnosis(subject, Verdict.WARNING, f"{name!r} {state}", "put it in order in Ads Manager")
    elif isinstance(tasks, list) and not {"ADVERTISE", "MANAGE"} & set(tasks):
        yield Diagnosis(
            subject,
            Verdict.WARNING,
            f"the token's user may look at {name!r}, but not manage its campaigns",
            "assign the ad account to it with the task 'Manage campaigns' in the business settings",
        )
    else:
        yield Diagnosis(subject, Verdict.WELL, f"{name!r} is read and written")


def _quota(door: Door, options: Options) -> Diagnosis:
    limit = "any number" if options.calls_a_day is None else f"{options.calls_a_day:,}"
    return Diagnosis("quota", Verdict.WELL, f"{door.calls_today:,} calls of {limit} were made today")
