"""What is measured: one row after another, on every engine that is here."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import shim
from benchmarks.figures import Slice, Stopwatch
from benchmarks.machine import folder, say
from benchmarks.peers.child import COPY
from benchmarks.peers.engines import Engine
from benchmarks.peers.processes import Failed, asked, halted, in_turn, python
from benchmarks.peers.report import Fact, Measure, Row
from benchmarks.peers.subject import STEPS

_FACTS = ("version", "journal mode", "synchronous", f"syncs per {STEPS} steps")
_NONE = Failed("it is not installed here")


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        repetitions: of each slice.
        runs: of ten steps in a slice of runs one after another.
        crowd: runs at once.
        done: steps before a run is resumed, few and many.
    """

    repetitions: int
    runs: int
    crowd: int
    done: tuple[int, int]


FULL = Scale(7, 200, 200, (10, 1_000))
QUICK = Scale(3, 100, 200, (10, 1_000))
LEAST = Scale(2, 2, 3, (3, 12))
"""For the tests: everything happens, no figure means anything."""


class Alone(NamedTuple):
    """A step of runs one after another: what it took, and what it left on the disk."""

    took: Slice
    size_bytes: float


class Engines:
    """The engines side by side, ours first; those that are not installed stay out of every row."""

    def __init__(self, engines: Sequence[Engine], scale: Scale) -> None:
        self._engines = engines
        self._scale = scale

    def rows(self) -> Iterator[Row]:
        yield from self._alone()
        yield self._crowd()
        for done in self._scale.done:
            yield self._resume(done)
        yield self._restart(self._scale.done[-1])
        yield self._imports()

    def _alone(self) -> Iterator[Row]:
        runs = self._scale.runs
        say(f"{runs} runs of {STEPS} steps, one after another")
        empty: dict[str, int] = {}

        def one(engine: Engine) -> Alone:
            if engine.key not in empty:  # but for the run that warms up
                with folder() as place:
                    asked(engine.key, "alone", place, 0)
                    empty[engine.key] = _size_bytes(place)
            with folder() as place:
                took = Slice(*asked(engine.key, "alone", place, runs))
                return Alone(took, (_size_bytes(place) - empty[engine.key]) / (runs * STEPS))

        found = self._in_turn(one)
        yield Row("one run at a time", "steps/s", "more", _picked(found, lambda it: 1 / it.took.wall_s))
        yield Row("CPU for one at a time", "µs/step", None, _picked(found, lambda it: it.took.cpu_s * 1e6))
        yield Row("size of a step", "bytes", "less", _picked(found, lambda it: it.size_bytes))

    def _crowd(self) -> Row:
        say(f"{self._scale.crowd} runs of {STEPS} steps at once")

        def one(engine: Engine) -> Slice:
            with folder() as place:
                return Slice(*asked(engine.key, "crowd", place, self._scale.crowd))

        found = self._in_turn(one)
        return Row(f"{self._scale.crowd} runs at once", "steps/s", "more", _picked(found, lambda it: 1 / it.wall_s))

    def _resume(self, done: int) -> Row:
        say(f"resuming a run that was killed after {done:,} steps")

        def one(engine: Engine, place: Path) -> Slice:
            shutil.copytree(place, place / COPY)
            return Slice(*asked(engine.key, "resume", place, done))

        found = self._killed(done, one)
        return Row(f"resume after {done:,} steps", "ms", "less", _picked(found, lambda it: it.wall_s * 1e3))

    def _restart(self, done: int) -> Row:
        say(f"the same in whole processes, after {done:,} steps")

        def one(engine: Engine, place: Path) -> Slice:
            watch = Stopwatch()
            asked(engine.key, "restart", place, done)
            return watch.per(1)

        found = self._killed(done, one)
        return Row(f"import and resume after {done:,}", "ms", "less", _picked(found, lambda it: it.wall_s * 1e3))

    def _killed(self, done: int, one: Callable[[Engine, Path], Slice]) -> dict[str, list[Any] | Failed]:
        """Let the engines take turns, each time with a copy of what its killed process left."""
        left: dict[str, Path] = {}

        with folder() as places:

            def copied(engine: Engine) -> Slice:
                if engine.key not in left:
                    left[engine.key] = halted(engine.key, places / engine.key, done)
                with folder() as place:
                    return one(engine, shutil.copytree(left[engine.key], place, dirs_exist_ok=True))

            return self._in_turn(copied)

    def _imports(self) -> Row:
        say("importing, whole processes")

        def one(engine: Engine) -> Slice:
            watch = Stopwatch()
            python(engine.imports)
            return watch.per(1)

        return Row("import, whole process", "ms", "less", _picked(self._in_turn(one), lambda it: it.wall_s * 1e3))

    def _in_turn(self, one: Callable[[Engine], Any]) -> dict[str, list[Any] | Failed]:
        here = in_turn([engine for engine in self._engines if engine.version], self._scale.repetitions, one)
        return {engine.title: here.get(engine, _NONE) for engine in self._engines}

    def facts(self) -> list[Fact]:
        """Look at each engine without measuring it: its version, the settings of its connections, its syncs."""
        told = {engine.title: _looked(engine) for engine in self._engines}
        return [Fact(what, {title: words[place] for title, words in told.items()}) for place, what in enumerate(_FACTS)]


def _looked(engine: Engine) -> tuple[str, str, str, str]:
    if engine.version is None:
        return "not installed", "", "", ""
    say(f"looking at {engine.title} {engine.version}")
    with folder() as place, folder() as library:
        try:
            variables = shim.loaded(library, sync_us=0)
        except shim.Unavailable as error:
            say(f"syncs are not counted: {error}")
            variables = {}
        try:
            found = asked(engine.key, "look", place, 5, variables)
        except Failed as error:
            say(f"{engine.title}: {error}")
            return engine.version, "failed", "failed", "failed"
    modes, synchronous = (", ".join(sorted({pair[at] for pair in found["settings"]})) for at in (0, 1))
    return engine.version, modes, synchronous, "" if found["syncs"] is None else f"{found['syncs']:.1f}"


def _picked(found: Mapping[str, list[Any] | Failed], pick: Callable[[Any], float]) -> dict[str, Measure]:
    return {
        title: Measure(failed=str(slices)) if isinstance(slices, Failed) else Measure(tuple(map(pick, slices)))
        for title, slices in found.items()
    }


def _size_bytes(place: Path) -> int:
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
