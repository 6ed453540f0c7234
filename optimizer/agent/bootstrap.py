"""Wiring: from a settings file to a house, once; nothing is touched on import."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache
from importlib import metadata
from pathlib import Path

from connectors import registry
from connectors.contract import BuildContext, Connector
from connectors.money import Money
from optimizer import approval
from optimizer.agent import settings as configuration
from optimizer.agent.breaker import Breakers, Guarded
from optimizer.agent.calendar import Calendar
from optimizer.agent.clock import SystemClock
from optimizer.agent.cycle import House
from optimizer.agent.notify import AppriseNotifier, LogNotifier
from optimizer.agent.settings.web import page_of
from optimizer.agent.store import SqlStore, open_sql
from optimizer.agent.store.places import is_there, make_place
from optimizer.agent.tenure import Tenure
from optimizer.agent.whereabouts import told, used_database
from optimizer.plan.circuit import Fuse
from optimizer.ports import Clock, Notifier, Store, StoreGone


@contextmanager
def open_house(
    config: Path, clock: Clock | None = None, settings: configuration.Settings | None = None
) -> Iterator[House]:
    """Wire a house from `config.toml`, and close what it holds at the end.

    Args:
        config: The settings file; relative paths in it start from its folder.
        clock: By default the machine's.
        settings: What was loaded of it; by default it is read now.

    Raises:
        SettingsError, StoreError, ConnectorError: What cannot be opened, with the mend.
    """
    settings = configuration.load(config) if settings is None else settings
    clock = clock or SystemClock()
    home = config.resolve().parent
    with ExitStack() as held:
        store = held.enter_context(closing(store_at(configuration.store_url(settings.store, home))))
        store.own(settings.portfolio.name)
        breakers = Breakers(store, clock, fuse(settings))
        connectors: dict[str, Connector] = {}
        for name, table in settings.connectors.items():
            context = BuildContext(name, table.options, home, f"{config.name} [connectors.{name}]", clock.now)
            built = held.enter_context(closing(registry.build(table.kind, context)))
            connectors[name] = Guarded(built, breakers)
        yield replace(house_of(settings, str(config), store, clock), connectors=connectors, breakers=breakers)


def house_of(settings: configuration.Settings, named: str, store: Store, clock: Clock) -> House:
    """Return a house without connectors: it plans, judges and tells, and reaches no platform.

    Args:
        settings: What was loaded.
        named: How errors call the settings file.
        store: Open.
        clock: Tells the time.

    Raises:
        SettingsError: The goals make no sense.
    """
    return House(
        name=settings.portfolio.name,
        store=store,
        connectors={},
        goals=configuration.goals(settings, named),
        guards=configuration.guardrails(settings),
        policy=policy(settings),
        autonomy=approval.Autonomy(**settings.autonomy.model_dump()),
        windows=tuple(map(approval.Window.parse, settings.windows.writes)),
        tenure=Tenure(store, clock, _myself()),
        clock=clock,
        notifier=notifier(settings),
        time_zone=settings.portfolio.time_zone,
        history_days=settings.portfolio.history_days,
        valid_for=timedelta(hours=settings.approval.valid_hours),
        code_version=code_version(),
        rotation=configuration.rotation(settings),
        hold_back=settings.scorecard.hold_back,
        calendar=Calendar(settings.events, settings.holidays),
    )


@contextmanager
def open_store(config: Path) -> Iterator[Store]:
    """Open the store that `config.toml` names and nothing else: no connector and no other table need be in order.

    Raises:
        SettingsError, StoreError: It cannot be opened, with the mend.
    """
    with closing(store_at(configuration.store_url(configuration.load_store(config), config.resolve().parent))) as store:
        yield store


@contextmanager
def open_used_store(config: Path) -> Iterator[tuple[Store, str]]:
    """Open the store that the agent of a settings file uses, and say why the file does not tell which that is.

    The latter is empty where the file names it; see `whereabouts.used_database`.

    Raises:
        SettingsError, StoreError: It cannot be opened, with the mend.
    """
    url, notice = used_database(config)
    if told(config) is not None and not is_there(url):
        raise StoreGone("the database", replaced=False)
    with closing(store_at(url)) as store:
        yield store, notice


def store_at(url: str) -> SqlStore:
    """Open the store at an address, in a folder that is made where only that one is missing.

    Raises:
        StoreError: It cannot be opened, with the mend.
    """
    make_place(url)
    return open_sql(url)


def policy(settings: configuration.Settings) -> approval.Policy:
    """Return who may approve, and above which sum a second person must."""
    above = settings.approval.second_approver_above
    return approval.Policy(
        second_approver_above=None if above is None else Money.of(above, settings.portfolio.currency),
        approvers=frozenset(settings.approval.approvers) or None,
    )


def fuse(settings: configuration.Settings) -> Fuse:
    """Return when the breaker of an account opens, and for how long."""
    table = settings.daemon
    return Fuse(
        table.breaker_failures,
        timedelta(minutes=table.breaker_minutes),
        timedelta(minutes=table.breaker_longest_minutes),
    )


def notifier(settings: configuration.Settings) -> Notifier:
    """Return what tells people: always the log, and the addresses of `[notify]` where there are some."""
    if not settings.notify.urls:
        return LogNotifier()
    link = settings.notify.link or page_of(settings.web, settings.portfolio.name)
    return AppriseNotifier(tuple(url.get_secret_value() for url in settings.notify.urls), link)


def _myself() -> str:
    return f"{socket.gethostname()}, process {os.getpid()}"


@cache
def code_version() -> str:
    """Return the installed distribution's version."""
    return metadata.version("outlay")
