"""Worker processes, as a service manager has them: started, killed, frozen, started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.crash.soak import actions

STOPPED = (0, 143, -signal.SIGTERM)
"""How a worker ends that is told to stop; the last two where it had not begun yet."""

ACTIONS = Path(actions.__file__)
ROOT = Path(__file__).parents[3]


class Fleet:
    """Workers on one store: `fsm worker` processes that are there again when they were killed.

    Args:
        folder: where the store, the log of effects and what the workers say is.
        actions: the file that they import.
        options: further words of their command line.
    """

    def __init__(self, folder: Path, actions: Path, *options: str) -> None:
        self.folder = folder
        self.store = folder / "runs.db"
        self.log = folder / "effects.log"
        self.log.touch()
        self.kills = 0
        self.frozen: set[int] = set()
        self._options = ("--store", str(self.store), "--import", str(actions), "--log-level", "warning", *options)
        self._said = folder / "workers.log"
        self._living: list[subprocess.Popen[bytes]] = []
        self.faults: list[str] = []

    def start(self) -> "subprocess.Popen[bytes]":
        """Start one more worker."""
        command = [sys.executable, "-m", "fsm", "worker", *self._options]
        said: IO[bytes]
        with self._said.open("ab") as said:
            worker = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, "FSM_SOAK_LOG": str(self.log)}, stdout=said, stderr=said
            )
        self._living.append(worker)
        return worker

    def mend(self) -> None:
        """Take note of workers that ended by themselves, which none may, and start others."""
        for worker in list(self._living):
            if worker.poll() is not None:
                self.faults.append(f"a worker ended by itself with {worker.returncode}: {self.said()[-2_000:]}")
                self._living.remove(worker)
                self.start()

    def living(self) -> "list[subprocess.Popen[bytes]]":
        return list(self._living)

    def kill(self, worker: "subprocess.Popen[bytes]") -> None:
        """Kill a worker, and start another one in its place."""
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        self._living.remove(worker)
        self.kills += 1
        self.start()

    def freeze(self, worker: "subprocess.Popen[bytes]") -> None:
        worker.send_signal(signal.SIGSTOP)
        self.frozen.add(worker.pid)

    @staticmethod
    def thaw(worker: "subprocess.Popen[bytes]") -> None:
        worker.send_signal(signal.SIGCONT)

    def effects(self) -> int:
        """Return the size of the log of effects, which tells how far everything is."""
        return self.log.stat().st_size

    def said(self) -> str:
        """Return what the workers have said on stderr."""
        return self._said.read_text(errors="replace") if self._said.exists() else ""

    def stop(self) -> None:
        """Tell all to stop, and wait until they have."""
        for worker in self._living:
            worker.send_signal(signal.SIGTERM)
        for worker in self._living:
            if worker.wait(timeout=60) not in STOPPED:
                self.faults.append(f"a worker that was stopped ended with {worker.returncode}: {self.said()[-2_000:]}")
        self._living.clear()

    def end(self) -> None:
        for worker in self._living:
            worker.kill()
            worker.wait()


@contextmanager
def fleet(folder: Path, workers: int, *options: str, actions: Path = ACTIONS) -> Iterator[Fleet]:
    """Give that many workers for a block; none outlives it."""
    made = Fleet(folder, actions, *options)
    try:
        for _ in range(workers):
            made.start()
        yield made
    finally:
        made.end()
