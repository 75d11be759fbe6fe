"""Resuming a long run beside a short one: the current state is read, history is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import Comparison, Figure, Scale, Slice, Stopwatch, Target, spread
from benchmarks.machine import folder, say
from benchmarks.ring import Ring, interrupted

_ROW = "resume"
_SHORT = 10
_PER_REPETITION = 5


class Resumed(NamedTuple):
    """How long it took to the next edge: from the opening of the engine, and from the call of `resume`."""

    opened: Slice
    called: Slice


class Halted:
    """A store with one run in it, interrupted after so many edges; it can be resumed for one edge at a time."""

    def __init__(self, place: Path, edges: int) -> None:
        place.mkdir()
        self._place = place
        self._ring = Ring()
        with self._ring.until_interrupted(edges - 1).engine(place) as engine:
            interrupted(engine)
            (run,) = engine.runs()
            assert (run.seq, run.status) == (edges, "ready")
            self._run_id = run.id

    def resume(self) -> Resumed:
        """Open an engine on the store, let the run cross one edge, interrupt it again."""
        watches: list[Stopwatch] = []
        crossed: list[Slice] = []
        self._ring.until_interrupted(1)
        watches.append(Stopwatch())
        with self._ring.engine(self._place, watch=lambda *_: crossed.extend(one.per(1) for one in watches)) as engine:
            watches.append(Stopwatch())
            interrupted(engine, run_id=self._run_id)
        return Resumed(*crossed)


def measure(scale: Scale) -> Iterator[Figure]:
    say(f"a run of {scale.long_edges:,} edges, to be resumed beside one of {_SHORT}")
    with folder(in_memory=True) as place:
        short, long = Halted(place / "short", _SHORT), Halted(place / "long", scale.long_edges)
        short.resume(), long.resume()
        shorts, longs = [short.resume()], []
        for _ in range(_PER_REPETITION * scale.repetitions):
            longs.append(long.resume())
            shorts.append(short.resume())
    for what, which in (("Engine() and resume() to the next edge", "opened"), ("resume() alone", "called")):
        compared = Comparison(*(tuple(getattr(one, which) for one in side) for side in (longs, shorts)))
        yield Figure(_ROW, f"{what}, {scale.long_edges:,} edges beside {_SHORT}", "ms", compared.ours_s * 1e3,
                     compared.raw_s * 1e3, compared.slowdown, Target("at most", 1.2, on="ratio"),
                     f"neighbours {spread(compared.slowdowns)}")  # fmt: skip
