"""Locks between processes: one writer at a time, and a sign of life for every worker.

Both live in one file beside the database. The writer lock is `flock`: the kernel queues its waiters, so that
writers share evenly, where SQLite's own busy wait starves some of them. The sign of life is a byte-range lock
of an open file description at the worker's number: it goes with the process, however that dies.
"""

import contextlib
import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from fsm.errors import StoreBusy

PATIENCE_S = 30.0
"""How long a writer waits for its turn before it gives up with `StoreBusy`."""

_OFD = hasattr(fcntl, "F_OFD_SETLK")
_RANGE = struct.Struct("hhqqi4x")


class WriterLock:
    """The turn to write; one per connection, so that threads of one process queue as processes do."""

    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        self.path = path
        self.patience_s = patience_s
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock for a block. Raises StoreBusy."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def acquire(self) -> None:
        """Wait for the turn to write.

        Raises:
            StoreBusy: another writer kept it for longer than `patience_s`; names its pid where it is known.
        """
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._queue()

    def release(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def _queue(self) -> None:
        """Wait in the kernel's queue, on a thread, since a blocking `flock` knows no time limit."""
        turn = _Turn(self.fd)
        threading.Thread(target=turn.take, name="fsm-writer-turn", daemon=True).start()
        try:
            taken = turn.event.wait(self.patience_s)
        except BaseException:
            turn.give_up()
            raise
        if not taken and turn.give_up():
            raise StoreBusy(
                f"another process{self._holder()} has been writing to {self.path} for {self.patience_s:g} s; "
                "if it is stopped or hangs, continue or end it and try again"
            )

    def _holder(self) -> str:
        """Return " (pid N)" for who holds the lock, as far as the kernel tells."""
        inode = str(os.fstat(self.fd).st_ino)
        try:
            lines = Path("/proc/locks").read_text().splitlines()
        except OSError:
            return ""
        for fields in (line.split() for line in lines):
            if "->" not in fields and "FLOCK" in fields and fields[-3].rsplit(":", 1)[-1] == inode:
                return f" (pid {fields[-4]})"
        return ""

    def close(self) -> None:
        os.close(self.fd)


class _Turn:
    """One place in the queue; whoever gives it up first lets the late lock go again."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.event = threading.Event()
        self._mutex = threading.Lock()
        self._abandoned = False

    def take(self) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(self.fd, fcntl.LOCK_EX)
        with self._mutex:
            if self._abandoned:
                with contextlib.suppress(OSError):
                    fcntl.flock(self.fd, fcntl.LOCK_UN)
            else:
                self.event.set()

    def give_up(self) -> bool:
        """Return True when the turn had not come; a turn that came is let go."""
        with self._mutex:
            self._abandoned = True
            return not self.event.is_set()


class Life:
    """Signs of life of this process's workers, and the look at those of others."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def show(self, worker: int) -> None:
        """Hold the sign of life of `worker` until this process ends or `close`."""
        if _OFD:
            fcntl.fcntl(self.fd, fcntl.F_OFD_SETLK, _RANGE.pack(fcntl.F_WRLCK, os.SEEK_SET, worker, 1, 0))

    def shown(self, worker: int, pid: int) -> bool:
        """Return whether the process of `worker` is alive; `pid` decides where such locks do not exist."""
        if not _OFD:
            return _pid_alive(pid)
        asked = _RANGE.pack(fcntl.F_WRLCK, os.SEEK_SET, worker, 1, 0)
        answer = _RANGE.unpack(fcntl.fcntl(self.fd, fcntl.F_OFD_GETLK, asked))
        return bool(answer[0] != fcntl.F_UNLCK)

    def close(self) -> None:
        os.close(self.fd)


def _pid_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
