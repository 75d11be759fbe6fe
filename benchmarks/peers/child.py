"""One slice of one engine, in this process; prints JSON.

python -m benchmarks.peers.child ENGINE alone|crowd|halt|restart|resume|look FOLDER NUMBER
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.figures import Stopwatch
from benchmarks.peers.settings import Listener
from benchmarks.peers.subject import STEPS, Step, Subject

_LOOKED_AT = 20
"""Runs of which the syncs are counted."""


COPY = "copy"
"""Where in the folder of a store its copy lies, to be resumed first."""


class Warmed(Exception):
    """Ends the run that warms an engine up."""


def _add_one(x: int) -> int:
    return x + 1


class Child:
    """The verbs, and where their answer goes.

    Args:
        engine: the name of its module in `subjects`.
        folder: for its store.
        number: of runs, or of steps before the end.
    """

    def __init__(self, engine: str, folder: Path, number: int) -> None:
        self._engine = engine
        self._folder = folder
        self._number = number
        self._answers = os.dup(1)
        os.dup2(2, 1)  # what engines print is no answer

    def answer(self, found: Any) -> NoReturn:
        """Tell what was found and end at once: an engine's threads may be in no hurry."""
        os.write(self._answers, json.dumps(found).encode())
        os._exit(0)

    def _subject(self, step: Step = _add_one, place: str = ".") -> Subject:
        """Return the engine, imported now at the latest, with its store in a place of the folder."""
        subject: Subject = import_module(f"benchmarks.peers.subjects.{self._engine}").Measured(
            self._folder / place, step
        )
        return subject

    def alone(self) -> Any:
        """Drive that many runs one after another, beside one to warm up."""
        subject = self._subject()
        subject.open("alone")
        return self._measured(subject, subject.alone, 1)

    def crowd(self) -> Any:
        """Drive that many runs at once, beside a few to warm up."""
        subject = self._subject()
        subject.open("crowd")
        return self._measured(subject, subject.crowd, 2)

    def _measured(self, subject: Subject, drive: Callable[[int], None], warming: int) -> Any:
        drive(warming)
        watch = Stopwatch()
        if self._number:
            drive(self._number)
        found = watch.per(max(self._number, 1) * STEPS)
        subject.close()
        return found

    def halt(self) -> Any:
        """Die by SIGKILL in the long run's step after that many."""

        def step(x: int) -> int:
            if x == self._number:
                os.kill(os.getpid(), signal.SIGKILL)
            return x + 1

        subject = self._subject(step)
        subject.open("long")
        subject.long()
        raise AssertionError("the run went on past its end")

    def restart(self) -> Any:
        """Go on with what was halted; end at the first step that was not yet done."""
        self._resume(self._subject(self._next(Stopwatch())))

    def resume(self) -> Any:
        """Tell how long it takes from the declaring of the workflow to the first step that was not yet done.

        Whatever the engine imports on first use is no part of it: the same was done with a copy of the store before.
        """

        def fail(_: int) -> int:
            raise Warmed

        warming = self._subject(fail, COPY)
        with contextlib.suppress(Exception):  # which of them leaves the engine is the engine's affair
            self._resume(warming)
        warming.close()
        self._resume(self._subject(self._next(Stopwatch())))

    def _resume(self, subject: Subject) -> None:
        subject.open("long")
        subject.resume()

    def _next(self, watch: Stopwatch) -> Step:
        """Return a step that ends this process, and tells when it was reached."""

        def step(x: int) -> NoReturn:
            found = watch.per(1)
            self.answer(found if x == self._number else {"failed": f"went on at step {x} instead of {self._number}"})

        return step

    def look(self) -> Any:
        """Tell the settings of the engine's connections, and count the syncs of ten steps where they can be counted."""
        listener = Listener()
        subject = self._subject()
        subject.open("alone")
        subject.alone(1)
        before = _syncs()
        subject.alone(_LOOKED_AT)
        counted = None if before is None else (_syncs() - before) / _LOOKED_AT
        subject.close()
        subject = self._subject()
        subject.open("crowd")
        subject.crowd(self._number)
        subject.close()
        return {"settings": listener.found(), "syncs": counted}


def _syncs() -> Any:
    """Return how many syncs this process has made, or None without the library that counts them."""
    taken = getattr(ctypes.CDLL(None), "syncs_taken", None)
    return taken() if taken else None


def main(engine: str, verb: str, folder: str, number: str) -> None:
    child = Child(engine, Path(folder), int(number))
    try:
        child.answer(getattr(child, verb)())
    except BaseException as error:  # noqa: BLE001 - whatever an engine raises is its answer
        traceback.print_exc()
        child.answer({"failed": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main(*sys.argv[1:])
