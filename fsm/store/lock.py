"""Locks between processes: one writer at a time, and a sign of life for every worker.

All live in one file beside the database. The writer lock is `flock`. What else is shown are byte ranges, locked for an
open file description: a worker's sign of life is the byte at its number, and writers that wait stand in line far behind
those. Either kind goes with its process, however that dies, and neither gets in the way of the other.
"""

import contextlib
import fcntl
import os
import struct
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

from fsm.errors import StoreBusy, StoreError

PATIENCE_S = 30.0
"""How long a writer waits for its turn before it gives up with `StoreBusy`."""

_SOON_NS, _LATE_NS = 50_000, 10_000_000
"""How soon, and how late, a writer in line looks again."""

_AWAKE_NS = 1_000_000_000
"""A writer in line that has not looked for so long is stopped, and is overtaken."""

_OFD = sys.platform == "linux" and hasattr(fcntl, "F_OFD_SETLK")


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


_RANGE = struct.Struct("hhqqi4x")
_UNLOCKED = struct.pack("h", fcntl.F_UNLCK)
_LINE_AT = 1 << 62  # numbers of workers stay below it


def _asked(start: int, length: int) -> bytes:
    return _RANGE.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)


_LINE = _asked(_LINE_AT, 0)


def _found(fd: int, asked: bytes) -> tuple[int, int] | None:
    """Return start and length of a range that somebody else has locked, of those that overlap the one asked for."""
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked)
    if answer[:2] == _UNLOCKED:
        return None
    _, _, start, length, _ = _RANGE.unpack(answer)
    return start, length


def _lock(fd: int, kind: int, start: int, length: int) -> None:
    """Lock a range, or unlock it; a length of 0 means all that follows."""
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _RANGE.pack(kind, os.SEEK_SET, start, length, 0))


class WriterLock:
    """The turn to write; one per connection, so that threads of one process queue as processes do.

    First come, first served: who finds it taken, or others in line, joins the line. A blocking `flock` knows no time
    limit and keeps no order: whoever lets go and comes again at once is quicker than those that it woke.
    """

    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        self.path = path
        self.patience_s = patience_s
        self._file = LockFile(path)

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
            StoreBusy: it did not come within `patience_s`; names the pid of who has it, where that is known.
            StoreError: the lock file was deleted.
        """
        fd = self._file.fd
        if fd < 0:
            raise StoreError(f"{self.path} is closed; open a new Engine")
        if (_OFD and _found(fd, _LINE)) or not _taken(fd):
            self._queue(fd)
        self._file.guard()

    def release(self) -> None:
        """Let the turn go; without effect when it had not come."""
        if self._file.fd >= 0:
            fcntl.flock(self._file.fd, fcntl.LOCK_UN)

    def _queue(self, fd: int) -> None:
        """Stand in line and look again and again, less often the longer nothing moves.

        The first in line looks often enough to lose an eighth of a turn at most. The others only need to know in time
        that they have become the first.
        """
        place = _Place(fd)
        now = moved = place.came_ns
        turn_ns, seen = 0, None
        try:
            while now - place.came_ns <= self.patience_s * 1e9:
                ahead = place.ahead(now)
                if ahead is None and _taken(fd):
                    return
                if ahead != seen:
                    seen, moved, turn_ns = ahead, now, now - moved
                pause_ns = (now - moved) // 8 if ahead is None else max(turn_ns // 2, (now - moved) // 4)
                time.sleep(min(max(_SOON_NS, pause_ns), _LATE_NS) / 1e9)
                now = time.monotonic_ns()
        finally:
            place.leave()
        raise StoreBusy(
            f"another process{_holder(fd)} has kept {self.path} locked for {self.patience_s:g} s; "
            "if it is stopped or hangs, continue or end it and try again"
        )

    def close(self) -> None:
        self._file.close()


class _Place:
    """A place in line: a read lock from the instant that a writer came at to some time after its last look.

    Instants are bytes: the nanoseconds of a clock that all processes share. So a place tells who came before whom, and
    that of a process that was stopped ends by itself. Where such locks do not exist, nobody is ahead of anybody.
    """

    def __init__(self, fd: int) -> None:
        self.came_ns = time.monotonic_ns()
        self._fd = fd
        self._end_ns = 0

    def ahead(self, now_ns: int) -> int | None:
        """Stay in line; return the place of one who came before and still waits, or None."""
        if not _OFD:
            return None
        if now_ns > self._end_ns - _AWAKE_NS // 2:
            self._end_ns = now_ns + _AWAKE_NS
            _lock(self._fd, fcntl.F_RDLCK, _LINE_AT + self.came_ns, self._end_ns - self.came_ns)
        found = _found(self._fd, _asked(_LINE_AT + self.came_ns - 1, 1))
        return found[0] if found and sum(found) > _LINE_AT + now_ns else None

    def leave(self) -> None:
        if _OFD:
            _lock(self._fd, fcntl.F_UNLCK, _LINE_AT, 0)


def _taken(fd: int) -> bool:
    """Take the turn, if nobody has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
                _lock(self._file.fd, fcntl.F_WRLCK, worker, 1)
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
        return _found(self._file.fd, _asked(worker, 1)) is not None

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
