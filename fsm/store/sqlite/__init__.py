"""The store in one SQLite file."""

from fsm.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
