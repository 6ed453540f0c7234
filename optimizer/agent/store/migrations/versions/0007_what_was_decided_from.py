"""What decisions are made again from: names by the time they were read, and the goals and guardrails of each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from optimizer.agent.store import triggers

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_readings()
    op.create_table(
        "setting",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.CheckConstraint("length(digest) = 64", name=op.f("ck_setting_digest")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_setting")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "basis",
        sa.Column("rec_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("goals", sa.String(), nullable=False),
        sa.Column("guards", sa.String(), nullable=False),
        sa.Column("around", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["goals"], ["setting.digest"], name=op.f("fk_basis_goals_setting")),
        sa.ForeignKeyConstraint(["guards"], ["setting.digest"], name=op.f("fk_basis_guards_setting")),
        sa.ForeignKeyConstraint(["around"], ["setting.digest"], name=op.f("fk_basis_around_setting")),
        sa.PrimaryKeyConstraint("rec_id", "revision", name=op.f("pk_basis")),
        sqlite_with_rowid=False,
    )
    dialect = op.get_bind().dialect.name
    for table in ("setting", "basis"):
        for statement in triggers.append_only(dialect, table, "what was decided from is append-only"):
            op.execute(statement)


def _create_readings() -> None:
    """What is known of names was read at an unknown time: it holds from the beginning."""
    op.create_table(
        "entity_reading",
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("entity_id", sa.String(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("parent_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('campaign', 'ad_group', 'ad', 'creative', 'audience')",
            name=op.f("ck_entity_reading_kind"),
        ),
        sa.CheckConstraint("status IN ('active', 'paused', 'removed')", name=op.f("ck_entity_reading_status")),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name=op.f("fk_entity_reading_account_account")),
        sa.PrimaryKeyConstraint("account", "kind", "entity_id", "read_at", name=op.f("pk_entity_reading")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO entity_reading (account, kind, entity_id, read_at, name, parent_id, status, tags) "
        "SELECT account, kind, entity_id, 0, name, parent_id, status, tags FROM entity"
    )
    op.drop_table("entity")
