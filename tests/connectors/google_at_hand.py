"""A Google Ads account on loopback with the connector that reads it, and ways to reach behind the wire."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from connectors.contract import BuildContext
from connectors.google import build
from connectors.google.connector import GoogleConnector
from simulations.emulators.account import Account
from simulations.emulators.faults import Faults
from simulations.emulators.google import GoogleEmulator, Traits
from simulations.emulators.google.tls import ROOTS, certificate
from simulations.emulators.registry import Setup
from simulations.scenarios import named

# Before any test of this process uses gRPC: it reads its roots once.
os.environ[ROOTS] = str(certificate().path)

START = date(2025, 3, 3)
DEVELOPER = "canary-developer-token"
REFRESH = "canary-refresh-token"
CLIENT = "canary-client-secret"
TOKEN = "ya29.emulated"
SECRETS = (DEVELOPER, REFRESH, CLIENT, TOKEN)


@dataclass
class Hand:
    """An emulator with its account, its faults and whatever connectors were made for it."""

    account: Account
    faults: Faults = field(default_factory=Faults)
    traits: Traits = field(default_factory=Traits)

    def __post_init__(self) -> None:
        self.emulator = GoogleEmulator(Setup(self.account, self.faults), self.traits)
        self.connectors: list[GoogleConnector] = []

    @property
    def settings(self) -> dict[str, object]:
        return {
            "customer_ids": [str(self.account.account_id)],
            "developer_token": {"env": "CANARY_DEVELOPER"},
            "client_id": "a-client",
            "client_secret": {"env": "CANARY_CLIENT"},
            "refresh_token": {"env": "CANARY_REFRESH"},
            "endpoint": self.emulator.address,
            "token_uri": self.emulator.token_uri,
            "timeout_seconds": 20.0,
            "operations_per_day": 1_000_000,
        }

    def connect(self, **settings: object) -> GoogleConnector:
        os.environ.update(CANARY_DEVELOPER=DEVELOPER, CANARY_CLIENT=CLIENT, CANARY_REFRESH=REFRESH)
        given = {**self.settings, **settings}
        made = build(BuildContext("google", given, Path(), clock=lambda: self.account.now))
        self.connectors.append(made)
        return made

    def close(self) -> None:
        for connector in self.connectors:
            connector.close()
        self.emulator.close()


def account(currency: str = "EUR", history_days: int = 20, **knobs: object) -> Account:
    """Return a small account; its world is the same for the same currency and knobs."""
    return Account(named("tiny-yen", currency=currency, history_days=history_days, **knobs), seed=11, start=START)
