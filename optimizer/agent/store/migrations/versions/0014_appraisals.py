"""Appraisals: what conversions and new customers are worth, by which model, when and from which evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from optimizer.agent.store import triggers

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "appraisal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("estimates", sa.Text(), nullable=False),
        sa.CheckConstraint("subject IN ('credit', 'customer')", name=op.f("ck_appraisal_subject")),
        sa.CheckConstraint("length(evidence) = 64", name=op.f("ck_appraisal_evidence")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appraisal")),
        sa.UniqueConstraint("subject", "made_at", name=op.f("uq_appraisal_subject")),
        sqlite_autoincrement=True,
    )
    # What a plan of some day rested on must be found again as it was.
    for trigger in triggers.append_only(op.get_bind().dialect.name, "appraisal", "appraisals are append-only"):
        op.execute(trigger)
