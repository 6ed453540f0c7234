"""Statuses of ads as they were read, and writes of them beside those of budgets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OPEN = sa.text("state IN ('planned', 'sending')")
_CHANGE = (
    "CASE WHEN ad_id IS NULL"
    " THEN budget_id IS NOT NULL AND currency IS NOT NULL AND base IS NOT NULL AND target IS NOT NULL"
    " AND base_status IS NULL AND target_status IS NULL"
    " ELSE budget_id IS NULL AND currency IS NULL AND base IS NULL AND target IS NULL"
    " AND base_status IN ('active', 'paused') AND target_status IN ('active', 'paused')"
    " AND base_status IS NOT NULL AND target_status IS NOT NULL END"
)


def upgrade() -> None:
    op.create_table(
        "ad_reading",
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("ad_id", sa.String(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("ad_group_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=True),
        sa.Column("etag", sa.String(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'paused')", name=op.f("ck_ad_reading_status")),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name=op.f("fk_ad_reading_account_account")),
        sa.PrimaryKeyConstraint("account", "ad_id", "read_at", name=op.f("pk_ad_reading")),
        sqlite_with_rowid=False,
    )
    op.drop_index("uq_intent_open", "intent")
    with op.batch_alter_table("intent") as batch:
        batch.add_column(sa.Column("ad_id", sa.String(), nullable=True))
        batch.add_column(sa.Column("base_status", sa.String(), nullable=True))
        batch.add_column(sa.Column("target_status", sa.String(), nullable=True))
        for column, kind in (("budget_id", sa.String()), ("currency", sa.String())):
            batch.alter_column(column, existing_type=kind, nullable=True)
        for column in ("base", "target"):
            batch.alter_column(column, existing_type=sa.BigInteger(), nullable=True)
        batch.create_check_constraint(op.f("ck_intent_change"), _CHANGE)
    for name, subject in (("uq_intent_open", "budget_id"), ("uq_intent_open_ad", "ad_id")):
        op.create_index(
            name,
            "intent",
            ["connector", "account_id", subject],
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        )
