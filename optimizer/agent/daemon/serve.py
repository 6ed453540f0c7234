"""The process: signals, the clock that ticks, the threads that look, the watchdog."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, Final

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from optimizer.agent import settings as configuration
from optimizer.agent.daemon.claims import Shared
from optimizer.agent.daemon.crew import Crew, CrewExecutor
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.daemon.health import Door, at_a_stand
from optimizer.agent.daemon.logs import configure
from optimizer.agent.daemon.seen import told
from optimizer.agent.daemon.writes import RESTED
from optimizer.agent.settings import SettingsError
from optimizer.agent.settings.daemon import DaemonTable
from optimizer.agent.settings.store import StoreTable
from optimizer.agent.whereabouts import named_url
from optimizer.agent.workers import Workers, here
from optimizer.ports import Call, Clock

if TYPE_CHECKING:
    from optimizer.agent.web import Premises

_LOG: Final = structlog.get_logger("outlay.daemon")
_THREADS: Final = 16  # looks at a time, beside those that wait for long
_KEEPERS: Final = 4  # threads that renew leases; long looks must not keep them waiting
_KEEP_SECONDS: Final = 10.0
_ANOTHER: Final = "Mend: set another [web] listen, or an empty text for no page"
_GLANCE: Final = 0.2  # seconds between two glances at whether all desks have looked
_GLANCES: Final = 50
_BREATH: Final = 5.0  # seconds between two signs of life to a watchdog
_LOOKS_A_SECOND: Final = 50.0
"""Over all portfolios: a look at an idle one costs milliseconds, so that with more of them each looks less often."""


class _Clock:
    """The machine's clock, whose waits end when the process is asked to."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop

    def now(self) -> datetime:
        """Return the current time as an aware UTC datetime."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait, at most until the process is asked to end."""
        if seconds > 0:
            self._stop.wait(seconds)


def serve(configs: Sequence[Path]) -> None:
    """Serve portfolios until SIGTERM or SIGINT, each from its own settings file.

    Args:
        configs: At least one; of `[daemon]`, the `listen`, `look_seconds` and `workers` of the first that makes sense
            count.

    Raises:
        SettingsError, StoreError, ConnectorError: No portfolio can be opened at the start, with the mend. Where some
            can they are served, the others are told and tried again. Later on old settings stand where new ones
            cannot be read.
        OSError: The port for health and metrics is taken.
    """
    configure()
    room_for_files()
    stop = Event()
    clock = _Clock(stop)
    table = _table(configs)
    with _call(table.workers) as call:
        desks = _opened(configs, clock, Shared(call))
        _serve(desks, table, clock, stop)
    _LOG.info("stopped")


def _serve(desks: Sequence[Desk], table: DaemonTable, clock: _Clock, stop: Event) -> None:
    with _listening(table.listen, desks, clock), _signals(stop, desks):
        scheduler = _scheduler(desks, max(table.look_seconds, len(desks) / _LOOKS_A_SECOND))
        scheduler.start()
        _LOG.info("started", portfolios=[desk.name for desk in desks])
        _notify("READY=1")
        _first_looks(desks, stop)
        with closing(_Page(desks, clock)) as page:
            page.look()
            while not stop.wait(_BREATH):
                page.look()
                if not at_a_stand(desks, clock.now()):
                    _notify("WATCHDOG=1")
        _notify("STOPPING=1")
        scheduler.shutdown(wait=True)  # each look ends its write in hand first
    for desk in desks:
        if desk.busy:  # its platform hangs; what it holds goes with the process
            _LOG.warning("left in the midst of a look", portfolio=desk.name)
        else:
            desk.leave()


def _opened(configs: Sequence[Path], clock: _Clock, shared: Shared) -> list[Desk]:
    """Open all portfolios; one that cannot be opened is told, and tried again at each look, if others can.

    Raises:
        SettingsError, StoreError, ConnectorError: Why the first of them cannot be opened, if none can; or a settings
            file is named twice.
    """
    twice = [config for place, config in enumerate(configs) if config.resolve() in _resolved(configs[:place])]
    if twice:
        raise SettingsError([f"{twice[0]}: it is named twice. Mend: name each settings file once."])
    desks = [Desk(config, clock, shared) for config in configs]
    refused: list[Exception] = []
    for desk in desks:
        try:
            desk.open()
        except Exception as error:  # noqa: BLE001 - settings may name anything
            refused.append(error)
            told(desk.name, "settings", error)
    if len(refused) == len(desks):
        raise refused[0]
    return desks


def _table(configs: Sequence[Path]) -> DaemonTable:
    """What counts of `[daemon]` for the whole process, once: of the first file that makes sense, else the defaults."""
    for config in configs:
        try:
            table = configuration.load(config).daemon
        except Exception as error:  # noqa: BLE001 - settings may name anything
            told(str(config), "settings", error)
            continue
        _LOG.info("process set up", file=str(config))
        return table
    return DaemonTable()


def _resolved(configs: Sequence[Path]) -> set[Path]:
    return {config.resolve() for config in configs}


@contextmanager
def _call(workers: int) -> Iterator[Call]:
    """Plans are worked out in processes of their own, or here."""
    if not workers:
        yield here
        return
    made = Workers(workers)
    try:
        yield made
    finally:
        made.close()


def room_for_files() -> None:
    """Let the process hold as many files as it may: each portfolio has a database and a lock of its own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # what a system forbids is found out when it is needed
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _scheduler(desks: Sequence[Desk], seconds: float) -> BackgroundScheduler:
    """APScheduler as a clock: what is due is decided at each look, so that a late or merged tick loses nothing."""
    scheduler = BackgroundScheduler(
        timezone=UTC,
        executors={
            "default": CrewExecutor(Crew(min(len(desks), _THREADS))),
            "keepers": ThreadPoolExecutor(min(len(desks), _KEEPERS)),
        },
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for number, desk in enumerate(desks):
        scheduler.add_job(desk.look, "interval", seconds=seconds, id=f"desk-{number}", next_run_time=datetime.now(UTC))
        scheduler.add_job(desk.keep, "interval", seconds=_KEEP_SECONDS, id=f"keep-{number}", executor="keepers")
    return scheduler


@contextmanager
def _listening(address: str, desks: Sequence[Desk], clock: _Clock) -> Iterator[None]:
    if not address:
        yield
        return
    door = Door(address, desks, clock.now)
    _LOG.info("listening", port=door.port)
    try:
        yield
    finally:
        door.close()


def _first_looks(desks: Sequence[Desk], stop: Event) -> None:
    """Wait for the first looks, but not for long: to load the page beside them would keep them from writing."""
    for _ in range(_GLANCES):
        if all(desk.seen.at for desk in desks) or stop.wait(_GLANCE):
            return


class _Page:
    """The page of all portfolios that can be opened; the agent goes on without one that cannot be served."""

    def __init__(self, desks: Sequence[Desk], clock: Clock) -> None:
        """Serve nothing yet; `look` does."""
        self._clock, self._shut, self._next = clock, list(desks), datetime.min.replace(tzinfo=UTC)
        self._held, self._serving = ExitStack(), ExitStack()
        self._opened: list[Premises] = []

    def look(self) -> None:
        """Open what could not be opened so far, and serve anew what is open if there is more than before."""
        if not self._shut or self._clock.now() < self._next:
            return
        self._next = self._clock.now() + RESTED
        before = len(self._opened)
        self._shut = [desk for desk in self._shut if not self._is_opened(desk)]
        if len(self._opened) > before:
            self._serving.close()
            self._serve()

    def close(self) -> None:
        """Serve no more."""
        self._serving.close()
        self._held.close()

    def _is_opened(self, desk: Desk) -> bool:
        from optimizer.agent.web import apart, open_premises  # noqa: PLC0415 - slow to load: the first look is not

        with ExitStack() as held:
            try:
                opened = held.enter_context(open_premises([desk.config], self._clock, partial(_database, desk)))
                apart([*self._opened, *opened])
            except Exception as error:  # noqa: BLE001 - settings may name anything, and the others have their page
                told(desk.name, "page", error)
                return False
            self._held.push(held.pop_all())
        self._opened += opened
        return True

    def _serve(self) -> None:
        from optimizer.agent.web import served_page  # noqa: PLC0415 - as above

        address = next((each.settings.web.listen for each in self._opened), "")
        if address:
            try:
                _LOG.info("page", port=self._serving.enter_context(served_page(self._opened, self._clock, address)))
            except OSError as error:
                _LOG.error("page not served", why=f"[web] listen: {error.strerror or error}. {_ANOTHER}.")


def _database(desk: Desk, config: Path, store: StoreTable) -> str:
    """The database of a desk; before it has opened one, that which the settings name."""
    return desk.url or named_url(config, store)


@contextmanager
def _signals(stop: Event, desks: Sequence[Desk]) -> Iterator[None]:
    """Let SIGTERM and SIGINT end the process in order: no write is begun any more, and the one in hand is finished."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        for desk in desks:
            desk.stop()
        stop.set()

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _notify(words: str) -> None:
    """Tell systemd, where it asks for it (sd_notify(3)); a datagram to a socket that it names."""
    place = os.environ.get("NOTIFY_SOCKET")
    if not place:
        return
    address = f"\0{place[1:]}" if place.startswith("@") else place
    now = f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(f"{words}{now}".encode(), address)
        except OSError as error:
            _LOG.warning("systemd was not told", words=words, why=error.strerror)
