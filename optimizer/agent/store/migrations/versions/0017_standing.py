"""Ways to what stands and to what was written lately, so that a long history is not read each morning."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_recommendation_standing", "recommendation", ["state", "created_at", "rec_id", "revision"])
    op.create_index(op.f("ix_intent_state"), "intent", ["state"])
    op.create_index(op.f("ix_intent_acknowledged_at"), "intent", ["acknowledged_at"])
