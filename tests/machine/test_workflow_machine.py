"""The whole workflow through the real desk, core and stores, whatever happens on the way."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.ground import staged
from tests.machine.workflow import Workflow

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


def test_the_whole_workflow_keeps_its_invariants():
    Workflow.seen.clear()
    with staged():
        run_state_machine_as_test(Workflow, settings=SETTINGS)
    assert Workflow.seen["killed"] > 0
