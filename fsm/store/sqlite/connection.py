"""One SQLite connection of one thread: its settings, its guards, its transactions."""

import contextlib
import ctypes
import os
import re
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from fsm.errors import SchemaError, StoreBusy, StoreError, UsageError
from fsm.store.lock import WriterLock

APPLICATION_ID = 0x66736D31
"""Marks the file as a store of this engine: "fsm1" in the header."""

FORKED = "this store was opened before a fork; open a new Engine in the child process"

FRAMES_PER_CHECKPOINT = 1_000
_FRAMES_PER_COMMIT = 6
_PAGE_BYTES = 4_096

SQLITE_LEAST = (3, 37, 0)
"""The first with STRICT tables."""

_SETTINGS = {
    "journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "wal_autocheckpoint": 0, "trusted_schema": 0,
    "mmap_size": 0,
}  # fmt: skip
_NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "ncpfs",
    "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse",
}  # fmt: skip


class Joined(NamedTuple):
    """A write that shares a transaction with others.

    Attributes:
        landed: whether it stands in the file.
        undo: takes back what the process noted of it, when it does not.
    """

    landed: Callable[[], bool]
    undo: Callable[[], None]


class OutcomeUnknown(StoreError):
    """COMMIT failed: whether it took effect can only be read back."""


class Connection:
    """An open database file.

    Writers queue on a file lock around BEGIN IMMEDIATE, and whoever writes takes the checkpoints, under the same
    lock: SQLite's busy wait starves writers, and before 3.51.3 a checkpoint beside a writer can corrupt the file.

    Attributes:
        joined: the writes of one work inside a transaction that several share; None outside such a one.

    Raises:
        StoreError: the file cannot be opened, or lies where write-ahead logging cannot be had.
        SchemaError: it is no store of this engine.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pid = os.getpid()
        self._frames = 0
        self.joined: list[Joined] | None = None
        refuse_network(path)
        if sqlite3.sqlite_version_info < SQLITE_LEAST:
            raise StoreError(
                f"SQLite {sqlite3.sqlite_version} is too old; this Python needs one with SQLite 3.37 or newer"
            )
        with translated(path):
            if path.is_dir():
                raise StoreError(f"{path} is a folder; name a file for the store")
            self.lock = WriterLock(path.with_name(path.name + "-lock"))
            self.sql = self._open()
            self.identity = identity_of(path)
        _OPEN.add(self)

    def _open(self) -> sqlite3.Connection:
        # One thread uses it; where that has ended, another one closes it.
        sql = sqlite3.connect(
            self.path, isolation_level=None, timeout=5.0, cached_statements=256, check_same_thread=False
        )
        try:
            with self.lock.held():
                refuse_foreign(sql, self.path)
                for name, wanted in _SETTINGS.items():
                    sql.execute(f"PRAGMA {name}={wanted}")
            _verify(sql, self.path)
        except BaseException:
            sql.close()
            raise
        return sql

    def transaction(self) -> "Transaction":
        """Return a block that writes in one transaction, alone; durable when it is left."""
        return Transaction(self)

    def wrote(self, size_bytes: int, edges: int = 1) -> None:
        """Tell of large values, or of several edges in one commit, so that the log is checkpointed in time."""
        self._frames += size_bytes // _PAGE_BYTES + (edges - 1)

    def begin(self) -> sqlite3.Connection:
        """Wait for the turn to write and begin a transaction. Raises what `Transaction` does."""
        self.lock.acquire()
        guard_identity(self.path, self.identity)
        self.sql.execute("BEGIN IMMEDIATE")
        return self.sql

    def commit(self) -> None:
        """Make the transaction durable. Raises OutcomeUnknown."""
        if os.getpid() != self.pid:
            raise StoreError(FORKED)
        if not self.sql.in_transaction:  # the block took everything back itself
            return
        try:
            self.sql.execute("COMMIT")
        except sqlite3.Error as error:
            raise OutcomeUnknown(f"{self.path}: the commit failed ({error}){_cure(str(error))}") from error
        self._frames += _FRAMES_PER_COMMIT
        if self._frames >= FRAMES_PER_CHECKPOINT:
            self._checkpoint()

    def end(self) -> None:
        """Take back what was not committed and let the turn go; a child that was forked in between has neither."""
        if os.getpid() != self.pid:
            return
        try:
            if self.sql.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self.sql.execute("ROLLBACK")
        finally:
            self.lock.release()

    def _checkpoint(self) -> None:
        """Copy the log into the database, so that it is reused in place.

        A reader in the way only delays it, and whatever else goes wrong here, the commit before it stands.
        """
        self._frames = 0
        with contextlib.suppress(sqlite3.Error):
            self.sql.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close under the writer lock, since the last one out takes a checkpoint."""
        if os.getpid() != self.pid:
            return
        with contextlib.suppress(sqlite3.Error, StoreError, OSError), self.lock.held():
            self.sql.close()
        with contextlib.suppress(sqlite3.Error):
            self.sql.close()  # who cannot have the lock is not the last one
        self.lock.close()


class Transaction:
    """A block that writes alone.

    Raises:
        StoreBusy: another writer keeps its turn for too long.
        OutcomeUnknown: COMMIT itself failed.
        StoreError: nothing was written.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        try:
            return self._connection.begin()
        except BaseException as error:
            self._connection.end()
            self._translate(error)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        connection = self._connection
        try:
            if error is None:
                connection.commit()
            else:
                self._translate(error)
        except (sqlite3.Error, OSError) as failed:
            self._translate(failed)
            raise
        finally:
            connection.end()

    def _translate(self, error: BaseException) -> None:
        """Raise ours for an error of SQLite or the file system; one that the law raised stays what it is."""
        if isinstance(error, (sqlite3.Error, OSError, UnicodeEncodeError)) and not isinstance(
            error, sqlite3.IntegrityError
        ):
            raise ours(error, self._connection.path) from error


_OPEN: "weakref.WeakSet[Connection]" = weakref.WeakSet()


def _leave_to_parent() -> None:
    """Keep inherited handles from ever being closed in a forked child: it would take part in the parent's memory."""
    for connection in list(_OPEN):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection.sql))


os.register_at_fork(after_in_child=_leave_to_parent)


def refuse_foreign(sql: sqlite3.Connection, path: Path) -> None:
    (marked,) = sql.execute("PRAGMA application_id").fetchone()
    (tables,) = sql.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and marked != APPLICATION_ID:
        raise SchemaError(f"{path} is an SQLite database of something else; name another file for the store")


def _verify(sql: sqlite3.Connection, path: Path) -> None:
    for name, wanted in _SETTINGS.items():
        row = sql.execute(f"PRAGMA {name}").fetchone()
        if row is not None and row[0] != wanted:
            raise StoreError(f"{path}: SQLite answers {name}={row[0]} instead of {wanted}; "
                             "the file system does not support what durability needs")  # fmt: skip


def identity_of(path: Path) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116 - on the edge path
    return found.st_dev, found.st_ino


def guard_identity(path: Path, known: tuple[int, int]) -> None:
    """Refuse to write into a file that was moved or replaced.

    Raises:
        StoreError: `path` is no longer the device and inode that are `known`.
    """
    try:
        found = identity_of(path)
    except OSError:
        raise StoreError(f"{path} was moved or deleted while in use; nothing more is written to it. "
                         "Put it back, or open a new Engine") from None  # fmt: skip
    if found != known:
        raise StoreError(f"{path} was replaced by another file while in use; nothing was written. "
                         "Open a new Engine on it")  # fmt: skip


def refuse_network(path: Path, mounts: str = "/proc/mounts") -> None:
    """Refuse a network file system: its locks and syncs do not keep SQLite's promises.

    Raises:
        StoreError: names the mount.
    """
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError:
        return
    place = os.path.realpath(path) + "/"
    folder, kind = "", ""
    for row in (line.split() for line in lines):
        mounted = _unescaped(row[1]) if len(row) > 2 else "-"  # noqa: PLR2004
        # Of several on one folder the last is on top.
        if place.startswith(mounted.rstrip("/") + "/") and len(mounted) >= len(folder):
            folder, kind = mounted, row[2]
    if kind in _NETWORK:
        raise StoreError(f"{path} lies on {folder}, a network file system ({kind}); put the store on a local disk")


def _unescaped(mounted: str) -> str:
    r"""Return a mount point as it is called: the table writes a blank as \040."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), mounted)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the file system into ours, with the cure."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeEncodeError) as error:
        raise ours(error, path) from error


def ours(error: sqlite3.Error | OSError | UnicodeEncodeError, path: Path) -> Exception:
    """Return our error for one of SQLite, the file system, or a text that neither can hold."""
    said = str(error)
    if isinstance(error, UnicodeEncodeError):
        return UsageError(f"{error.object!a} holds half a character (a lone surrogate), which cannot be stored")
    if isinstance(error, OSError):
        return StoreError(f"{path}: {error.strerror or said}{_cure(said)}")
    if isinstance(error, sqlite3.OperationalError):
        if "locked" in said or "busy" in said:
            return StoreBusy(f"{path} is locked by another program ({said}); close it and try again")
        return StoreError(f"{path}: {said}{_cure(said)}")
    if "not a database" in said:
        return SchemaError(f"{path} is not an SQLite database; name another file for the store")
    return StoreError(f"{path}: {said}; check the disk, and restore a backup if it is damaged")


def _cure(said: str) -> str:
    cures = {
        "full": "; nothing was lost: free some space, then resume",
        "No space left": "; nothing was lost: free some space, then resume",
        "disk I/O error": "; check the disk, and that it has space left",
        "readonly": "; the process needs write permission on the file and its folder",
        "unable to open": "; the folder must exist and be writable",
        "ermission": "; the process needs write permission on the file and its folder",
        "No such file": "; the folder must exist",
        "no such table": "; it is no store of this engine",
    }
    return next((cure for word, cure in cures.items() if word in said), "")
