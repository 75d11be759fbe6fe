"""One SQLite connection of one thread: its settings, its guards, its transactions."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from fsm.errors import SchemaError, StoreBusy, StoreError
from fsm.store.lock import WriterLock

APPLICATION_ID = 0x66736D31
"""Marks the file as a store of this engine: "fsm1" in the header."""

FRAMES_PER_CHECKPOINT = 1_000
_FRAMES_PER_COMMIT = 6
_PAGE_BYTES = 4_096

_SETTINGS = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "trusted_schema": 0, "mmap_size": 0}
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"}


class OutcomeUnknown(StoreError):
    """COMMIT failed: whether it took effect can only be read back."""


class Connection:
    """An open database file.

    Writers queue on a file lock around BEGIN IMMEDIATE, and whoever writes takes the checkpoints, under the same
    lock: SQLite's busy wait starves writers, and before 3.51.3 a checkpoint beside a writer can corrupt the file.

    Raises:
        StoreError: the file cannot be opened, or lies where write-ahead logging cannot be had.
        SchemaError: it is no store of this engine.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pid = os.getpid()
        self._frames = 0
        refuse_network(path)
        with translated(path):
            self.lock = WriterLock(path.with_name(path.name + "-lock"))
            self.sql = self._open()
        found = os.stat(path)
        self._identity = (found.st_dev, found.st_ino)

    def _open(self) -> sqlite3.Connection:
        sql = sqlite3.connect(self.path, isolation_level=None, timeout=5.0, cached_statements=256)
        try:
            _refuse_foreign(sql, self.path)
            with self.lock.held():
                for name, wanted in _SETTINGS.items():
                    sql.execute(f"PRAGMA {name}={wanted}")
            _verify(sql, self.path)
        except BaseException:
            sql.close()
            raise
        return sql

    def guard_fork(self) -> None:
        """Refuse a connection that was inherited by a fork. Raises StoreError."""
        if os.getpid() != self.pid:
            raise StoreError("this store was opened before a fork; open a new Engine in the child process")

    def _guard_file(self) -> None:
        """Refuse to write into a file that was moved or replaced. Raises StoreError."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            raise StoreError(f"{self.path} was moved or deleted while in use; nothing more is written to it. "
                             "Put it back, or open a new Engine") from None  # fmt: skip
        if (found.st_dev, found.st_ino) != self._identity:
            raise StoreError(f"{self.path} was replaced by another file while in use; nothing was written. "
                             "Open a new Engine on it")  # fmt: skip

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write in one transaction, alone; durable when the block is left.

        Raises:
            StoreBusy: another writer keeps its turn for too long.
            OutcomeUnknown: COMMIT itself failed.
            StoreError: nothing was written.
        """
        self.guard_fork()
        self._guard_file()
        self.lock.acquire()
        try:
            self.sql.execute("BEGIN IMMEDIATE")
            yield self.sql
            self._commit()
            self._frames += _FRAMES_PER_COMMIT
            if self._frames >= FRAMES_PER_CHECKPOINT:
                self._checkpoint()
        except sqlite3.Error as error:
            raise ours(error, self.path) from error
        finally:
            if self.sql.in_transaction:
                self._roll_back()
            self.lock.release()

    def wrote(self, size_bytes: int) -> None:
        """Tell of a large value, so that the log is checkpointed in time."""
        self._frames += size_bytes // _PAGE_BYTES

    def _commit(self) -> None:
        if not self.sql.in_transaction:  # the block took everything back itself
            return
        try:
            self.sql.execute("COMMIT")
        except sqlite3.Error as error:
            raise OutcomeUnknown(f"{self.path}: the commit failed ({error}){_cure(str(error))}") from error

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self.sql.in_transaction:
                self.sql.execute("ROLLBACK")

    def _checkpoint(self) -> None:
        """Copy the log into the database, so that it is reused in place; a reader in the way only delays it."""
        self._frames = 0
        with contextlib.suppress(sqlite3.OperationalError):
            self.sql.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def reopen(self) -> None:
        """Open the file anew: after an error of COMMIT nothing that the old connection believes is trusted."""
        with translated(self.path):
            with contextlib.suppress(sqlite3.Error):
                self.sql.close()
            self.sql = self._open()

    def close(self) -> None:
        """Close under the writer lock, since the last one out takes a checkpoint."""
        if os.getpid() != self.pid:
            return
        with contextlib.suppress(sqlite3.Error, StoreBusy), self.lock.held():
            self.sql.close()
        self.lock.close()


def _refuse_foreign(sql: sqlite3.Connection, path: Path) -> None:
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


def refuse_network(path: Path, mounts: str = "/proc/mounts") -> None:
    """Refuse a network file system: its locks and syncs do not keep SQLite's promises.

    Raises:
        StoreError: names the mount.
    """
    try:
        table = [line.split() for line in Path(mounts).read_text().splitlines()]
    except OSError:
        return
    place = str(path.resolve())
    best = max((row for row in table if len(row) > 2 and (place + "/").startswith(row[1].rstrip("/") + "/")),  # noqa: PLR2004
               key=lambda row: len(row[1]), default=None)  # fmt: skip
    if best and best[2] in _NETWORK:
        raise StoreError(f"{path} lies on {best[1]}, a network file system ({best[2]}); put the store on a local disk")


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the file system into ours, with the cure."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise ours(error, path) from error


def ours(error: sqlite3.Error | OSError, path: Path) -> Exception:
    """Return our error for one of SQLite or the file system; a violated constraint stays what it is."""
    said = str(error)
    if isinstance(error, sqlite3.IntegrityError):
        return error
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
        "readonly": "; the process needs write permission on the file and its folder",
        "unable to open": "; the folder must exist and be writable",
        "ermission": "; the process needs write permission on the file and its folder",
        "No such file": "; the folder must exist",
        "no such table": "; it is no store of this engine",
    }
    return next((cure for word, cure in cures.items() if word in said), "")
