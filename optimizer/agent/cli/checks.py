"""`outlay status`, `doctor` and `connectors`: what waits, what is wrong, and what would mend it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table

from connectors import registry
from connectors.contract import Connector
from connectors.diagnosis import Diagnosis, Verdict
from connectors.errors import ConnectorError
from connectors.money import total
from optimizer.agent import cycle
from optimizer.agent import settings as configuration
from optimizer.agent.bootstrap import code_version, open_house
from optimizer.agent.cli import office, priors
from optimizer.agent.cli.answers import Answer, Exit
from optimizer.agent.cli.render import plain
from optimizer.agent.clock import SystemClock
from optimizer.agent.measuring import KpiState, kpi_states
from optimizer.agent.secrecy import redacted
from optimizer.agent.settings import Settings, SettingsError
from optimizer.agent.shown.formats import formats
from optimizer.agent.shown.measures import KpiRow
from optimizer.agent.standing import standing
from optimizer.agent.statements import plain_kpi
from optimizer.plan.record import State
from optimizer.ports import StoreError

_LIVE_STATES: Final = frozenset({State.PROPOSED, State.APPROVED, State.APPLYING, State.APPLIED, State.FAILED})
_SPARE_BYTES: Final = 500_000_000
_WEEK: Final = 7
"""So many days of rows are read to see whether they can be: the whole history would spend quotas."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `mend` is empty when it is well."""

    subject: str
    well: bool
    message: str
    mend: str = ""


def status(config: Path) -> Answer:
    """Say what waits for whom, which writes are open, and how fresh each account is; closes what has expired.

    Where the settings or connectors cannot be used, what the running agent says is told all the same.
    """
    try:
        if notice := office.moved(config):
            raise SettingsError([notice])
        return _status(config)
    except (SettingsError, ConnectorError) as error:
        return office.without_settings(config, error, SystemClock().now())


def _status(config: Path) -> Answer:
    with open_house(config) as house:
        expired = cycle.expire(house)
        waiting = house.store.records(_LIVE_STATES)
        seen = cycle.snapshot(house, house.today())
        open_intents = house.store.open_intents()
        agent, agent_data = office.office_words(house.store, house.clock.now()), office.office_data(house.store)
        doubts = house.store.doubts(house.clock.now())
        settings = configuration.load(config)
        slow = standing(house.store, house.clock.now(), settings.refit.every_days)
        goals = kpi_states(house, settings.kpis, seen, house.today())
    rows = [
        {
            "recommendation": record.recommendation.rec_id,
            "state": record.state.value,
            "valid_until": record.recommendation.valid_until.isoformat(),
            "changes": sum(line.changes for line in record.recommendation.decision.all_lines),
            "approved": len(record.approved_lines),
        }
        for record in waiting
    ]
    freshness = [
        {"account": f"{f.connector}/{f.account_id}", "last_day": None if f.last_day is None else f.last_day.isoformat()}
        for f in seen.freshness
    ]
    table = Table(box=None, pad_edge=False, title="Recommendations", title_justify="left")
    for title in ("id", "state", "lines", "valid until (UTC)"):
        table.add_column(title)
    for row in rows:
        budgets = f"{row['approved']} of {row['changes']} approved" if row["approved"] else str(row["changes"])
        table.add_row(str(row["recommendation"]), str(row["state"]), budgets, str(row["valid_until"])[:16])
    lines = [f"{f['account']}: rows until {f['last_day'] or 'none yet'}" for f in freshness]
    parts: list[RenderableType] = [
        table if rows else "No recommendation waits. Next: outlay plan",
        "\n".join([f"Budgets known: {len(seen.targets)}. Open writes: {len(open_intents)}.", *map(plain, lines)]),
        "\n".join(plain(_kpi_words(each, seen.currency)) for each in goals),
        "\n".join(map(plain, priors.standing_words(slow))),
        "\n".join(plain(f"In doubt: {doubt.subject}: {doubt.words}. {doubt.mend}") for doubt in doubts),
        "\n".join(map(plain, agent)),
    ]
    data = {
        "recommendations": rows,
        "accounts": freshness,
        "budgets": len(seen.targets),
        "open_writes": len(open_intents),
        "kpis": [plain_kpi(each) for each in goals],
        "refit": priors.standing_data(slow),
        "doubts": [
            {"code": d.code, "subject": d.subject, "words": d.words, "mend": d.mend, "since": d.since.isoformat()}
            for d in doubts
        ],
        "agent": agent_data,
        "expired_now": [record.recommendation.rec_id for record in expired],
    }
    return Answer(Group(*parts), data)


def _kpi_words(told: KpiState, currency: str) -> str:
    """A goal in a line: where it stands, and how likely it is to be met."""
    row, shown = KpiRow(told), formats("en-GB", "", "UTC")

    def text(value: float | None) -> str:
        return row.shown(value, shown, currency)

    bound = "at most" if row.at_most else "at least"
    parts = [f"{row.metric} {bound} {text(row.target)} by {row.by}", f"so far {text(row.so_far)}"]
    if row.probability is not None:
        parts.append(f"forecast {text(row.forecast)}, probability {shown.chance(row.probability)}")
    return f"Goal {row.name!r} ({row.scope}) is {row.standing}: {'; '.join(parts)}."


def doctor(config: Path) -> Answer:
    """Look at everything that a cycle needs."""
    checks = [
        Check("python", sys.version_info >= (3, 12), platform.python_version(), "Use Python 3.12 or later."),
        Check("outlay", True, code_version()),
    ]
    try:
        settings = configuration.load(config)
    except SettingsError as error:
        return _checked([*checks, Check("settings", False, str(error), "Correct the settings, then run this again.")])
    checks.append(Check("settings", True, f"{config} is valid"))
    checks += [_disk(config.resolve().parent), *_lift_tests(settings, config.resolve().parent)]
    if not settings.connectors:
        checks.append(Check("connectors", False, "none is configured", "Add a [connectors.NAME] table."))
    try:
        with open_house(config) as house:
            checks.append(Check("store", True, "opened, schema up to date"))
            checks += [check for connector in house.connectors.values() for check in _connector(house, connector)]
    except (StoreError, ConnectorError) as error:
        subject = "store" if isinstance(error, StoreError) else "connectors"
        checks.append(Check(subject, False, redacted(str(error)), "See the message."))
    return _checked(checks)


def connectors_list(config: Path) -> Answer:
    """List installed kinds and configured connectors."""
    kinds = registry.available()
    configured = {} if not config.exists() else {n: t.kind for n, t in configuration.load(config).connectors.items()}
    table = Table(box=None, pad_edge=False)
    for title in ("kind", "from", "configured as", "state"):
        table.add_column(title)
    for kind in kinds.values():
        names = ", ".join(name for name, used in configured.items() if used == kind.name)
        table.add_row(kind.name, kind.distribution, names or "-", plain(kind.error) if kind.error else "ready")
    data = {"kinds": [asdict(kind) for kind in kinds.values()], "configured": configured}
    return Answer(table, data)


def connectors_check(config: Path) -> Answer:
    """Read accounts, budgets and a week of rows from each connector."""
    with open_house(config) as house:
        checks = [check for connector in house.connectors.values() for check in _connector(house, connector)]
    return _checked(checks or [Check("connectors", False, "none is configured", "Add a [connectors.NAME] table.")])


def _connector(house: cycle.House, connector: Connector) -> list[Check]:
    def accounts() -> str:
        return ", ".join(f"{a.account_id} in {a.currency}, {a.time_zone}" for a in connector.accounts())

    def budgets() -> str:
        found = connector.budgets()
        amounts = [budget.amount for budget in found]
        totals = [
            total([a for a in amounts if a.currency == code], code) for code in sorted({a.currency for a in amounts})
        ]
        together = " and ".join(map(str, totals))
        return f"{len(found)} budgets, {together} a day together" if found else "no budgets"

    def rows() -> str:
        until = house.today()
        days = {row.day for row in connector.pull(until - timedelta(days=_WEEK), until - timedelta(days=1))}
        return (
            f"{len(days)} days with rows, {min(days)} to {max(days)}" if days else f"no rows in the last {_WEEK} days"
        )

    tried = [
        _tried(f"{connector.name}: {name}", look)
        for name, look in (("accounts", accounts), ("budgets", budgets), ("rows", rows))
    ]
    return [*_diagnosed(connector), *tried]


def _diagnosed(connector: Connector) -> list[Check]:
    """What the connector says of its credentials, permissions, version and quota; a warning is well, and told."""
    # Asked for by name: a connector behind a breaker passes on what it has beyond the contract.
    diagnose: Callable[[], Sequence[Diagnosis]] | None = getattr(connector, "diagnose", None)
    checks = []
    for found in () if diagnose is None else diagnose():
        warned = f"warning: {found.message}. {found.mend}" if found.verdict is Verdict.WARNING else found.message
        checks.append(
            Check(f"{connector.name}: {found.subject}", found.verdict is not Verdict.WRONG, warned, found.mend)
        )
    return checks


def _tried(subject: str, look: Callable[[], str]) -> Check:
    try:
        return Check(subject, True, look())
    except ConnectorError as error:
        return Check(subject, False, redacted(str(error)), "See the message.")


def _lift_tests(settings: Settings, home: Path) -> list[Check]:
    """Whether the lift tests that a refit would read are some; nothing where none are named."""
    if not settings.lift_tests and settings.refit.lift_tests_file is None:
        return []
    try:
        found = len(configuration.lift_tests(settings, home))
    except SettingsError as error:
        return [Check("lift tests", False, str(error), "Correct the file, then run this again.")]
    return [Check("lift tests", True, f"{found} for the next refit")]


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    return Check("disk", free > _SPARE_BYTES, f"{free / 1e9:,.1f} GB free", "Make room, at least 0.5 GB.")


def _checked(checks: list[Check]) -> Answer:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(width=5)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        mend = "" if check.well or not check.mend else f" {check.mend}"
        table.add_row(
            "[green]ok[/]" if check.well else "[red]wrong[/]", plain(check.subject), plain(f"{check.message}{mend}")
        )
    data: dict[str, Any] = {"checks": [asdict(check) for check in checks]}
    return Answer(table, data, Exit.FINE if all(check.well for check in checks) else Exit.ERROR)
