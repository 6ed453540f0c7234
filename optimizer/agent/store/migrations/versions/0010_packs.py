"""Settled weeks of facts once more, packed: a year of ten thousand campaigns is read in a fraction of the time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from optimizer.agent.store import triggers

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_DAYS, _BLOCK = 7, 1024


def upgrade() -> None:
    op.create_table(
        "fact_pack",
        sa.Column("week", sa.Integer(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("newest", sa.BigInteger(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("week", "block", name=op.f("pk_fact_pack")),
    )
    # Facts that are there already are packed by the next readings.
    for trigger in triggers.leaves_its_pack(op.get_bind().dialect.name, "fact", "fact_pack", _DAYS, _BLOCK):
        op.execute(trigger)
