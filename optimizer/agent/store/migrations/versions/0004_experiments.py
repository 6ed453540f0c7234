"""Experiments: what was promised before the first row, and how each ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from optimizer.agent.store import triggers

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "experiment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("plan_hash", sa.String(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("registered_by", sa.String(), nullable=False),
        sa.Column("code_version", sa.String(), nullable=False),
        sa.CheckConstraint("length(plan_hash) = 64", name=op.f("ck_experiment_plan_hash")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment")),
        sa.UniqueConstraint("experiment_id", name=op.f("uq_experiment_experiment_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "experiment_closing",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.String(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("kept", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.CheckConstraint("length(evidence) = 64", name=op.f("ck_experiment_closing_evidence")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment_closing")),
        sa.UniqueConstraint("experiment_id", name=op.f("uq_experiment_closing_experiment_id")),
        sqlite_autoincrement=True,
    )
    # What was promised must be found again as it was, else nothing was promised.
    for table in ("experiment", "experiment_closing"):
        for trigger in triggers.append_only(op.get_bind().dialect.name, table, "experiments are append-only"):
            op.execute(trigger)
