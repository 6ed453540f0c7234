"""Connectors against the emulators of their platforms, on loopback: by the platforms' own clients, LinkedIn by httpx.

For each platform: a timeout after the commit, many times, must have one effect each; a pull of which half the calls are
turned away must equal the market's own books, ad by ad, day by day, in five measures. Through Google Ads also a million
ad-days into the store, streamed: the emulator is a process of its own, and so is the one that reads; processor seconds
of both are told beside the wall's, since other work on the machine makes the wall longer. Baseline in the same run:
rows that are made in the process, into the same kind of store.

    python benchmarks/wire.py [--quick] [--only google]
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import stamina

from connectors.contract import BudgetChange, BuildContext, Connector, PerformanceRow
from connectors.errors import OutcomeUnknown
from connectors.google import build as build_google
from connectors.linkedin import build as build_linkedin
from connectors.manners import stretches
from connectors.meta.connector import build_connector as build_meta
from connectors.microsoft import build as build_microsoft
from connectors.money import Money
from connectors.tiktok import build as build_tiktok
from simulations.emulators.account import Account
from simulations.emulators.faults import Chances, Fault, Faults
from simulations.emulators.google import GoogleEmulator, Traits
from simulations.emulators.linkedin import start as start_linkedin
from simulations.emulators.meta import MetaEmulator
from simulations.emulators.meta import Options as MetaOptions
from simulations.emulators.microsoft import start as start_microsoft
from simulations.emulators.registry import Setup
from simulations.emulators.serving import Emulator
from simulations.emulators.tiktok import start as start_tiktok
from simulations.scenarios import named

SEED = 20_261_128
START = date(2025, 1, 1)
SECRET = "OUTLAY_BENCH_SECRET"
MEGABYTES, SECONDS = 700.0, 120.0
TURNED_AWAY = 25

Line = tuple[str, float, str, bool]
"""A figure: its name, its value, its bar in words, and whether that holds."""

SERVE, READ, MAKE = (
    # -P: beside them lies a file that is called as a package of ours.
    [sys.executable, "-P", str(Path(__file__).with_name(f"wire_{step}.py"))]
    for step in ("serve", "read", "make")
)
"""The processes of the million rows."""

Cell = tuple[str, str, date]
"""Ids of a campaign and an ad, and a day."""

Measured = tuple[int, ...]
"""Spend, conversions, value, impressions and clicks, micros."""


@dataclass(frozen=True)
class Place:
    """One platform at hand: its account, what goes wrong on its wire, and a connector that speaks to it."""

    account: Account
    faults: Faults
    emulator: Emulator
    connector: Connector


def google(account: Account, faults: Faults) -> Place:
    """Google Ads."""
    emulator = GoogleEmulator(Setup(account, faults), Traits(operations_per_day=None))
    os.environ.update(emulator.environment)
    settings = google_settings(account.account_id, emulator.address, emulator.token_uri)
    context = BuildContext("google", settings, Path(), clock=lambda: account.now)
    return Place(account, faults, emulator, build_google(context))


def meta(account: Account, faults: Faults) -> Place:
    """Meta; budgets may be changed more than four times an hour, and what it asks to wait passes at once."""
    emulator = MetaEmulator(Setup(account, faults), MetaOptions(budget_changes_an_hour=None))
    os.environ[SECRET] = "EAAnothing-secret"
    settings = {
        "accounts": [str(account.account_id)],
        "access_token": {"env": SECRET},
        "base_url": emulator.address,
        "page_rows": 50,
        "attempts": 60,
    }
    return Place(account, faults, emulator, build_meta(_context("meta", settings, account), _breath))


def linkedin(account: Account, faults: Faults) -> Place:
    """LinkedIn, whose days are UTC."""
    emulator = start_linkedin(Setup(account, faults))
    os.environ[SECRET] = "nothing-secret"
    settings = {"accounts": [str(account.account_id)], "token": {"env": SECRET}, "address": emulator.address}
    return Place(account, faults, emulator, build_linkedin(_context("linkedin", settings, account)))


def tiktok(account: Account, faults: Faults) -> Place:
    """TikTok."""
    emulator = start_tiktok(Setup(account, faults))
    os.environ[SECRET] = "nothing-secret"
    settings = {"advertisers": [str(account.account_id)], "token": {"env": SECRET}, "address": emulator.address}
    return Place(account, faults, emulator, build_tiktok(_context("tiktok", settings, account)))


def microsoft(account: Account, faults: Faults) -> Place:
    """Microsoft Advertising; reports are asked for again at once, and throttles pass at once."""
    emulator = start_microsoft(Setup(account, faults))
    os.environ[SECRET] = "nothing-secret"
    secret = {"env": SECRET}
    settings = {
        "customer": "7",
        "accounts": [str(account.account_id)],
        "developer_token": secret,
        "client_id": "client",
        "refresh_token": secret,
        "address": emulator.address,
        "poll_seconds": 0.01,
        "pause_seconds": 0.01,
    }
    return Place(account, faults, emulator, build_microsoft(_context("microsoft", settings, account)))


def _breath(_seconds: float) -> None:
    time.sleep(0.01)


def _context(name: str, settings: dict[str, Any], account: Account) -> BuildContext:
    return BuildContext(name, settings, Path(), clock=lambda: account.now)


PLATFORMS: Mapping[str, Callable[[Account, Faults], Place]] = {
    "google": google,
    "meta": meta,
    "microsoft": microsoft,
    "linkedin": linkedin,
    "tiktok": tiktok,
}
"""How each platform is set up."""


def google_settings(account_id: int, address: str, token_uri: str) -> dict[str, Any]:
    """Return the settings of a connector for the emulator."""
    os.environ[SECRET] = "nothing-secret"
    secret = {"env": SECRET}
    return {
        "customer_ids": [str(account_id)],
        "developer_token": secret,
        "client_id": "client",
        "client_secret": secret,
        "refresh_token": secret,
        "endpoint": address,
        "token_uri": token_uri,
        "operations_per_day": None,
    }


def lost_answers(name: str, times: int) -> Line:
    """Lose the answer of so many writes, each after it took effect, and count the effects."""
    place = PLATFORMS[name](Account(named("tiny-yen", history_days=20), seed=SEED, start=START), Faults())
    try:
        wrong = 0
        for number in range(times):
            budget = place.connector.budgets()[0]
            more = budget.quantum_micros * (1 + number % 5) * (1 if number % 2 else -1)
            target = Money(budget.amount.micros + more, budget.amount.currency)
            change = BudgetChange(f"{name}-{number}", budget.key, budget.amount, target)
            before = len(place.account.budget_changes())
            place.faults.script("write", Fault.LOST_AFTER)
            try:
                place.connector.set_budget(change)
                wrong += 1
            except OutcomeUnknown:
                place.connector.set_budget(change)
            wrong += len(place.account.budget_changes()) - before != 1
        return (f"{name}: timeouts after commit without exactly one effect, of {times}", wrong, "= 0", wrong == 0)
    finally:
        place.connector.close()
        place.emulator.close()


def throttled(name: str, days: int, each: int) -> list[Line]:
    """Turn half of all calls away and compare what is pulled with the market's books, by ad, day and measure.

    Args:
        name: Of the platform.
        days: Of the market.
        each: Days of one pull: some platforms answer a year at once, and one call says nothing of half of all calls.
    """
    chances = Faults(Chances(throttled=0.5), np.random.default_rng(SEED), retry_after_seconds=0.01)
    account = Account(named("tiny-yen", history_days=days, horizon_days=max(days + 1, 120)), seed=SEED, start=START)
    place = PLATFORMS[name](account, chances)
    try:
        until = START + timedelta(days=days)
        rows = [row for days in stretches(START, until, each) for row in place.connector.pull(*days)]
        told, books = _told(rows), _books(account, until)
        wrong = len(rows) - len({(row.series, row.day) for row in rows})
        wrong += sum(told.get(cell) != books.get(cell) for cell in told.keys() | books.keys())
        met, asked = chances.met[Fault.THROTTLED], chances.requests["read"]
        print(f"{name}: {met} of {asked} calls were turned away; {len(books)} ad-days, each with five measures")
        words = f"{name}: ad-days lost, doubled or with another measure, half of the calls turned away"
        return [
            (words, wrong, "= 0", wrong == 0),
            (f"{name}: calls that were turned away, of {asked}", met, f">= {TURNED_AWAY}", met >= TURNED_AWAY),
        ]
    finally:
        place.connector.close()
        place.emulator.close()


def _told(rows: Iterable[PerformanceRow]) -> dict[Cell, Measured]:
    """What a connector tells; ad-days on which nothing was delivered or bought are left out, as platforms do."""
    found = {
        (row.series.campaign_id, row.series.ad_id or "", row.day): (
            row.spend_micros,
            row.conversions_micros,
            row.value_micros or 0,
            row.impressions_micros or 0,
            row.clicks_micros or 0,
        )
        for row in rows
    }
    return {cell: measured for cell, measured in found.items() if any(measured)}


def _books(account: Account, until: date) -> dict[Cell, Measured]:
    """What the market's own ledger holds."""
    found: dict[Cell, Measured] = {}
    for line in account.lines(START, until):
        cell = (str(line.ad.campaign_id), str(line.ad.ad_id), line.day)
        measured = (line.spend, line.conversions, line.value, line.impressions, line.clicks)
        found[cell] = tuple(map(sum, zip(found.get(cell, (0,) * 5), measured, strict=True)))
    return {cell: measured for cell, measured in found.items() if any(measured)}


def million(days: int) -> list[Line]:
    """Take ad-days through the emulator of Google Ads into the store."""
    with tempfile.TemporaryDirectory(prefix="outlay-bench-") as folder:
        command = [*SERVE, str(SEED), START.isoformat(), str(days)]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            account_id, address, token_uri, environment, rows, spend = json.loads(server.stdout.readline())
            settings = json.dumps(google_settings(account_id, address, token_uri))
            read = [*READ, settings, START.isoformat(), str(days), folder]
            found = subprocess.run(read, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True)
            server.stdin.write("\n")
            server.stdin.flush()
            served = json.loads(server.stdout.readline())
        finally:
            server.stdin.close()
            server.wait()
        taken, wall, spent, peak, pulled = json.loads(found.stdout)
        make = [*MAKE, str(rows // days), str(days), folder]
        made = subprocess.run(make, stdout=subprocess.PIPE, check=True)
    made_rows, made_spent = json.loads(made.stdout)
    print(f"{taken:,} ad-days through Google Ads into the store, {days} days, seed {SEED}")
    print(f"  reading process    {spent:7.1f} processor s  {taken / spent:10,.0f} rows/s  peak {peak:.0f} MB")
    print(f"  emulator           {served:7.1f} processor s")
    print(f"  both               {wall:7.1f} wall s")
    print(f"  rows made in place {made_spent:7.1f} processor s  {made_rows / made_spent:10,.0f} rows/s (baseline)")
    lost = abs(taken - rows) + (pulled != spend)
    return [
        ("google: ad-days lost, or spend that differs from the books", lost, "= 0", lost == 0),
        ("google: wall seconds into the store", wall, f"< {SECONDS:g}", wall < SECONDS),
        (
            "google: processor seconds of reader and emulator",
            spent + served,
            f"< {SECONDS:g}",
            spent + served < SECONDS,
        ),
        ("google: peak memory of the reading process, MB", peak, f"< {MEGABYTES:g}", peak < MEGABYTES),
    ]


FURTHER: Mapping[str, Callable[[bool], list[Line]]] = {"google": lambda quick: million(20 if quick else 372)}
"""What is measured of one platform alone; called with whether it must be quick."""


def main() -> None:
    """Measure, print tables, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    parser.add_argument("--only", choices=sorted(PLATFORMS), help="one platform")
    given = parser.parse_args()
    stamina.instrumentation.set_on_retry_hooks([])  # half of the calls are turned away: nobody reads a line of each
    logging.getLogger("google.ads.googleads.client").setLevel(logging.ERROR)
    lines: list[Line] = []
    for name in [given.only] if given.only else PLATFORMS:
        began, wall = time.process_time(), time.perf_counter()
        lines.append(lost_answers(name, 30 if given.quick else 1000))
        lines.extend(throttled(name, 60, 1) if given.quick else throttled(name, 365, 7))
        spent, passed = time.process_time() - began, time.perf_counter() - wall
        print(f"{name}: {spent:.1f} processor s, {passed:.1f} wall s, client and emulator in one process")
        if name in FURTHER:
            lines.extend(FURTHER[name](given.quick))
    for name, value, bar, holds in lines:
        print(f"{name:<85}{value:>10,.1f}  {bar:<8}{'' if holds else '  MISSED'}")
    bars = [{"name": n, "value": round(v, 2), "bar": bar, "holds": holds} for n, v, bar, holds in lines]
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(holds for *_, holds in lines) else 1)


if __name__ == "__main__":
    main()
