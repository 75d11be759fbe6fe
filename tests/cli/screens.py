"""A terminal for a process: what it draws is heard, and keys are pressed."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any, Self

from tests.cli.conftest import FSM

DEADLINE_S = 60.0
"""No test waits longer than this for a screen; none depends on how long it takes."""


TAKE = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the terminal that of the process, so that Ctrl-C is a signal, and becomes the command."""


class Screen:
    """A command line on a terminal of its own."""

    def __init__(self, folder: Path, *words: str, rows: int = 24) -> None:
        self._here, there = pty.openpty()
        self.drawn = ""
        termios.tcsetwinsize(there, (rows, 100))
        self._there = there
        self.before = self.settings()
        surroundings = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": str(rows)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE, FSM, *words],
            cwd=folder,
            stdin=there,
            stdout=there,
            stderr=there,
            env=surroundings,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for fd in (self._here, self._there):
            os.close(fd)

    def settings(self) -> list[Any]:
        """How the terminal treats what is typed."""
        return termios.tcgetattr(self._there)

    def shows(self, text: str) -> None:
        """Wait until a text was drawn, from the last one on."""
        end = time.monotonic() + DEADLINE_S
        while text not in self.drawn:
            ready, _, _ = select.select([self._here], [], [], 0.5)
            if ready:
                self.drawn += os.read(self._here, 65_536).decode("utf-8", "replace")
            assert ready or self.process.poll() is None or text in self.drawn, (
                f"it ended and drew {self.drawn[-500:]!r}"
            )
            assert time.monotonic() < end, f"it drew {self.drawn[-500:]!r}"
        self.drawn = self.drawn.partition(text)[2]

    def press(self, keys: str) -> None:
        os.write(self._here, keys.encode())

    def ended(self) -> int:
        """Wait for the end of the process, and return its exit code."""
        end = time.monotonic() + DEADLINE_S
        while self.process.poll() is None:
            assert time.monotonic() < end
            if select.select([self._here], [], [], 0.05)[0]:  # what nobody reads would hold it up
                self.drawn += os.read(self._here, 65_536).decode("utf-8", "replace")
        while select.select([self._here], [], [], 0)[0]:
            self.drawn += os.read(self._here, 65_536).decode("utf-8", "replace")
        return self.process.returncode
