"""Guards that are taken away one by one, and what notices: `make mutation-test` runs all and prints a table.

Each mutation removes exactly one guard, in every place where it stands, and names the invariant of docs/safety.md. It
is seen either by the workflow machine, whose judge then names the invariant, or by a test of the room that keeps it. As
the control, the same walks and tests are run with the guard in its place: nothing may be noticed then.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from connectors.money import Money
from optimizer.plan.record import IntentState
from tests.machine.ground import staged
from tests.machine.test_workflow_machine import SETTINGS
from tests.machine.workflow import SCRIPTS, Workflow

CHOSEN: Final = "OUTLAY_MUTATION"
"""The variable that names a mutation to `pytest_configure`."""

WALKS: Final = 60
"""So many walks at most until the judge notices; nearly all are noticed within a few."""

MACHINE: Final = "machine"

Change = tuple[str, Any]


@dataclass(frozen=True)
class Mutation:
    """One guard that is gone.

    Attributes:
        invariant: Its number in docs/safety.md.
        name: What is gone, in words.
        guard: The function that kept it, as docs/safety.md names it.
        changes: Dotted names and what stands in their place.
        seen_by: `machine`, or the test that notices.
        days: What happens on the days of the walks, so that they often come to where the guard stands; empty for all.
    """

    invariant: int
    name: str
    guard: str
    changes: tuple[Change, ...]
    seen_by: str = MACHINE
    days: tuple[str, ...] = ()

    @property
    def by_machine(self) -> bool:
        """Whether the walks' judge notices, not a test."""
        return self.seen_by == MACHINE


def _nothing(*_args: Any, **_kwargs: Any) -> None:
    return None


def _unchanged(_logger: object, _method: str, event: Any) -> Any:
    return event


def _none_of_them(*_args: Any, **_kwargs: Any) -> tuple[()]:
    return ()


def _send_blindly(intent: Any, _live: Any, now: Any, **_more: Any) -> Any:
    return replace(intent, state=IntentState.SENDING, attempts=intent.attempts + 1, updated_at=now)


def _believe(intent: Any, _receipt: Any, _live: Any, now: Any) -> Any:
    return replace(intent, state=IntentState.ACKNOWLEDGED, updated_at=now)


def _hopeful(intent: Any, _live: Any) -> Any:
    return intent.target.micros if intent.attempts else intent.base.micros


def _at_once(original: Callable[..., Any]) -> Callable[..., Any]:
    def recover(intent: Any, live: Any, now: Any, **more: Any) -> Any:
        return original(intent, live, now, **more | {"wait": now - now})

    return recover


def _newest(newest: Any, _epoch: int) -> Any:
    return newest


def _other_prior(line: Any, target: Any, prior: Any) -> Any:
    more = line.proposed + Money.of(100, "JPY")
    return replace(line, current=target.amount, proposed=more if prior else target.amount)


def _added(self: Money, other: Money) -> Money:
    return Money(self.micros + other.micros, self.currency)


def _with_original(dotted: str, make: Callable[[Callable[..., Any]], Any]) -> Change:
    owner, name = _owner(dotted)
    return dotted, make(getattr(owner, name))


def _owner(dotted: str) -> tuple[Any, str]:
    """The module or class that holds a dotted name, and the last part of it."""
    path, _, name = dotted.rpartition(".")
    try:
        return import_module(path), name
    except ModuleNotFoundError:
        above, _, holder = path.rpartition(".")
        return getattr(import_module(above), holder), name


A: Final = "optimizer.approval"

MUTATIONS: Final = (
    Mutation(1, "an approval of any hash counts", "verdicts._hash", ((f"{A}.verdicts._hash", _nothing),)),
    Mutation(1, "anybody may approve", "verdicts._role", ((f"{A}.verdicts._role", _nothing),)),
    Mutation(1, "one person is enough for any sum", "verdicts._second", ((f"{A}.verdicts._second", _nothing),)),
    Mutation(
        1,
        "an approval counts for ever",
        "proposals.lapsed",
        (
            (f"{A}.verdicts.lapsed", _nothing),
            (f"{A}.applying.lapsed", _nothing),
            (f"{A}.proposals.expire", _nothing),
            (f"{A}.expire", _nothing),
        ),
        days=("late",),
    ),
    Mutation(
        1, "the policy knows no step", "autonomy._step", ((f"{A}.autonomy._step", _nothing),), days=("autopilot",)
    ),
    Mutation(
        1,
        "the policy may raise the sum",
        "autonomy._raise",
        ((f"{A}.autonomy._raise", _nothing),),
        days=("generous autopilot",),
    ),
    Mutation(
        2,
        "sums are not looked at",
        "applying._overrun, applying._infeasible, recheck._broken, edge.barred",
        (
            (f"{A}.barred", _nothing),
            (f"{A}.applying._infeasible", _nothing),
            (f"{A}.applying._overrun", _nothing),
            (f"{A}.verdicts._infeasible", _nothing),
            (f"{A}.recheck._broken", _nothing),
        ),
        days=("part",),
    ),
    Mutation(
        2,
        "open cuts count as done",
        "intents.most, edge.barred",
        ((f"{A}.applying.most", _hopeful), (f"{A}.barred", _nothing)),
        days=("lost",),
    ),
    Mutation(
        3,
        "limits of the moment are not looked at",
        "recheck._outside, edge.barred",
        ((f"{A}.recheck._outside", _nothing), (f"{A}.barred", _nothing)),
        days=(
            "small step",
            "pinned",
        ),
    ),
    Mutation(
        3,
        "no call is judged by itself",
        "edge.barred",
        ((f"{A}.barred", _nothing), (f"{A}.edge.barred", _nothing)),
        seen_by="tests/optimizer/test_approval_edge.py",
    ),
    Mutation(
        3,
        "pauses ask for no ad in their place",
        "switching.darkens, darkened, alone",
        (
            (f"{A}.switching.darkens", _nothing),
            (f"{A}.applying._darkens", _nothing),
            (f"{A}.switching.darkened", _nothing),
            (f"{A}.switching.alone", _nothing),
        ),
        seen_by="tests/optimizer/test_approval_ads.py",
    ),
    Mutation(
        4,
        "two plans are written at once",
        "applying._busy, rules.check_alone",
        (
            (f"{A}.applying._busy", _nothing),
            ("optimizer.agent.store.memory.check_alone", _nothing),
            ("optimizer.agent.store.ledger.check_alone", _nothing),
        ),
        days=(
            "none",
            "beside",
        ),
    ),
    Mutation(
        5,
        "a lost call is made again at once",
        "intents.recover (RESEND_AFTER)",
        (_with_original(f"{A}.recover", _at_once),),
        days=("slow",),
    ),
    Mutation(
        5,
        "our own stamp in the history is not looked for",
        "hands.landed",
        ((f"{A}.landed", lambda *_: False),),
        days=("undone",),
    ),
    Mutation(
        6,
        "receipts are believed",
        "intents.acknowledged",
        ((f"{A}.acknowledged", _believe),),
        days=("lie",),
    ),
    Mutation(
        7,
        "nobody compares with what is live",
        "intents.sending, proposals.drifts",
        ((f"{A}.sending", _send_blindly), (f"{A}.applying.drifts", _none_of_them)),
        days=("edit",),
    ),
    Mutation(
        8,
        "reports may stand still",
        "guardrails._stale_accounts",
        (("optimizer.guardrails._stale_accounts", lambda *_: {}), ("optimizer.guardrails._idle", _nothing)),
    ),
    Mutation(
        9,
        "the kill switch is not asked again before the call",
        "terms.check_brake",
        (("optimizer.agent.store.terms.check_brake", _nothing),),
        days=("brake",),
    ),
    Mutation(
        9,
        "a pause of some hours is over at once",
        "Brake.is_over",
        (("optimizer.plan.office.Brake.is_over", lambda brake, _now: brake.until is not None),),
        days=("breather",),
    ),
    Mutation(9, "windows are open at all times", "windows.closed", ((f"{A}.closed", _nothing),), days=("dusk",)),
    Mutation(
        9,
        "an old epoch may write",
        "terms.check_epoch",
        (("optimizer.agent.store.terms.check_epoch", _newest),),
        days=("stall",),
    ),
    Mutation(
        10,
        "nobody compares the hashes",
        "audit._fault",
        (("optimizer.plan.audit._fault", lambda *_: ""),),
        seen_by="tests/optimizer/test_audit.py",
    ),
    Mutation(
        10,
        "stored rows are not compared with the history",
        "witness.contradictions, stray",
        (
            ("optimizer.agent.trail.approval.contradictions", _none_of_them),
            ("optimizer.agent.store.sql.stray.stray", _none_of_them),
        ),
        seen_by="tests/optimizer/test_witness.py",
    ),
    Mutation(
        11,
        "log lines are not searched for secrets",
        "logs.redacted",
        (("optimizer.agent.daemon.logs.redacted", _unchanged),),
        seen_by="tests/optimizer/test_daemon_logs.py",
    ),
    Mutation(
        12,
        "amounts of two currencies add up",
        "Money.__add__",
        (("connectors.money.Money.__add__", _added),),
        seen_by="tests/connectors/test_money.py",
    ),
    Mutation(
        13,
        "a rollback looks at nothing",
        "restoring._changed",
        ((f"{A}.restoring._changed", _nothing),),
        days=("restore an edit",),
    ),
    Mutation(
        13,
        "a rollback restores another amount",
        "restoring._line",
        ((f"{A}.restoring._line", _other_prior),),
        days=("restore",),
    ),
    Mutation(
        14,
        "limits that cannot be read are taken for none",
        "verdicts.unsound",
        ((f"{A}.verdicts.unsound", _nothing), (f"{A}.applying.unsound", _nothing)),
        seen_by="tests/optimizer/test_approval_verdicts.py",
    ),
)
"""At least one for each invariant."""


@contextmanager
def without(mutation: Mutation) -> Iterator[None]:
    """Take a guard away."""
    with pytest.MonkeyPatch.context() as patched:
        for dotted, replacement in mutation.changes:
            owner, name = _owner(dotted)
            patched.setattr(owner, name, replacement)
        yield


def words_of_the_judge(mutation: Mutation, walks: int = WALKS) -> tuple[str, int]:
    """What the machine says without a guard, and in how many walks; the words are empty if it notices nothing."""
    begun = count()

    class Walk(Workflow):
        scripts = mutation.days or SCRIPTS

        def __init__(self) -> None:
            next(begun)
            super().__init__()

    searching = settings(SETTINGS, max_examples=walks, phases=[Phase.generate], print_blob=False, derandomize=True)
    try:
        with staged(), without(mutation):
            run_state_machine_as_test(Walk, settings=searching)
    except AssertionError as error:
        return str(error).partition("\n")[0], next(begun)
    return "", next(begun)


def control(mutation: Mutation) -> str:
    """What is noticed in as many of the same walks, or by the same test, while the guard stands; it must be nothing."""
    guarded = replace(mutation, changes=())
    if not mutation.by_machine:
        return words_of_a_test(replace(guarded, name=""))
    _, walks = words_of_the_judge(mutation)
    return words_of_the_judge(guarded, walks)[0]


def words_of_a_test(mutation: Mutation) -> str:
    """The first test of a file that fails without a guard; empty if all hold."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "tests.machine.mutations", "--no-header",
               mutation.seen_by]  # fmt: skip
    found = subprocess.run(
        command, env=os.environ | {CHOSEN: mutation.name}, capture_output=True, text=True, check=False
    )
    failed = [line.partition(" - ")[0] for line in found.stdout.splitlines() if line.startswith("FAILED ")]
    return failed[0].removeprefix("FAILED ") if failed and found.returncode == 1 else ""


def pytest_configure() -> None:
    """Take away the guard that the environment names, for the whole run."""
    for mutation in MUTATIONS:
        if mutation.name == os.environ.get(CHOSEN):
            for dotted, replacement in mutation.changes:
                setattr(*_owner(dotted), replacement)


def noticed(mutation: Mutation, walks: int = WALKS) -> str:
    """Who notices that a guard is gone, in words; empty if nobody does."""
    if not mutation.by_machine:
        return words_of_a_test(mutation)
    words, _ = words_of_the_judge(mutation, walks)
    return words if f"invariant {mutation.invariant})" in words else ""


def table() -> str:
    """The mutations as docs/safety.md tells of them."""
    rows = [
        f"| {m.invariant} | `{m.guard}` | {m.name} | {m.seen_by if m.by_machine else f'`{m.seen_by}`'} |"
        for m in MUTATIONS
    ]
    return "\n".join(("| # | guard | taken away | noticed by |", "|---|---|---|---|", *rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Take every guard away in turn; exit 1 where nobody notices."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="those whose name holds this text")
    chosen = parser.parse_args(arguments).only
    bars = []
    for mutation in MUTATIONS:
        if chosen not in mutation.name:
            continue
        began = time.process_time()
        words = noticed(mutation)
        took, alarm = time.process_time() - began, control(mutation)
        print(f"{mutation.invariant:>2}  {mutation.name:55}  {took:5.1f} s  {words or 'NOBODY NOTICES'}", flush=True)
        if alarm:
            print(f"    with the guard in its place, too: {alarm}", flush=True)
        holds = bool(words) and not alarm
        bars.append({"name": mutation.name, "value": words, "bar": f"invariant {mutation.invariant}", "holds": holds})
    print(json.dumps({"bars": bars}))
    return 0 if all(bar["holds"] for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
