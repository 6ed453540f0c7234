"""`outlay explain`: what a recommendation was decided from, and whether the same comes out of it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.agent import recompute
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli.answers import Answer, Exit
from optimizer.agent.cli.render import plain
from optimizer.agent.cycle import House
from optimizer.plan.basis import Basis
from optimizer.plan.recommendation import Recommendation
from optimizer.ports import NotFound


def explain(rec: str, config: Path, revision: int | None, again: bool) -> Answer:
    """Say what a revision was decided from; with --recompute decide again, and exit 1 where it differs."""
    with open_house(config) as house:
        name = _name(house, rec)
        if again:
            return _compared(recompute.recompute(house, name, revision))
        made = house.store.record(name, revision).recommendation
        return _told(made, house.store.basis(name, made.revision))


def _name(house: House, rec: str) -> str:
    newest = house.store.records(limit=1) if rec == "latest" else ()
    if rec == "latest" and not newest:
        raise NotFound("there is no recommendation yet")
    return newest[0].recommendation.rec_id if newest else rec


def _told(made: Recommendation, basis: Basis | None) -> Answer:
    parts: list[RenderableType] = [_from(made, basis)]
    if basis is not None:
        parts.append(Text(f"Next: outlay explain {made.rec_id} --recompute decides again and compares."))
    return Answer(Group(*parts), _data(made, basis))


def _compared(found: recompute.Recomputed) -> Answer:
    made = found.stored
    words = "The same bytes came out." if found.same else "What comes out now is not the same."
    parts: list[RenderableType] = [_from(made, found.basis), Text(f"{words} Hash now: {found.plan_hash}")]
    parts += [Text(cause) for cause in found.causes]
    if found.differences:
        table = Table(box=None, pad_edge=False)
        for title in ("where", "then", "now"):
            table.add_column(title, overflow="fold")
        for place in found.differences:
            table.add_row(plain(place.path), plain(place.then), plain(place.now))
        parts.append(table)
    data = _data(made, found.basis) | {
        "recomputed": {
            "same": found.same,
            "plan_hash": found.plan_hash,
            "causes": list(found.causes),
            "differences": [{"path": d.path, "then": d.then, "now": d.now} for d in found.differences],
        }
    }
    return Answer(Group(*parts), data, Exit.FINE if found.same else Exit.ERROR)


def _from(made: Recommendation, basis: Basis | None) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    decision = made.decision
    told = {
        "recommendation": f"{made.rec_id} revision {made.revision}, by {made.author}",
        "hash": made.plan_hash,
        "decided at": f"{made.created_at:%Y-%m-%d %H:%M:%S} UTC, for {decision.as_of}",
        "seed": str(made.seed),
        "version": f"outlay {made.code_version}, {decision.model_version}, {decision.guardrail_version}",
        "evidence": f"{decision.input_digest}",
        "goals": f"{decision.goals_digest}",
        "kept": "nothing to decide it again from" if basis is None else f"{basis.days} days of history, as known then",
    }
    for name, value in told.items():
        table.add_row(name, plain(value))
    return table


def _data(made: Recommendation, basis: Basis | None) -> dict[str, Any]:
    decision = made.decision
    kept = None
    if basis is not None:
        kept = {
            "known_at": basis.known_at.isoformat(), "days": basis.days,
            "goals": json.loads(basis.goals), "guards": json.loads(basis.guards),
            "around": json.loads(basis.around),
        }  # fmt: skip
    return {
        "rec_id": made.rec_id,
        "revision": made.revision,
        "plan_hash": made.plan_hash,
        "created_at": made.created_at.isoformat(),
        "author": made.author,
        "seed": made.seed,
        "code_version": made.code_version,
        "model_version": decision.model_version,
        "guardrail_version": decision.guardrail_version,
        "input_digest": decision.input_digest,
        "goals_digest": decision.goals_digest,
        "basis": kept,
    }
