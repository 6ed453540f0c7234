"""The page's budgets: what a recommendation weighs, how soon it is painted, and how it stands many readers.

A simulated portfolio of 300 campaigns of nine ads each (`wide-300`) is read into a store, some 1,000,000 rows (--quick:
some 300,000), and one proposal is made of it; `outlay web` then serves it from a process of its own on loopback.

- Bytes: all that a browser which comes for the first time loads to show the recommendation, gzipped as sent.
- First contentful paint: as Chromium tells it, from the start of the navigation, each run in a fresh browser profile;
  left out, with a word, where there is no Chromium.
- Readers: 50 at once from a process beside the server, each reads the overview or the recommendation in turn, thinks
  1 to 5 seconds, and reads on. Timed is the whole answer as a reader gets it, waiting for others included, after both
  pages were asked for once; beside it stands the server's processor time per page, which a busy machine hides less.

    python benchmarks/page.py [--quick]

The last line is JSON: the bars and whether they hold.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from benchmarks._bars import below, ended
from optimizer.agent import cycle, passwords
from optimizer.agent.bootstrap import open_house
from optimizer.agent.clock import SystemClock
from optimizer.agent.web.gate import COOKIE
from optimizer.plan.people import Role, Session, User
from simulations.scenarios import named, write_scenario

SEED = 11
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync")  # fmt: skip
READERS = 50
SETTINGS = """
[portfolio]
name = "bench"
currency = "EUR"
time_zone = "UTC"

[connectors.market]
kind = "simulated"
scenario = "wide.toml"
seed = {seed}
start = "{start}"
history_days = {days}
state_file = "market.json"

[web]
listen = "127.0.0.1:{port}"
locale = "en-GB"
"""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    days: int
    paints: int
    seconds: float


@dataclass(frozen=True)
class Site:
    """The page that is served.

    Attributes:
        root: Its address.
        path: That of the recommendation.
        secret: Of a session.
        process: The server.
    """

    root: str
    path: str
    secret: str
    process: subprocess.Popen[bytes]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill(config: Path) -> tuple[str, str]:
    """Read the market, make a proposal and open a session; return the recommendation's id and the session's secret."""
    clock = SystemClock()
    with open_house(config, clock) as house:
        (report,) = cycle.pull(house, house.today(), days=4_000)
        record = cycle.plan(house, house.today(), seed=SEED)
        decision = record.recommendation.decision
        secret, now = passwords.new_secret(), clock.now()
        house.store.keep_user(
            None, User("ana", Role.APPROVER, passwords.hashed(passwords.new_secret()), now), "bench", now
        )
        opened = Session(passwords.secret_hash(secret), "ana", Role.APPROVER, "", now, now + timedelta(hours=1), now)
        house.store.open_session(opened)
    moves = sum(line.changes for line in decision.lines)
    print(
        f"{report.rows.new:,} rows, {len(decision.lines)} budgets, {moves} of them move; {len(decision.ads)} ads switch"
    )
    return record.recommendation.rec_id, secret


@contextmanager
def site(folder: Path, size: Size) -> Iterator[Site]:
    """Serve a filled store for as long as the context is open."""
    port, config = free_port(), folder / "config.toml"
    start = datetime.now(UTC).date() - timedelta(days=size.days + 1)
    config.write_text(SETTINGS.format(seed=SEED, start=start, days=size.days, port=port), encoding="utf-8")
    wide = named("wide-300", horizon_days=size.days + 10, history_days=size.days)
    (folder / "wide.toml").write_text(write_scenario(wide), encoding="utf-8")
    rec_id, secret = fill(config)
    command = [sys.executable, "-m", "optimizer.agent.cli", "web", "-c", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            root = f"http://127.0.0.1:{port}/bench"
            answers(f"{root}/login")
            yield Site(root, f"/recommendations/{rec_id}", secret, process)
        finally:
            process.send_signal(signal.SIGTERM)


def answers(address: str) -> None:
    """Wait until a page answers."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            httpx.get(address)
            return
        time.sleep(0.1)
    raise SystemExit("the page is not served")


def weigh(here: Site) -> float:
    """Return the bytes that the recommendation's page and all that it names weigh as sent."""
    with httpx.Client(
        base_url=here.root, cookies={COOKIE: here.secret}, headers={"Accept-Encoding": "gzip"}, timeout=120
    ) as client:
        sizes = {}
        with client.stream("GET", f"{here.root}{here.path}") as answer:
            sizes["page"] = sum(map(len, answer.iter_raw()))
        text = client.get(f"{here.root}{here.path}").text
        for name in sorted({part.split('"')[0] for part in text.split('"/static/')[1:]}):
            with client.stream("GET", f"{here.root.removesuffix('/bench')}/static/{name}") as answer:
                sizes[name.partition("?")[0]] = sum(map(len, answer.iter_raw()))
    for name, weight in sizes.items():
        print(f"  {name:<34}{weight:>9,} bytes gzipped")
    return float(sum(sizes.values()))


def paint(here: Site, times: int) -> float | None:
    """Return the median seconds until something of the recommendation is seen; None without Chromium."""
    if not Path(CHROMIUM).exists():
        print("first contentful paint is left out: no Chromium (.ci/get-chromium installs it)")
        return None
    seen = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=120_000)
        for _ in range(times):
            context = browser.new_context()
            context.add_cookies([{"name": COOKIE, "value": here.secret, "url": f"{here.root}/"}])
            page = context.new_page()
            page.goto(f"{here.root}{here.path}", timeout=120_000)
            find = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
            # Asked from here: to wait within the page would need `eval`, which the page's policy forbids.
            while (painted := page.evaluate(find)) is None:
                page.wait_for_timeout(20)
            seen.append(painted / 1_000)
            context.close()
        browser.close()
    print(f"  first contentful paint {min(seen):.2f} to {max(seen):.2f} s over {times} runs")
    return statistics.median(seen)


async def reader(here: Site, number: int, until: float, waits: list[float]) -> None:
    """Read, think, and read on."""
    rng = np.random.default_rng([SEED, number])
    limits = httpx.Limits(max_connections=1)
    # Without TLS nothing is verified, and to read the authorities' certificates takes longer than a page.
    async with httpx.AsyncClient(cookies={COOKIE: here.secret}, limits=limits, timeout=120, verify=False) as client:
        await asyncio.sleep(rng.uniform(0, 5))
        turn = number
        while time.monotonic() < until:
            began = time.perf_counter()
            answer = await client.get(f"{here.root}{here.path if turn % 2 else '/'}")
            answer.raise_for_status()
            waits.append(time.perf_counter() - began)
            turn += 1
            await asyncio.sleep(rng.uniform(1, 5))


def processor(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def crowd(here: Site, seconds: float) -> list[float]:
    """Return what each page of fifty readers took, seconds."""
    waits: list[float] = []

    async def all_of_them() -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(reader(here, number, until, waits) for number in range(READERS)))

    for path in ("/", here.path):
        httpx.get(f"{here.root}{path}", cookies={COOKIE: here.secret}, timeout=120).raise_for_status()
    before = processor(here.process.pid)
    asyncio.run(all_of_them())
    used = processor(here.process.pid) - before
    middle, most, nearly_all = np.quantile(waits, [0.5, 0.9, 0.95])
    print(
        f"  {READERS} readers, {len(waits)} pages: median {middle * 1e3:.0f} ms, 90% {most * 1e3:.0f} ms, 95% "
        f"{nearly_all * 1e3:.0f} ms; {used / len(waits) * 1e3:.0f} processor ms of the server per page"
    )
    return waits


def main() -> None:
    """Measure, print, and say whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some 300,000 rows, 5 paints and 10 seconds of readers")
    quick = parser.parse_args().quick
    size = Size(days=110, paints=5, seconds=10.0) if quick else Size(days=371, paints=15, seconds=60.0)
    print(f"seed {SEED}, {size.days} days, {date.today():%Y-%m-%d}, load {os.getloadavg()[0]:.0f}")  # noqa: DTZ011
    with tempfile.TemporaryDirectory(prefix="outlay-bench-") as name, site(Path(name), size) as here:
        bars = [below("recommendation, bytes gzipped", weigh(here), 400_000.0)]
        if (painted := paint(here, size.paints)) is not None:
            bars.append(below("first contentful paint, seconds", painted, 1.0))
        bars.append(
            below("95th percentile of 50 readers, seconds", float(np.quantile(crowd(here, size.seconds), 0.95)), 0.15)
        )
    sys.exit(ended(bars))


if __name__ == "__main__":
    main()
