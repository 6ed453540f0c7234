"""Refits of the slow tier: when, from which evidence, what the checks said, and the priors where they passed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from optimizer.agent.store import triggers

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("refit_id", sa.String(), nullable=False),
        sa.Column("fitted_at", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("code_version", sa.String(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("checks", sa.Text(), nullable=False),
        sa.Column("priors", sa.Text(), nullable=True),
        sa.Column("file", sa.String(), nullable=False),
        sa.CheckConstraint("passed = (priors IS NOT NULL)", name=op.f("ck_refit_passed")),
        sa.CheckConstraint("length(evidence) = 64", name=op.f("ck_refit_evidence")),
        sa.CheckConstraint("seed >= 0", name=op.f("ck_refit_seed")),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_refit_seconds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refit")),
        sa.UniqueConstraint("refit_id", name=op.f("uq_refit_refit_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_refit_fitted_at"), "refit", ["fitted_at"], unique=False)
    # Which priors a plan of some day rested on must be found again as it was.
    for trigger in triggers.append_only(op.get_bind().dialect.name, "refit", "refits are append-only"):
        op.execute(trigger)
