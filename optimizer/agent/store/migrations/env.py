"""Alembic's door: runs the migrations on the connection, and in the transaction, that `migrate` hands over."""

from __future__ import annotations

from alembic import context

from optimizer.agent.store.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
)
context.run_migrations()
