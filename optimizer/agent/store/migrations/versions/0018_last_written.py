"""A way to the time of the last entry, which is asked at each look and was found by reading all of the history."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_event_at"), "event", ["at"])
