"""Where everything is kept: `open_sql` for a file, `MemoryStore` for a process; both pass one conformance suite."""

from optimizer.agent.store.memory import MemoryStore
from optimizer.agent.store.migrate import current, upgrade
from optimizer.agent.store.sql import SqlStore, open_sql

__all__ = ["MemoryStore", "SqlStore", "current", "open_sql", "upgrade"]
