"""Servers on loopback, each in a thread of its own, and a certificate for those that speak TLS."""

from __future__ import annotations

import errno
import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HOST = "127.0.0.1"


class Emulator(Protocol):
    """A running emulator.

    Attributes:
        address: Where it listens: a URL, or `localhost:port` for gRPC.
        environment: Variables that a client's process needs to find and trust it.
        further: Other addresses that a client must know, by the name of the setting that takes them.
    """

    address: str
    environment: dict[str, str]
    further: dict[str, str]

    def close(self) -> None:
        """Stop; may be called twice."""
        ...


def unbound(port: int) -> OSError:
    """Return the error of a port that gRPC cannot listen on; of the reason it tells nothing but to a log."""
    return OSError(errno.EADDRINUSE, f"port {port} of {HOST} is taken, or not allowed")


class Lost(Response):
    """An answer that never arrives: the connection is cut before its first byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cut the connection."""
        scope["outlay.cut"]()


class _Cutting:
    """Tells the application how to cut a request's connection: only the server's own `send` knows its transport."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle: Any = getattr(send, "__self__", None)
        await self._app({**scope, "outlay.cut": cycle.transport.abort}, receive, send)


@dataclass
class HttpServer:
    """A web application served on loopback by a thread; a context manager.

    Args:
        app: An ASGI application.
        port: 0 for any that is free.

    Attributes:
        address: Its URL, without a slash at the end.

    Raises:
        OSError: The port is taken.
    """

    app: Any
    port: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    further: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._socket = socket.create_server((HOST, self.port))
        self.port = self._socket.getsockname()[1]
        self.address = f"http://{HOST}:{self.port}"
        settings = uvicorn.Config(
            _Cutting(self.app),
            http="h11",
            log_config=None,
            log_level="critical",  # an answer that is lost on purpose is no trouble
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving; requests under way have a second to end."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
