"""The first tables: facts with what they replaced, the catalogue, and the ledger of proposals and writes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from optimizer.agent.store import triggers

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Whoever updates a fact, what it replaces is kept; an update that does not say when it was learnt is refused by the
# CHECK of fact_revision. What happened to a recommendation is never rewritten.
_KEYS = ("series_id", "day")
_MEASURES = ("spend", "conversions", "value", "impressions", "clicks")


def upgrade() -> None:
    _create_facts()
    _create_catalogue()
    _create_ledger()
    dialect = op.get_bind().dialect.name
    kept = triggers.keeps_what_it_replaces(dialect, "fact", _KEYS, _MEASURES)
    for trigger in (*kept, *triggers.append_only(dialect, "event", "events are append-only")):
        op.execute(trigger)


def _create_facts() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connector", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.CheckConstraint("time_zone <> ''", name=op.f("ck_account_time_zone")),
        sa.CheckConstraint("length(currency) = 3", name=op.f("ck_account_currency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("connector", "account_id", name=op.f("uq_account_connector_account_id")),
    )
    op.create_table(
        "series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("ad_group_id", sa.String(), nullable=False),
        sa.Column("ad_id", sa.String(), nullable=False),
        sa.Column("creative_id", sa.String(), nullable=False),
        sa.Column("audience_id", sa.String(), nullable=False),
        sa.Column("conversion_definition", sa.String(), nullable=False),
        sa.Column("attribution_setting", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name=op.f("fk_series_account_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint(
            "account",
            "campaign_id",
            "ad_group_id",
            "ad_id",
            "creative_id",
            "audience_id",
            "conversion_definition",
            "attribution_setting",
            name="uq_series_natural",
        ),
    )
    op.create_table(
        "fact",
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("spend", sa.BigInteger(), nullable=False),
        sa.Column("conversions", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=True),
        sa.Column("impressions", sa.BigInteger(), nullable=True),
        sa.Column("clicks", sa.BigInteger(), nullable=True),
        sa.Column("known_from", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("clicks >= 0", name=op.f("ck_fact_clicks")),
        sa.CheckConstraint("impressions >= 0", name=op.f("ck_fact_impressions")),
        sa.CheckConstraint("spend >= 0", name=op.f("ck_fact_spend")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_fact_series_id_series")),
        sa.PrimaryKeyConstraint("series_id", "day", name=op.f("pk_fact")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fact_revision",
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("known_from", sa.BigInteger(), nullable=False),
        sa.Column("known_to", sa.BigInteger(), nullable=False),
        sa.Column("spend", sa.BigInteger(), nullable=False),
        sa.Column("conversions", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=True),
        sa.Column("impressions", sa.BigInteger(), nullable=True),
        sa.Column("clicks", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("known_from < known_to", name=op.f("ck_fact_revision_interval")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_fact_revision_series_id_series")),
        sa.PrimaryKeyConstraint("series_id", "day", "known_from", name=op.f("pk_fact_revision")),
        sqlite_with_rowid=False,
    )


def _create_catalogue() -> None:
    op.create_table(
        "entity",
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("entity_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("parent_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('campaign', 'ad_group', 'ad', 'creative', 'audience')", name=op.f("ck_entity_kind")
        ),
        sa.CheckConstraint("status IN ('active', 'paused', 'removed')", name=op.f("ck_entity_status")),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name=op.f("fk_entity_account_account")),
        sa.PrimaryKeyConstraint("account", "kind", "entity_id", name=op.f("pk_entity")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budget",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("budget_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name=op.f("fk_budget_account_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget")),
        sa.UniqueConstraint("account", "budget_id", name=op.f("uq_budget_account_budget_id")),
    )
    op.create_table(
        "budget_reading",
        sa.Column("budget", sa.Integer(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("covers", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("minimum", sa.BigInteger(), nullable=True),
        sa.Column("quantum", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.CheckConstraint("holder IN ('campaign', 'ad_group', 'ad')", name=op.f("ck_budget_reading_holder")),
        sa.CheckConstraint("kind IN ('daily', 'lifetime')", name=op.f("ck_budget_reading_kind")),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_budget_reading_amount")),
        sa.CheckConstraint("minimum >= 0", name=op.f("ck_budget_reading_minimum")),
        sa.CheckConstraint("quantum > 0", name=op.f("ck_budget_reading_quantum")),
        sa.ForeignKeyConstraint(["budget"], ["budget.id"], name=op.f("fk_budget_reading_budget_budget")),
        sa.PrimaryKeyConstraint("budget", "read_at", name=op.f("pk_budget_reading")),
        sqlite_with_rowid=False,
    )


def _create_ledger() -> None:
    op.create_table(
        "recommendation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rec_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("plan_hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_lines", sa.Text(), nullable=False),
        sa.Column("approvals", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('held', 'proposed', 'edited', 'approved', 'rejected', 'expired', 'superseded', "
            "'applying', 'applied', 'failed', 'verified', 'rolled-back')",
            name=op.f("ck_recommendation_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendation")),
        sa.UniqueConstraint("rec_id", "revision", name=op.f("uq_recommendation_rec_id_revision")),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rec_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_event_rec_id"), "event", ["rec_id"], unique=False)
    op.create_table(
        "intent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("rec_id", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("connector", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("budget_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'sending', 'acknowledged', 'verified', 'drift', 'refused', 'cancelled')",
            name=op.f("ck_intent_state"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_intent_attempts")),
        sa.CheckConstraint("base >= 0", name=op.f("ck_intent_base")),
        sa.CheckConstraint("length(currency) = 3", name=op.f("ck_intent_currency")),
        sa.CheckConstraint("target >= 0", name=op.f("ck_intent_target")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intent")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_intent_idempotency_key")),
    )
    op.create_index("ix_intent_revision", "intent", ["rec_id", "revision"], unique=False)
    op.create_index(
        "uq_intent_open",
        "intent",
        ["connector", "account_id", "budget_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('planned', 'sending')"),
        postgresql_where=sa.text("state IN ('planned', 'sending')"),
    )
