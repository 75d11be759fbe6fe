"""An open store: a connection for each thread that uses it, and what the process shares."""

import contextlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fsm.errors import StoreError
from fsm.store.lock import Life
from fsm.store.sqlite.connection import FORKED, Connection, Joined, OutcomeUnknown, guard_identity, translated
from fsm.store.sqlite.schema import migrate

T = TypeVar("T")


class Opened:
    """A database file and this process's connections to it, one per thread."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # However the file is named, through links or not, there is one lock file beside it.
        self.path = Path(os.path.realpath(path))
        self._pid: int | None = os.getpid()
        self._local = threading.local()
        self._mutex = threading.Lock()
        self._connections: list[tuple[threading.Thread, Connection]] = []
        try:
            with translated(self.path):
                self._identity = self._begin()
        except BaseException:
            self.leave()
            raise

    def _begin(self) -> tuple[int, int]:
        """Open the file, create it where there is none, and return its identity."""
        is_new = not self.path.exists()
        connection = self._connect()
        migrate(connection)
        if is_new:
            sync_folder(self.path.parent)
        self._life = Life(connection.lock.path)
        return connection.identity

    @property
    def _connection(self) -> Connection:
        if os.getpid() != self._pid:
            raise StoreError(FORKED if self._pid else f"this store on {self.path} is closed; open a new Engine")
        connection: Connection | None = getattr(self._local, "connection", None)
        return connection or self._reconnect()

    def _reconnect(self) -> Connection:
        """Open a connection for this thread to the very file that the store was opened on."""
        self._life.guard()
        guard_identity(self.path, self._identity)
        return self._connect()

    def _connect(self) -> Connection:
        connection = self._local.connection = Connection(self.path)
        self._close_ended()
        with self._mutex:
            self._connections.append((threading.current_thread(), connection))
        return connection

    def _close_ended(self) -> None:
        """Let go of the connections whose thread has ended."""
        with self._mutex:
            ended = [other for thread, other in self._connections if not thread.is_alive()]
            self._connections = [(thread, other) for thread, other in self._connections if thread.is_alive()]
        for other in ended:
            other.close()

    @property
    def sql(self) -> sqlite3.Connection:
        """The connection of the calling thread, to read from."""
        return self._connection.sql

    def _read(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        with translated(self.path):
            return self.sql.execute(statement, parameters).fetchall()

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Read as of one moment in a block; nobody is held up, but no checkpoint gets past it: keep it short."""
        with translated(self.path):
            sql = self.sql
            sql.execute("BEGIN")
            try:
                yield
            finally:
                sql.execute("COMMIT")

    def _durably(
        self,
        write: Callable[[sqlite3.Connection], T],
        landed: Callable[[T], bool] = lambda _: False,
        undo: Callable[[], None] = lambda: None,
    ) -> T:
        """Write in one transaction; durable on return, or, inside `_together`, when that returns.

        An error from COMMIT says nothing either way. The connection that had it is not trusted any more: the file is
        opened anew, and read.

        Args:
            write: does the work inside the transaction.
            landed: whether what `write` returned stands in the file.
            undo: takes back what `write` noted in this process, when a transaction shared with others fails.

        Raises:
            OutcomeUnknown: COMMIT failed, and nothing shows that it took effect.
            StoreError: nothing was written.
        """
        connection = self._connection
        if connection.joined is not None:
            result = write(connection.sql)
            connection.joined.append(Joined(lambda: landed(result), undo))
            return result
        try:
            with connection.transaction() as sql:
                result = write(sql)
        except OutcomeUnknown:
            self.leave()
            with contextlib.suppress(StoreError):
                if landed(result):
                    return result
            raise
        return result

    def _together(self, works: Sequence[Callable[[], Any]]) -> list[Any]:
        """Do several works in one transaction; return what each returned or raised.

        A work that raises takes back what it wrote, and only that. What the disk or SQLite itself refuses fails all.

        Raises:
            StoreError: nothing was written.
        """
        connection = self._connection
        answers: list[Any] = []
        joined: list[list[Joined]] = []
        try:
            with connection.transaction() as sql:
                for work in works:
                    connection.joined = []
                    joined.append(connection.joined)
                    answers.append(_saved(sql, work, connection.joined))
        except OutcomeUnknown as error:
            self.leave()
            return [answer if self._landed(writes) else error for answer, writes in zip(answers, joined, strict=True)]
        except BaseException:
            for write in itertools.chain(*joined):
                write.undo()
            raise
        finally:
            connection.joined = None
        return answers

    def _landed(self, writes: list[Joined]) -> bool:
        with contextlib.suppress(StoreError):
            if all(write.landed() for write in writes):
                return True
        for write in writes:
            write.undo()
        return False

    def signs(self) -> tuple[int, ...]:
        return self._life.descriptors()

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
        if os.getpid() == self._pid:
            self.leave()
            self._close_ended()
            self._life.close()
            self._pid = None


def _saved(sql: sqlite3.Connection, work: Callable[[], Any], joined: list[Joined]) -> Any:
    """Return what a work returned, or what it raised after what it wrote was taken back.

    Args:
        joined: the writes of this work, which it makes while it lasts.
    """
    sql.execute("SAVEPOINT work")
    try:
        answer = work()
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - goes to whoever asked for this work
        sql.execute("ROLLBACK TO work")
        for write in joined:
            write.undo()
        joined.clear()
        answer = error
    sql.execute("RELEASE work")
    return answer


def sync_folder(folder: Path) -> None:
    """Make a new file's name survive a power loss."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
