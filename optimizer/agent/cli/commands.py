"""What each command does: parse its words, call the cycle, answer."""

from __future__ import annotations

import json as jsonlib
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.logging import RichHandler
from rich.text import Text

from connectors.contract import AdKey, BudgetKey
from connectors.errors import ConnectorError
from connectors.money import Money
from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli import answers, render, screen
from optimizer.agent.cli.answers import Answer, Exit
from optimizer.agent.cli.days import day
from optimizer.agent.cli.person import person
from optimizer.agent.secrecy import Discreet, keep, of_environment
from optimizer.agent.settings import SettingsError
from optimizer.goals import GoalsError
from optimizer.plan.recommendation import AdLine, Line, LineKey
from optimizer.plan.record import IntentState, Record, State
from optimizer.ports import NotFound, StoreError

_LOG: Final = logging.getLogger("outlay.cli")
_HASH_DIGITS: Final = 8
_KNOWN_RECORDS: Final = "`outlay show latest` shows the newest, `outlay status` lists those that wait."


class UsageError(Exception):
    """The command's words cannot be understood; the message says the mend."""


def run(command: str, *, json: bool, **arguments: Any) -> int:
    """Run a command by name and return the process's exit code; every known error becomes a sentence."""
    _log_to_stderr(command)
    try:
        return answers.give(found(command)(**arguments), as_json=json)
    except cycle.Refused as refused:
        code = Exit.DRIFT if refused.refusal.code == "drift" else Exit.BLOCKED
        return answers.fail(str(refused), as_json=json, code=code, kind=refused.refusal.code)
    except GoalsError as error:
        return answers.fail(str(error), as_json=json, code=Exit.BLOCKED, kind="goals")
    except NotFound as error:
        return answers.fail(f"{error}. Mend: {_KNOWN_RECORDS}", as_json=json, kind="NotFound")
    except (ConnectorError, StoreError, SettingsError, UsageError) as error:
        return answers.fail(str(error), as_json=json, kind=type(error).__name__)
    except (typer.Abort, typer.Exit, BrokenPipeError):
        raise  # Typer's own ways to end, and a reader who has seen enough
    except Exception as error:  # noqa: BLE001 - the last resort: a defect, too, is told in a sentence
        _LOG.debug("unexpected error", exc_info=True)
        return answers.fail(_defect(error), as_json=json, kind=type(error).__name__)


def plan(config: Path, as_of: str | None, seed: int | None, out: Path | None) -> Answer:
    """Pull, decide and record; exit 2 when a proposal waits, 4 when guards keep everything where it is."""
    with open_house(config) as house:
        if not house.connectors:
            raise UsageError(f"{config}: no connector is configured. Mend: add a [connectors.NAME] table.")
        today = house.today() if as_of is None else day(as_of, "outlay plan", "--as-of")
        cycle.pull(house, today)
        record = cycle.plan(house, today, seed=seed)
    data = answers.record_data(record)
    if out is not None:
        _write(out, jsonlib.dumps(data, ensure_ascii=False, indent=1))
    return Answer(render.record(record), data, _plan_code(record))


def show(rec: str, config: Path, revision: int | None, history: bool) -> Answer:
    """Show one recommendation, with its history and writes if asked."""
    with open_house(config) as house:
        record = house.store.record(_rec_id(house, rec), revision)
        recommendation = record.recommendation
        events = house.store.events(recommendation.rec_id) if history else ()
        intents = house.store.intents(recommendation.rec_id, recommendation.revision) if history else ()
    parts = [render.record(record)]
    if history:
        parts.append(render.history(record, events, intents))
    return Answer(Group(*parts), answers.record_data(record, events, intents))


def approve(rec: str, config: Path, lines: str | None, reason: str, plan_hash: str | None, actor: str | None) -> Answer:
    """Approve what was shown; the hash, typed or confirmed, says what that was."""
    with open_house(config) as house:
        record = house.store.record(_rec_id(house, rec))
        whole = _shown_hash(record, plan_hash)
        chosen = None if lines is None else tuple(_any_line(record, name).key for name in _split(lines))
        verdict = approval.Approve(person(actor), whole, chosen, reason)
        settled = cycle.settle(house, record.recommendation.rec_id, verdict)
    return _settled(settled)


def reject(rec: str, reason: str, config: Path, actor: str | None) -> Answer:
    """Reject a proposal, or revoke an approval."""
    with open_house(config) as house:
        rec_id = _rec_id(house, rec)
        kind = approval.Revoke if house.store.record(rec_id).state is State.APPROVED else approval.Reject
        return _settled(cycle.settle(house, rec_id, kind(person(actor), reason)))


def edit(rec: str, config: Path, amounts: list[str], keep: list[str], actor: str | None) -> Answer:
    """Fix lines and solve the rest around them."""
    if not amounts and not keep:
        raise UsageError("nothing to edit. Mend: --set BUDGET=AMOUNT or --keep BUDGET.")
    with open_house(config) as house:
        record = house.store.record(_rec_id(house, rec))
        fixed = dict(_amount(record, text) for text in amounts)
        kept = [_line(record, name).key for name in keep]
        edited = cycle.edit(house, record.recommendation.rec_id, fixed, person(actor), keep=kept)
    return Answer(render.record(edited), answers.record_data(edited), _plan_code(edited))


def apply(rec: str, config: Path, dry_run: bool) -> Answer:
    """Write what was approved, or with --dry-run ask the platforms about it."""
    with open_house(config) as house:
        rec_id = _rec_id(house, rec)
        if dry_run:
            return _rehearsed(writing.rehearse(house, rec_id))
        record = writing.apply(house, rec_id)
        return _written(house, record)


def verify(rec: str, config: Path) -> Answer:
    """Read the written budgets and ads back."""
    with open_house(config) as house:
        return _written(house, writing.verify(house, _rec_id(house, rec)))


def rollback(rec: str, config: Path, actor: str | None) -> Answer:
    """Propose to restore what stood before."""
    with open_house(config) as house:
        child = writing.rollback(house, _rec_id(house, rec), person(actor))
    return Answer(render.record(child), answers.record_data(child), Exit.PENDING)


def _settled(record: Record) -> Answer:
    recommendation = record.recommendation
    words = f"{recommendation.rec_id} revision {recommendation.revision} is {record.state.value}."
    parts: list[RenderableType] = [Text(words)]
    if record.state in (State.APPROVED, State.PROPOSED):
        parts = [Text("Approved:"), render.approved(approval.chosen(record)), *parts]
    parts.append(
        Text("It waits for a second approver." if record.state is State.PROPOSED else render.next_step(record))
    )
    return Answer(Group(*parts), answers.record_data(record))


def _written(house: cycle.House, record: Record) -> Answer:
    recommendation = record.recommendation
    intents = house.store.intents(recommendation.rec_id, recommendation.revision)
    words = Text(f"{recommendation.rec_id} is {record.state.value}. {render.next_step(record)}")
    code = Exit.FINE
    if any(intent.state is IntentState.DRIFT for intent in intents):
        code = Exit.DRIFT
    elif record.state is State.FAILED:
        code = Exit.ERROR
    return Answer(Group(render.intents(record, intents), words), answers.record_data(record, (), intents), code)


def _rehearsed(rehearsals: Iterable[writing.Rehearsal]) -> Answer:
    rows = list(rehearsals)
    problems = [row for row in rows if row.problem]
    words = "\n".join(
        f"{render.plain(str(row.key))}: {row.base} -> {row.target}: {render.plain(row.problem) or 'would go through'}"
        for row in rows
    )
    data = {
        "dry_run": [
            {_kind(r.key): str(r.key), "base": str(r.base), "target": str(r.target), "problem": r.problem} for r in rows
        ]
    }
    return Answer(f"{words}\nNothing was written.", data, Exit.BLOCKED if problems else Exit.FINE)


def _kind(key: LineKey) -> str:
    return "ad" if isinstance(key, AdKey) else "budget"


def _plan_code(record: Record) -> Exit:
    if record.state is State.PROPOSED:
        return Exit.PENDING
    return Exit.BLOCKED if record.recommendation.decision.blocked else Exit.FINE


def _rec_id(house: cycle.House, text: str) -> str:
    if text != "latest":
        return text
    newest = house.store.records(limit=1)
    if not newest:
        raise UsageError("there is no recommendation yet. Mend: make one with `outlay plan`.")
    return newest[0].recommendation.rec_id


def _shown_hash(record: Record, typed: str | None) -> str:
    """The whole hash that the person saw: typed, or confirmed with the diff on the screen."""
    whole = record.recommendation.plan_hash
    if typed is not None:
        if len(typed) < _HASH_DIGITS:
            raise UsageError(f"--hash needs at least {_HASH_DIGITS} digits, as `outlay show` prints them.")
        return whole if whole.startswith(typed.lower()) else typed
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "an approval names what was seen. Mend: add --hash with the hash that `outlay show` printed, "
            "or approve in a terminal, where the plan is shown first."
        )
    screen.show(render.record(record))
    if not typer.confirm("Approve exactly this?"):
        raise UsageError("not approved; nothing was changed.")
    return whole


def _line(record: Record, name: str) -> Line:
    lines = record.recommendation.decision.lines
    return _only(record, name, [line for line in lines if name in (line.key.budget_id, line.name, str(line.key))])


def _any_line(record: Record, name: str) -> Line | AdLine:
    """A budget, or else an ad, by id, name or full key."""
    decision = record.recommendation.decision
    found: list[Line | AdLine] = []
    found += [line for line in decision.lines if name in (line.key.budget_id, line.name, str(line.key))]
    found += [line for line in decision.ads if name in (line.key.ad_id, line.name, str(line.key))]
    return _only(record, name, found)


def _only[T: Line | AdLine](record: Record, name: str, found: list[T]) -> T:
    """The one line that was meant.

    Raises:
        UsageError: There is none, or more than one.
    """
    lines = record.recommendation.decision.lines
    if len(found) != 1:
        some = ", ".join(line.key.budget_id for line in lines[:8])
        why = "names no budget" if not found else f"names {len(found)} lines"
        raise UsageError(f"{name!r} {why} of {record.recommendation.rec_id}. Mend: write an id, such as {some}.")
    return found[0]


def _amount(record: Record, text: str) -> tuple[BudgetKey, Money]:
    name, equals, amount = text.rpartition("=")
    if not equals:
        raise UsageError(f"{text!r} is not BUDGET=AMOUNT.")
    line = _line(record, name.strip())
    try:
        return line.key, Money.of(amount.strip(), line.current.currency)
    except ValueError as error:
        mend = f"write digits with a decimal point, such as {name.strip()}=170.50."
        raise UsageError(f"--set {text!r}: {error}. Mend: {mend}") from None


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}. Mend: choose another place.") from None


def _defect(error: Exception) -> str:
    told = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
    again = "run again with OUTLAY_LOG=DEBUG for the traceback and report it"
    return f"Unexpected error: {told}. This is a defect; {again}."


def _log_to_stderr(command: str) -> None:
    """Log from WARNING on, and what `plan` tells people; OUTLAY_LOG sets another level for all of it."""
    keep(of_environment(os.environ))
    wanted = os.environ.get("OUTLAY_LOG", "").upper()
    told = wanted in logging.getLevelNamesMapping()
    handler = RichHandler(console=Console(stderr=True), show_path=False)
    logging.basicConfig(level=wanted if told else logging.WARNING, handlers=[handler])
    handler.setFormatter(Discreet("%(message)s"))
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # what it cannot send it names by its address
    logging.getLogger("outlay.notify").setLevel(logging.INFO if command == "plan" and not told else logging.NOTSET)


COMMANDS: Final[Mapping[str, str]] = {
    **{name: f"commands:{name}" for name in (
        "plan", "show", "approve", "reject", "edit", "apply", "verify", "rollback",
    )},
    **{name: f"{name}:{name}" for name in (
        "appraise", "attribution", "backtest", "demo", "emulate", "explain", "lifetime", "pacing", "refit", "replay",
        "report", "scorecard", "simulate",
    )},
    "init": "begin:init",
    **{name: f"office:{name}" for name in ("run", "web", "mcp", "pause", "resume")},
    **{name: f"checks:{name}" for name in ("status", "doctor", "connectors_list", "connectors_check")},
    **{f"experiment_{name}": f"experiment:{name}" for name in ("register", "status", "close", "size", "report")},
    "experiment_list": "experiment:listed",
    **{f"lift_{name}": f"lift:{name}" for name in ("design", "start", "status", "read", "stop")},
    "lift_list": "lift:listed",
    **{name: f"database:{name}" for name in ("db_upgrade", "db_current", "db_rename", "db_backup", "db_restore")},
    **{name: f"audit:{name}" for name in ("audit_verify", "audit_show")},
    "users_list": "users:listed",
    **{f"users_{name}": f"users:{name}" for name in (
        "add", "role", "password", "shut_out", "let_in", "token", "revoke",
    )},
}  # fmt: skip
"""Where each command stands, as module and function. Only the one that is run is loaded: what simulates and learns
takes longer to load than an agent that was started anew may take to its first write."""


def found(command: str) -> Callable[..., Answer]:
    """Load a command by its name."""
    module, _, function = COMMANDS[command].partition(":")
    loaded: Callable[..., Answer] = getattr(import_module(f"{__package__}.{module}"), function)
    return loaded
