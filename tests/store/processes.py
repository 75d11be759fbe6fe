"""Other processes and threads for the tests: forked, spoken to over a pipe, killed at will."""

import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fsm.store.lock import _LINE_AT, _OFD

Line = Connection
"""One end of a pipe between two processes."""

DEADLINE_S = 60.0
"""No test waits longer than this for another process; none depends on how long it takes."""


def eventually(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.002)


def in_line(place: Path) -> int:
    """Return how many writers stand in line at a lock file."""
    inode = str(place.stat().st_ino)
    locks = [row.split() for row in Path("/proc/locks").read_text().splitlines()] if _OFD else []
    return sum(row[1] == "OFDLCK" and row[-3].endswith(f":{inode}") and int(row[-2]) >= _LINE_AT for row in locks)


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Do `work` on that many threads at once, each given its number, and wait for them."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # since 3.12 where the process has threads
        return os.fork()


class Child:
    """A process that does `work` with its end of a pipe and then ends at once."""

    def __init__(self, work: Callable[[Line], object]) -> None:
        self.line, there = Pipe()
        self.status: int | None = None
        self.pid = fork()
        if self.pid == 0:
            self.line.close()
            _live(work, there)
        there.close()

    def hears(self) -> Any:
        assert self.line.poll(DEADLINE_S), "the child says nothing"
        try:
            said = self.line.recv()
        except EOFError:
            raise AssertionError(f"the child ended with {self.ended()}") from None
        if isinstance(said, _Raised):
            raise AssertionError(said.traceback)  # noqa: TRY004 - the child failed, whatever it raised
        return said

    def tell(self, what: Any = None) -> None:
        self.line.send(what)

    def stop(self) -> None:
        """Freeze the process where it is."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.ended()

    def ended(self) -> int:
        """Wait for the end and return the exit code."""
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status


class _Raised:
    def __init__(self, text: str) -> None:
        self.traceback = text


def _live(work: Callable[[Line], object], line: Line) -> None:
    code = 1
    try:
        work(line)
        code = 0
    except BaseException:  # noqa: BLE001 - told to the parent
        with suppress(OSError):
            line.send(_Raised(traceback.format_exc()))
    finally:
        sys.stdout.flush()
        os._exit(code)


@contextmanager
def children(*works: Callable[[Line], object]) -> Iterator[list[Child]]:
    """Run a process per `work`; none outlives the block."""
    born: list[Child] = []
    try:
        for work in works:
            born.append(Child(work))  # noqa: PERF401 - those born before one that fails must be ended
        yield born
    finally:
        for child in born:
            child.kill()
            child.line.close()
