"""Why the readings of some accounts are not believed, and since when; budgets in their platform's learning phase."""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "doubt",
        sa.Column("connector", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("mend", sa.Text(), nullable=False),
        sa.CheckConstraint("ended_at > noted_at", name=op.f("ck_doubt_interval")),
        sa.PrimaryKeyConstraint("connector", "account_id", "code", "noted_at", name=op.f("pk_doubt")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("budget_reading", table_kwargs={"sqlite_with_rowid": False}, recreate=_anew()) as table:
        table.add_column(sa.Column("learning", sa.Boolean(), nullable=True))


def _anew() -> Literal["always", "never"]:
    """SQLite keeps the words of an added column apart from the others; written anew, the table is as declared."""
    return "always" if op.get_bind().dialect.name == "sqlite" else "never"
