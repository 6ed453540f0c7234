"""The page served: in the foreground, or in a thread beside the agent."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

import structlog
import uvicorn

from optimizer.agent.secrecy import redacted
from optimizer.agent.web.app import build
from optimizer.agent.web.premises import Premises
from optimizer.ports import Clock

_LOG: Final = structlog.get_logger("outlay.web")
_GRACE_SECONDS: Final = 5
_LOOK_SECONDS: Final = 2.0
_KEPT_SECONDS: Final = 75
"""A connection is kept for longer than a proxy keeps its own, or a request meets one that is just being closed."""


def serve(premises: Sequence[Premises], clock: Clock, address: str) -> None:
    """Serve until the process is asked to end.

    Args:
        premises: The portfolios.
        clock: Tells the time.
        address: host:port.

    Raises:
        OSError: The port is taken.
    """
    listening = _bound(address)
    _LOG.info("page", address=f"http://{address}/")
    with _looking_ahead(premises):
        _server(premises, clock).run([listening])


@contextmanager
def served(premises: Sequence[Premises], clock: Clock, address: str) -> Iterator[int]:
    """Serve from a thread for as long as the context is open.

    Args:
        premises: The portfolios.
        clock: Tells the time.
        address: host:port; port 0 for a free one.

    Yields:
        The port.

    Raises:
        OSError: The port is taken.
    """
    listening = _bound(address)
    server = _server(premises, clock)
    thread = Thread(target=_run, args=(server, listening), name="page", daemon=True)
    thread.start()
    try:
        with _looking_ahead(premises):
            yield int(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(2 * _GRACE_SECONDS)


@contextmanager
def _looking_ahead(premises: Sequence[Premises]) -> Iterator[None]:
    """Work out what a new plan's page shows as soon as it stands, so that its first reader does not wait for it."""
    ended = Event()
    thread = Thread(target=_look_ahead, args=(premises, ended), name="page-ahead", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(2 * _GRACE_SECONDS)


def _look_ahead(premises: Sequence[Premises], ended: Event) -> None:
    told: dict[str, str] = {}
    while not ended.wait(_LOOK_SECONDS):
        for each in premises:
            words = _looked(each)
            if words and told.get(each.slug) != words:
                _LOG.warning("page not worked out ahead", portfolio=each.slug, error=words)
            told[each.slug] = words


def _looked(premises: Premises) -> str:
    """Look ahead, and return what went wrong, empty if all went well: whoever asks for the page is told, too."""
    try:
        premises.look_ahead()
    except Exception as error:  # noqa: BLE001 - a defect of one portfolio must not end it for the others
        return redacted(f"{type(error).__name__}: {error}")
    return ""


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    server.run([listening])  # outside the main thread it leaves signals alone


def _server(premises: Sequence[Premises], clock: Clock) -> uvicorn.Server:
    behind = any(each.settings.web.address.startswith("https://") for each in premises)
    return uvicorn.Server(
        uvicorn.Config(
            build(premises, clock),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=behind,
            forwarded_allow_ips="127.0.0.1",
            timeout_keep_alive=_KEPT_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )


def _bound(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host.strip("[]"), int(port)))
    except OSError:
        listening.close()
        raise
    return listening
