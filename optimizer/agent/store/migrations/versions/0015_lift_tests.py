"""Lift tests: what was promised before their first day, and what was read of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from optimizer.agent.store import triggers

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lift_test",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lift_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("plan_hash", sa.String(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("registered_by", sa.String(), nullable=False),
        sa.Column("code_version", sa.String(), nullable=False),
        sa.CheckConstraint("kind IN ('holdout', 'switchback')", name=op.f("ck_lift_test_kind")),
        sa.CheckConstraint("length(plan_hash) = 64", name=op.f("ck_lift_test_plan_hash")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lift_test")),
        sa.UniqueConstraint("lift_id", name=op.f("uq_lift_test_lift_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "lift_end",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lift_id", sa.String(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reading", sa.Text(), nullable=True),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.CheckConstraint("(reading IS NULL) = (evidence = '')", name=op.f("ck_lift_end_evidence")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lift_end")),
        sa.UniqueConstraint("lift_id", name=op.f("uq_lift_end_lift_id")),
        sqlite_autoincrement=True,
    )
    for table in ("lift_test", "lift_end"):
        for trigger in triggers.append_only(op.get_bind().dialect.name, table, "lift tests are append-only"):
            op.execute(trigger)
