"""A copy of the whole store, taken while others work on it."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from fsm.errors import StoreError, UsageError
from fsm.store.lock import LockFile
from fsm.store.sqlite.base import Opened, sync_folder
from fsm.store.sqlite.connection import Connection, guard_identity, translated

PAGES_PER_STEP = 1_000
"""How much is copied between two signs of progress."""

_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database that is open, or was when its program died; and takes for that of a new one."""


class Backup(Opened):
    """The part of the store that copies it."""

    def backup(
        self, path: str | os.PathLike[str], *, force: bool = False, told: Callable[[int, int], object] | None = None
    ) -> int:
        target = Path(os.path.realpath(path))
        _refuse(self.path, target, force=force)
        with translated(target), _part_of(target) as part:
            os.fchmod(part.fd, self.path.stat().st_mode & 0o777)
            source = Connection(self.path)
            try:
                _copy(source.sql, part.path, told)
            finally:
                source.close()
            _check(part.path, self.path)
            os.fsync(part.fd)
            size_bytes = os.fstat(part.fd).st_size
            _refuse(self.path, target, force=force)
            part.path.replace(target)
            sync_folder(target.parent)
        return size_bytes

    def size(self) -> int:
        with translated(self.path):
            return sum(place.stat().st_size for place in (self.path, self._log) if place.exists())

    @property
    def _log(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")


def _refuse(store: Path, target: Path, *, force: bool) -> None:
    """Make sure that a file may be written without harm to anything else. Raises UsageError."""
    own = {store, *(store.with_name(store.name + ending) for ending in (*_BESIDE, "-lock"))}
    if target in own or (target.exists() and target.samefile(store)):
        raise UsageError(f"{target} belongs to the store itself; name another file for the backup")
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name a file for the backup")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} does not exist; create the folder, or name another file for the backup")
    if target.exists() and not force:
        raise UsageError(f"{target} exists; name another file for the backup, or force it over this one")
    for ending in _BESIDE:
        beside = target.with_name(target.name + ending)
        if beside.exists():
            raise UsageError(f"{beside} lies beside the file to write and would be taken for a part of the backup: a "
                             f"program has {target.name} open, or died with it; name another file")  # fmt: skip


@contextlib.contextmanager
def _part_of(target: Path) -> Iterator[LockFile]:
    """Give a file of this process alone beside the target; it is gone afterwards, unless it was given another name.

    What a backup left behind that was killed is written over.
    """
    part = LockFile(target.with_name(target.name + ".part"))
    try:
        try:
            fcntl.flock(part.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            guard_identity(part.path, _identity(part.fd))  # a backup that ended just now has given it its name
        except (BlockingIOError, StoreError):
            raise UsageError(f"another backup is writing {part.path}; wait for it, or name another file") from None
        try:
            os.ftruncate(part.fd, 0)
            yield part
        finally:
            part.path.unlink(missing_ok=True)
    finally:
        part.close()


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def _copy(source: sqlite3.Connection, part: Path, told: Callable[[int, int], object] | None) -> None:
    def progress(_status: int, remaining: int, total: int) -> None:
        if told:
            told(total - remaining, total)

    # Nobody else reads the part, and it is synced once it is whole.
    with closing(sqlite3.connect(f"{part.as_uri()}?nolock=1", uri=True, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode=OFF")
        copy.execute("PRAGMA synchronous=OFF")
        # One read transaction for all of it: else each commit of another connection would make it begin anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchall()
        try:
            source.backup(copy, pages=PAGES_PER_STEP, progress=progress)
        finally:
            source.execute("ROLLBACK")


def _check(part: Path, store: Path) -> None:
    """Make sure that the copy is sound. Raises StoreError."""
    with closing(sqlite3.connect(f"{part.as_uri()}?immutable=1", uri=True)) as copy:
        ((said, *_), *_) = copy.execute("PRAGMA quick_check(1)").fetchall()
    if said != "ok":
        raise StoreError(f"the copy is not sound ({said}), so {store} is damaged; nothing was written. "
                         "Stop everything that uses it, keep its files, and restore an older backup")  # fmt: skip
