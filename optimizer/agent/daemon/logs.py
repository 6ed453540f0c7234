"""Logs as JSON lines on standard error, ours and those of the libraries, with nothing in them that is a secret."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from optimizer.agent.secrecy import keep, of_environment, redacted


def configure() -> None:
    """Let every log line of this process be one JSON object on standard error."""
    keep(of_environment(os.environ))
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _discreet,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a look that lasts longer than a tick is no trouble
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # what it cannot send it names by its address
    for name in ("httpx", "httpcore"):  # each call is told by its address, and headers where somebody asks for more
        logging.getLogger(name).setLevel(logging.WARNING)


def _discreet(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take secrets out of every text of a log line."""
    for key, value in event.items():
        event[key] = _without(value)
    return event


def _without(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list | tuple):
        return [_without(part) for part in value]
    if isinstance(value, dict):
        return {key: _without(part) for key, part in value.items()}
    return value
