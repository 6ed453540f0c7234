"""Logs as JSON lines on standard error, ours and those of the libraries, with nothing in them that is a secret."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_KEEPS: Final = re.compile(
    r"(?i)\b(token|secret|password|passwd|api[_-]?key|authorization|credential)s?\b(\s*[=:]\s*)\S+"
)
_LOGIN: Final = re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]+(?=@)")


def configure() -> None:
    """Let every log line of this process be one JSON object on standard error."""
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
                redacted,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a look that lasts longer than a tick is no trouble


def redacted(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blot out what looks like a secret in every text of a log line: a last net, not the first."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _LOGIN.sub("***", _KEEPS.sub(r"\1\2***", value))
    return event
