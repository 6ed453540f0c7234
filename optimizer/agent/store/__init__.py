"""Where everything is kept: `open_sql` for a file or a server, `MemoryStore` for a process; all pass one suite."""

from optimizer.agent.store.backup import back_up, restore
from optimizer.agent.store.memory import MemoryStore
from optimizer.agent.store.migrate import current, upgrade
from optimizer.agent.store.sql import SqlStore, open_sql

__all__ = ["MemoryStore", "SqlStore", "back_up", "current", "open_sql", "restore", "upgrade"]
