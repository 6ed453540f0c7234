"""Events as a chain: each carries the hash of what it says and of the one before; those that stand are sealed now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from optimizer.agent.store import triggers
from optimizer.agent.store.instants import from_instant
from optimizer.plan.audit import GENESIS, sealed
from optimizer.plan.record import Event

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_PAGE = 1_000
_READ = sa.text(
    "SELECT id, rec_id, revision, at, actor, action, detail FROM event WHERE id > :after ORDER BY id LIMIT :page"
)
_SEAL = sa.text("UPDATE event SET subject = '', previous = :previous, hash = :hash WHERE id = :id")
_COLUMNS = ("subject", "previous", "hash")


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    for statement in triggers.no_longer_append_only(dialect, "event"):
        op.execute(statement)
    with op.batch_alter_table("event") as table:
        for name in _COLUMNS:
            table.add_column(sa.Column(name, sa.String(), nullable=True))
    _seal(op.get_bind())
    with op.batch_alter_table("event", table_kwargs={"sqlite_autoincrement": True}) as table:
        for name in _COLUMNS:
            table.alter_column(name, existing_type=sa.String(), nullable=False)
        table.create_unique_constraint(op.f("uq_event_previous"), ["previous"])
        table.create_check_constraint(op.f("ck_event_hash"), "length(hash) = 64")
    for statement in triggers.append_only(dialect, "event", "events are append-only"):
        op.execute(statement)


def _seal(connection: sa.Connection) -> None:
    after, previous = -1, GENESIS
    while rows := connection.execute(_READ, {"after": after, "page": _PAGE}).all():
        seals = []
        for number, rec_id, revision_, at, actor, action, detail in rows:
            entry = sealed(number, Event(rec_id, revision_, from_instant(at), actor, action, detail), "", previous)
            seals.append({"id": number, "previous": previous, "hash": entry.hash})
            after, previous = number, entry.hash
        connection.execute(_SEAL, seals)
