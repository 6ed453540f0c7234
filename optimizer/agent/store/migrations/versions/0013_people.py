"""People who may log in, and the sessions and tokens by which they are known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_LABELLED = "label <> ''"


def upgrade() -> None:
    op.create_table(
        "person",
        sa.Column("known_as", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("password", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'approver', 'admin')", name=op.f("ck_person_role")),
        sa.CheckConstraint("password LIKE '$argon2id$%'", name=op.f("ck_person_password")),
        sa.CheckConstraint("password IS NOT NULL OR subject IS NOT NULL", name=op.f("ck_person_way_in")),
        sa.PrimaryKeyConstraint("known_as", name=op.f("pk_person")),
        sa.UniqueConstraint("name", name=op.f("uq_person_name")),
        sa.UniqueConstraint("subject", name=op.f("uq_person_subject")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "session",
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("role IN ('viewer', 'approver', 'admin')", name=op.f("ck_session_role")),
        sa.CheckConstraint("length(secret_hash) = 64", name=op.f("ck_session_secret_hash")),
        sa.CheckConstraint("created_at < until", name=op.f("ck_session_interval")),
        sa.CheckConstraint("label = '' OR confirmed_at IS NULL", name=op.f("ck_session_confirmed_at")),
        sa.ForeignKeyConstraint(["person"], ["person.known_as"], name=op.f("fk_session_person_person")),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_session")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_session_person", "session", ["person"])
    op.create_index(
        "uq_session_label", "session", ["person", "label"], unique=True,
        sqlite_where=sa.text(_LABELLED), postgresql_where=sa.text(_LABELLED),
    )  # fmt: skip
