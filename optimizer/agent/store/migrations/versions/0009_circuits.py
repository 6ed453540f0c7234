"""The breakers of accounts that fail again and again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "circuit",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("wait", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.CheckConstraint("(until IS NULL) = (wait = 0)", name=op.f("ck_circuit_until")),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_circuit_failures")),
        sa.CheckConstraint("wait >= 0", name=op.f("ck_circuit_wait")),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_circuit")),
    )
