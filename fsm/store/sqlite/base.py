"""An open store: a connection for each thread that uses it, and what the process shares."""

import contextlib
import ctypes
import os
import sqlite3
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsm.store.lock import Life
from fsm.store.sqlite.connection import Connection, translated
from fsm.store.sqlite.schema import migrate


class Opened:
    """A database file and this process's connections to it, one per thread."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._local = threading.local()
        self._mutex = threading.Lock()
        self._connections: list[tuple[threading.Thread, Connection]] = []
        is_new = not self.path.exists()
        connection = self._connection
        migrate(connection)
        with translated(self.path):
            if is_new:
                _sync_folder(self.path.parent)
            self._life = Life(connection.lock.path)
        _STORES.add(self)

    @property
    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = Connection(self.path)
            self._adopt(connection)
        return connection

    def _adopt(self, connection: Connection) -> None:
        """Remember a thread's connection; let go of those whose thread has ended."""
        with self._mutex:
            self._connections = [(thread, other) for thread, other in self._connections if thread.is_alive()]
            self._connections.append((threading.current_thread(), connection))

    @property
    def sql(self) -> sqlite3.Connection:
        """This thread's connection, to read from."""
        connection = self._connection
        connection.guard_fork()
        return connection.sql

    def _read(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with translated(self.path):
            return self.sql.execute(statement, parameters).fetchall()

    def leave(self) -> None:
        """Close this thread's connection, if it has one."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            connection.close()
            with self._mutex:
                self._connections = [(thread, other) for thread, other in self._connections if other is not connection]

    def close(self) -> None:
        """Close this thread's connection and let go of the workers' signs of life; runs that were held are free."""
        self.leave()
        self._life.close()
        _STORES.discard(self)

    def _leave_to_parent(self) -> None:
        """In a forked child: drop the inherited locks, and keep the inherited handles from ever being closed.

        Closing them would take part in the parent's shared memory; the lock stays with the parent, whose own
        descriptors hold it.
        """
        for _, connection in self._connections:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection.sql))
            with contextlib.suppress(OSError):
                connection.lock.close()
        with contextlib.suppress(OSError):
            self._life.close()


_STORES: "weakref.WeakSet[Opened]" = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_STORES):
        store._leave_to_parent()  # noqa: SLF001


os.register_at_fork(after_in_child=_after_fork)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name survive a power loss."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
