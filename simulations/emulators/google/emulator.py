"""A running emulator of Google Ads."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from simulations.emulators.google.oauth import Authority
from simulations.emulators.google.service import Service, serve
from simulations.emulators.google.tables import Traits
from simulations.emulators.google.tls import ROOTS, certificate
from simulations.emulators.registry import Setup
from simulations.emulators.serving import HttpServer


class GoogleEmulator:
    """Google Ads over one account's market; a context manager.

    Args:
        setup: The account, what goes wrong, and the port.
        traits: What the account is like beyond its market.

    Attributes:
        address: `localhost:port`, the endpoint of the interface.
        token_uri: Where access tokens are renewed.
        environment: By which gRPC in a client's process trusts the emulator.
        further: `token_uri`, by its name.
        authority: Gives the tokens; can be revoked.
        service: Counts requests and operations.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, setup: Setup, traits: Traits | None = None) -> None:
        self.authority = Authority()
        self.service = Service(setup.account, setup.faults, traits or Traits(), self.authority)
        made = certificate()
        self.environment = {ROOTS: str(made.path)}
        self._server, port = serve(self.service, setup.port, made.chain, made.key)
        self.address = f"localhost:{port}"
        self._tokens = HttpServer(self.authority.app)
        self.token_uri = f"{self._tokens.address}/token"
        self.further = {"token_uri": self.token_uri}
        self._open = True

    def close(self) -> None:
        """Stop; requests under way have a second to end."""
        if self._open:
            self._open = False
            self._server.stop(1.0).wait()
            self._tokens.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def start(setup: Setup) -> GoogleEmulator:
    """Start the emulator.

    Raises:
        OSError: The port is taken.
    """
    return GoogleEmulator(setup)
