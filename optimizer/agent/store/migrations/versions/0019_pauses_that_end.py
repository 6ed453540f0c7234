"""When a throw of the kill switch ends by itself, if that was said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("brake", sa.Column("until", sa.BigInteger(), nullable=True))
