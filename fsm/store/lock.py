"""Locks between processes: one writer at a time, and a sign of life for every worker.

Both live in one file beside the database. The writer lock is `flock`: the kernel queues its waiters, so that
writers share evenly, where SQLite's own busy wait starves some of them. The sign of life is a byte-range lock
of an open file description at the worker's number: it goes with the process, however that dies.
"""

import contextlib
import fcntl
import os
import struct
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from fsm.errors import StoreBusy, StoreError

PATIENCE_S = 30.0
"""How long a writer waits for its turn before it gives up with `StoreBusy`."""

_OFD = sys.platform == "linux" and hasattr(fcntl, "F_OFD_SETLK")
_RANGE = struct.Struct("hhqqi4x")


class LockFile:
    """A descriptor of the file that locks are taken on; it ends with its owner, and in a forked child at once.

    A lock belongs to the open file description, which a child shares: kept open there, it would outlive the parent.
    """

    fd = -1

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        _OPEN.add(self)

    def guard(self) -> None:
        """Refuse a lock on a file that nobody else can find any more. Raises StoreError."""
        if os.fstat(self.fd).st_nlink == 0:
            raise StoreError(f"{self.path} was deleted while in use, so that other processes no longer see who works "
                             "on the store; end all that use it, then start them again")  # fmt: skip

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = close


_OPEN: "weakref.WeakSet[LockFile]" = weakref.WeakSet()


def _leave_to_parent() -> None:
    for file in list(_OPEN):
        with contextlib.suppress(OSError):
            file.close()


os.register_at_fork(after_in_child=_leave_to_parent)


class WriterLock:
    """The turn to write; one per connection, so that threads of one process queue as processes do."""

    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        self.path = path
        self.patience_s = patience_s
        self._file: LockFile | None = LockFile(path)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock for a block. Raises StoreBusy."""
        try:
            self.acquire()
            yield
        finally:
            self.release()

    def acquire(self) -> None:
        """Wait for the turn to write.

        Raises:
            StoreBusy: another writer kept it for longer than `patience_s`; names its pid where it is known.
            StoreError: the lock file was deleted.
        """
        file = self._file = self._file or LockFile(self.path)
        try:
            fcntl.flock(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._queue(file)
        file.guard()

    def release(self) -> None:
        """Let the turn go; without effect when it had not come."""
        if self._file:
            fcntl.flock(self._file.fd, fcntl.LOCK_UN)

    def _queue(self, file: LockFile) -> None:
        """Wait in the kernel's queue, on a thread, since a blocking `flock` knows no time limit."""
        turn = _Turn(file)
        try:
            threading.Thread(target=turn.take, name="fsm-writer-turn", daemon=True).start()
            turn.event.wait(self.patience_s)
        finally:
            came = turn.came_or_abandon()
            if not came:
                # The thread still waits on this description and closes it. Shared with a later turn, it would let
                # that one's lock go.
                self._file = None
        if turn.error:
            raise turn.error
        if not came:
            raise StoreBusy(
                f"another process{_holder(file.fd)} has kept {self.path} locked for {self.patience_s:g} s; "
                "if it is stopped or hangs, continue or end it and try again"
            )

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None


class _Turn:
    """One place in the queue; whoever abandons it leaves the descriptor to the thread that waits."""

    def __init__(self, file: LockFile) -> None:
        self.file = file
        self.event = threading.Event()
        self.error: OSError | None = None
        self._mutex = threading.Lock()
        self._abandoned = False

    def take(self) -> None:
        try:
            fcntl.flock(self.file.fd, fcntl.LOCK_EX)
        except OSError as error:
            self.error = error
        with self._mutex:
            if self._abandoned:
                self.file.close()
            else:
                self.event.set()

    def came_or_abandon(self) -> bool:
        """Return True when the turn has come; else give it up."""
        with self._mutex:
            self._abandoned = not self.event.is_set()
            return not self._abandoned


def _holder(fd: int) -> str:
    """Return " (pid N)" for who holds the lock, as far as the kernel tells."""
    try:
        inode = str(os.fstat(fd).st_ino)
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return ""
    for fields in (line.split() for line in lines):
        if "->" not in fields and "FLOCK" in fields and fields[-3].rsplit(":", 1)[-1] == inode:
            return f" (pid {fields[-4]})"
    return ""


class Life:
    """Signs of life of this process's workers, and the look at those of others."""

    def __init__(self, path: Path) -> None:
        self._file = LockFile(path)

    def guard(self) -> None:
        """Refuse to go on where others cannot see the signs. Raises StoreError."""
        self._file.guard()

    def show(self, worker: int) -> bool:
        """Hold the sign of life of `worker` until this process ends or `close`; False where another process does."""
        if _OFD:
            try:
                fcntl.fcntl(self._file.fd, fcntl.F_OFD_SETLK, _RANGE.pack(fcntl.F_WRLCK, os.SEEK_SET, worker, 1, 0))
            except (BlockingIOError, PermissionError):  # either says that the lock is taken
                return False
        return True

    def descriptors(self) -> tuple[int, ...]:
        """Return the descriptors that, open in another process too, keep the signs shown until that has ended."""
        return (self._file.fd,) if _OFD else ()

    def shown(self, worker: int, pid: int) -> bool:
        """Return whether another process shows the sign of `worker`; its own a process does not see.

        Args:
            worker: its number.
            pid: of its process; decides where such locks do not exist.
        """
        if not _OFD:
            return _pid_alive(pid)
        asked = _RANGE.pack(fcntl.F_WRLCK, os.SEEK_SET, worker, 1, 0)
        answer = _RANGE.unpack(fcntl.fcntl(self._file.fd, fcntl.F_OFD_GETLK, asked))
        return bool(answer[0] != fcntl.F_UNLCK)

    def close(self) -> None:
        self._file.close()


def _pid_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
