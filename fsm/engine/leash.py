"""A leash: the engine's hold on a keeper, and through it on the process of an action and all that this has started."""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fsm.engine.voice import STDERR

if TYPE_CHECKING:
    from subprocess import Popen

PATIENCE_S = 5.0
"""How long a keeper may take to end what it keeps, before its group is killed from here."""

_KEEPER = str(Path(__file__).with_name("keeper.py"))
_WITHIN = """\
import sys
sys.path[:] = [place for place in sys.path if place]
import json
line, path = json.loads(sys.argv[1])
sys.path += [place for place in path if place not in sys.path]
from fsm.engine.within import serve
serve(line, path, int(sys.argv[2]))
"""
"""How the process begins. What is installed is looked for first: a user's file must not stand in its place."""


class Leash:
    """A keeper that was started, and has started its process.

    Args:
        theirs: the process's end of the line; may be closed afterwards.
        kept: descriptors that stay open for as long as the process may live.

    Raises:
        OSError: there can be no more processes.
    """

    def __init__(self, theirs: socket.socket, kept: Sequence[int]) -> None:
        self._pid = os.getpid()
        self._mutex = threading.Lock()
        self._told = b""
        self._lifeline, end = socket.socketpair()
        try:
            self._keeper = _started(end, theirs, kept)
        except BaseException:
            self._lifeline.close()
            raise
        finally:
            end.close()

    def fileno(self) -> int:
        """Return a descriptor that can be read once the process has ended."""
        return self._lifeline.fileno()

    @property
    def is_held(self) -> bool:
        """Whether nobody has killed the process yet."""
        return self._lifeline.fileno() >= 0

    def code(self) -> int | None:
        """Wait for the end, and return the exit code, negative for a signal; None where the keeper does not tell."""
        self._listen(PATIENCE_S)
        return int(self._told) if self._told else None

    def _listen(self, within_s: float) -> None:
        """Wait for the end of the keeper; before that it tells how its process has ended."""
        until_s = time.monotonic() + within_s
        with suppress(OSError):
            while (left_s := until_s - time.monotonic()) > 0:
                self._lifeline.settimeout(left_s)
                part = self._lifeline.recv(16)
                if not part:
                    return
                self._told += part

    def kill(self) -> bool:
        """Kill the process and all that it has started; return whether the process is known to have ended by then."""
        if not self.is_held or os.getpid() != self._pid:
            return True
        with suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_WR)
        try:
            self._listen(PATIENCE_S)
        finally:
            self.strike()
            with self._mutex:
                self._keeper.wait()
                self._lifeline.close()
        return bool(self._told)

    def strike(self) -> None:
        """Kill the keeper and all it keeps, without waiting for anything; from any thread."""
        with self._mutex:
            if self._keeper.returncode is None:  # while it was not waited for, its number is nobody else's
                with suppress(OSError):
                    os.killpg(self._keeper.pid, signal.SIGKILL)

    def leave_to_parent(self) -> None:
        """Let go of what a forked process has inherited: it is none of its business."""
        self._keeper.returncode = 0
        self._lifeline.close()


def _started(end: socket.socket, theirs: socket.socket, kept: Sequence[int]) -> "Popen[bytes]":
    import subprocess  # noqa: PLC0415 - only where actions ask for processes

    if not sys.executable:
        raise OSError("this program does not know its Python interpreter: sys.executable is empty")
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing
    told = json.dumps([theirs.fileno(), [os.fspath(place) for place in sys.path]])
    lines = ",".join(str(fd) for fd in (end.fileno(), *kept))
    output = STDERR if _is_open(STDERR) else subprocess.DEVNULL
    return subprocess.Popen(  # noqa: S603 - this interpreter, and a file of this package
        [sys.executable, "-S", "-P", _KEEPER, lines, str(theirs.fileno()), sys.executable, *flags, "-c", _WITHIN, told],
        pass_fds=(end.fileno(), theirs.fileno(), *kept), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=output, stderr=output,
    )  # fmt: skip


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
