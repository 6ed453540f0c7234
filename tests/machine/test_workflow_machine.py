"""The whole workflow through the real desk, core and stores, whatever happens on the way."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.ground import staged
from tests.machine.workflow import SCRIPTS, Workflow

DEEP = int(os.environ.get("OUTLAY_MACHINE_EXAMPLES", "0"))
"""How many walks instead of those of every day; they are then drawn anew each time."""

SETTINGS = settings(
    max_examples=DEEP or 12,
    stateful_step_count=25,
    deadline=None,
    derandomize=not DEEP,
    database=None,
    phases=(Phase.generate, Phase.shrink) if DEEP else (Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


def walked(days: Sequence[str], walks: int) -> Counter[str]:
    """Let walks of these days pass; what was seen on them: an action of the history, or what befell an agent."""
    Workflow.seen.clear()
    with staged():
        run_state_machine_as_test(
            type("Walk", (Workflow,), {"scripts": days}), settings=settings(SETTINGS, max_examples=walks)
        )
    return Workflow.seen


def test_the_whole_workflow_keeps_its_invariants() -> None:
    seen = walked(SCRIPTS, SETTINGS.max_examples)
    for what in ("killed", "begun", "verified", "write-drifted", "write-unanswered", "failed", "expired", "superseded"):
        assert seen[what] > 0, what


@pytest.mark.parametrize(
    ("days", "what"),
    [
        (("restore",), "rolled-back"),
        (("modest autopilot",), "approved by the policy"),
        (("refused",), "write-refused"),
    ],
)
def test_days_on_which_something_rare_is_done_keep_them_too(days: tuple[str, ...], what: str) -> None:
    assert walked(days, 8)[what] > 0
