"""Impressions that a series could have had, and those lost to its budget, where a platform tells such shares."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fact_auction",
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("known_from", sa.BigInteger(), nullable=False),
        sa.Column("eligible", sa.BigInteger(), nullable=False),
        sa.Column("lost", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("eligible >= 0", name=op.f("ck_fact_auction_eligible")),
        sa.CheckConstraint("lost >= 0", name=op.f("ck_fact_auction_lost")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_fact_auction_series_id_series")),
        sa.PrimaryKeyConstraint("series_id", "day", "known_from", name=op.f("pk_fact_auction")),
        sqlite_with_rowid=False,
    )
