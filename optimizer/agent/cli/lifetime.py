"""`outlay lifetime`: what customers are worth, by the channel that won them or by the month of their first order."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from connectors.errors import BadInput
from optimizer.agent import lifetime as books
from optimizer.agent import settings as configuration
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cells import write_csv
from optimizer.agent.cli import priors
from optimizer.agent.cli.answers import Answer, Exit, finite
from optimizer.agent.cli.days import day_until
from optimizer.agent.cli.render import bullet, section
from optimizer.agent.cli.screen import progress
from optimizer.agent.cli.stopping import stoppable
from optimizer.agent.cli.tables import clean, figures_table
from optimizer.agent.cycle import House
from optimizer.agent.lifetime import Cost
from optimizer.agent.settings.lifetime import LifetimeTable
from optimizer.measure.lifetime.contract import By, Valuation
from optimizer.measure.lifetime.shocks import Shocks
from optimizer.plan.canonical import adapter
from optimizer.plan.refits import Check

_COMMAND: Final = "outlay lifetime"
_FIRST: Final = "compiling the model"
_STOPPED: Final = "Stopped. Nothing was written."
_NONE: Final = "-"
_ENDS: Final = (0.1, 0.9)
_LEGEND: Final = (
    "orders: purchases a customer; will return: mean probability of buying again some day; new customer: what one "
    "brings within the horizon, the first order included, with its 80% interval; from now: what a customer of today "
    "will bring within the horizon; cost: spend per customer won in the last {days} days (CAC)."
)

Row = Mapping[str, Any]
"""One group: texts and numbers; None stands for what is not known."""


def lifetime(config: Path, by: str, as_of: str | None, seed: int | None, csv: Path | None, quiet: bool) -> Answer:
    """Fit the model of customers to the books; exit 4 when a check fails and no value is given.

    Raises:
        BadInput: The day or the group is none, or the day is still to come.
        AskMarketer: No connector told an order, orders are in another currency, or the table cannot be written.
    """
    group = _group(by)
    settings = configuration.load(config)
    chosen = secrets.randbits(32) if seed is None else seed
    with open_house(config) as house:
        today = day_until(as_of, house.today(), _COMMAND, "--as-of")
        valuation = _valued(house, today, settings.lifetime, (group, chosen), quiet)
        costs = books.costs(house, today, valuation.customers) if group is By.CHANNEL else {}
    rows = [_row(valuation, place, costs) for place in range(len(valuation.groups))]
    if csv is not None:
        write_csv(csv, list(rows[0]) if rows else [], (row.values() for row in rows))
    return _answer(valuation, rows, chosen)


def _valued(house: House, today: date, table: LifetimeTable, how: tuple[By, int], quiet: bool) -> Valuation:
    with stoppable(_STOPPED) as go_on, nullcontext(_silence) if quiet else progress() as tell:

        def step(done: int, of: int) -> None:
            go_on()
            tell(done, of, "sampling" if done else _FIRST)

        tell(0, table.chains * (table.tune + table.draws), "reading orders")
        return books.valued(house, today, np.random.default_rng(how[1]), table, how[0], step)


def _silence(done: int, of: int, what: str) -> None:
    """Show nothing."""


def _group(text: str) -> By:
    try:
        return By(text)
    except ValueError:
        mend = f"write {' or '.join(By)}."
        raise BadInput(f"{text!r} is no group of customers", where=_COMMAND, field="--by", mend=mend) from None


def _row(valuation: Valuation, place: int, costs: Mapping[str, Cost]) -> Row:
    name, of = valuation.groups[place], valuation.group == place
    cost = costs.get(name)
    each = None if cost is None else cost.each
    row: dict[str, Any] = {
        str(valuation.asked.by): name,
        "customers": int(of.sum()),
        "orders": float(1.0 + valuation.customers.repeats[of].mean()),
        "returns": None if valuation.alive is None else float(valuation.alive[of].mean()),
        "ahead": None if valuation.ahead is None else float(valuation.ahead[of].mean()),
        "spend": None if cost is None else cost.spend,
        "won": None if cost is None else cost.won,
        "cost": each,
    }
    for key, per in (("value", 1.0), ("ratio", each)):
        known = valuation.values is not None and per is not None
        draws = valuation.values[:, place] / per if valuation.values is not None and per is not None else np.zeros(1)
        told = (float(draws.mean()), *map(float, np.quantile(draws, _ENDS)))
        row |= dict(zip((key, f"{key}_low", f"{key}_high"), told if known else (None,) * 3, strict=True))
    return row


def _answer(valuation: Valuation, rows: list[Row], seed: int) -> Answer:
    asked, customers = valuation.asked, valuation.customers
    title = f"{len(customers):,} customers up to {customers.end}, {valuation.model}, seed {seed}."
    terms = f"{asked.horizon_days} days, {asked.discount_rate:.0%} discount a year, amounts in {customers.currency}"
    parts: list[RenderableType] = [
        Text(title, style="bold"),
        section("Checks", priors.checks(valuation.checks)),
        section("Left out", *map(bullet, customers.left_out)),
        section(f"By {asked.by} ({terms})", _table(valuation, rows), Text(_legend(), style="dim")),
    ]
    if valuation.shocks is not None:
        parts += [Text(), Text(_moved(valuation.shocks))]
    if not valuation.passed:
        parts += [Text(), Text("A check failed: no value is given.", style="bold")]
    data = {
        "model": valuation.model,
        "by": str(asked.by),
        "end": customers.end.isoformat(),
        "currency": customers.currency,
        "horizon_days": asked.horizon_days,
        "discount_rate": asked.discount_rate,
        "seed": seed,
        "passed": valuation.passed,
        "checks": finite(adapter(tuple[Check, ...]).dump_python(valuation.checks)),
        "left_out": list(customers.left_out),
        "shocks": None if valuation.shocks is None else _shocks(valuation.shocks),
        "groups": rows,
    }
    return Answer(Group(*parts), data, Exit.FINE if valuation.passed else Exit.BLOCKED)


def _shocks(found: Shocks) -> Row:
    return {"weeks": found.weeks, "noise": found.noise, "spell": found.spell, "half_life_weeks": found.half_life}


def _moved(found: Shocks) -> str:
    return (
        f"All customers at once, as {found.weeks} weeks tell: a week is {found.noise:.0%} off what is expected, and "
        f"spells {found.spell:.0%}, of which half is gone after {found.half_life:.0f} weeks."
    )


def _legend() -> str:
    return _LEGEND.format(days=books.ACQUISITION_DAYS)


def _table(valuation: Valuation, rows: list[Row]) -> RenderableType:
    columns = {
        str(valuation.asked.by): [clean(row[str(valuation.asked.by)]) or "(none)" for row in rows],
        "customers": [f"{row['customers']:,}" for row in rows],
        "orders": [f"{row['orders']:.2f}" for row in rows],
        "will return": [_NONE if row["returns"] is None else f"{row['returns']:.0%}" for row in rows],
        "new customer": [_interval(row, "value") for row in rows],
        "from now": [_figure(row["ahead"]) for row in rows],
    }
    if any(row["cost"] is not None for row in rows):
        columns |= {
            "cost": [_figure(row["cost"]) for row in rows],
            "CLTV:CAC": [_interval(row, "ratio") for row in rows],
        }
    return figures_table(columns)


def _figure(value: float | None) -> str:
    return _NONE if value is None else f"{value:,.2f}"


def _interval(row: Row, key: str) -> str:
    if row[key] is None:
        return _NONE
    return f"{row[key]:,.2f} [{row[f'{key}_low']:,.2f}, {row[f'{key}_high']:,.2f}]"
