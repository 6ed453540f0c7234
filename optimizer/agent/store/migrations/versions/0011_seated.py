"""Whether the leader holds the lock that goes with its process, so that a free lock tells that it is gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lead", sa.Column("seated", sa.Boolean(), nullable=True))
    op.execute("UPDATE lead SET seated = false")  # of a leader from before nothing is known: its lease is waited for
    with op.batch_alter_table("lead") as lead:
        lead.alter_column("seated", existing_type=sa.Boolean(), nullable=False)
