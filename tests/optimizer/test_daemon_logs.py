"""A last net for secrets in the log lines of the agent, ours and those of libraries."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from optimizer.agent.daemon import logs

SECRET = "hush-1234"


@pytest.fixture
def lines():
    """The log as the agent writes it; what was configured before is restored."""
    root = logging.getLogger()
    handlers, level, before = root.handlers, root.level, structlog.get_config()
    logs.configure()
    written = io.StringIO()
    root.handlers[0].setStream(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)


def test_what_is_posted_where_is_not_logged_for_each_call(lines) -> None:
    for library in ("httpx", "httpcore.connection"):
        logging.getLogger(library).info("HTTP Request: POST https://hooks.example.com/services/TabcXYZ")
        logging.getLogger(library).warning("it failed")
    assert [line["event"] for line in lines()] == ["it failed"] * 2


@pytest.mark.parametrize(
    "said",
    [
        f"refused: token={SECRET}",
        f"header Authorization: {SECRET}",
        f"postgresql://ada:{SECRET}@db/outlay cannot be reached",
        f"api_key = {SECRET} is unknown",
    ],
)
def test_no_secret_stands_in_a_log_line(lines, said: str) -> None:
    logging.getLogger("a.library").warning(said)
    structlog.get_logger("outlay.daemon").warning("failed", words=said)
    try:
        raise RuntimeError(said)
    except RuntimeError:
        logging.getLogger("another").exception("it failed")
    found = lines()
    assert len(found) == 3
    assert SECRET not in json.dumps(found)
    assert found[1]["words"].count("***") == 1
