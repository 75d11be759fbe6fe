"""How much the file grows with each edge, early and late in one run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Scale, Target
from benchmarks.machine import folder, say
from benchmarks.ring import SMALL, Ring, interrupted

_ROW = "size"
_EARLY = 10
_KILOBYTE = {"text": "x" * (1_000 - len('{"text":""}'))}


class Growing:
    """One run in a file of its own, driven on by so many edges at a time."""

    def __init__(self, place: Path, value: Any) -> None:
        place.mkdir()
        self._place = place
        self._ring = Ring(value=value)
        self._run_id: str | None = None
        self._edges = 0

    def grow(self, to: int) -> int:
        """Drive the run to that many edges; return the size of the file, its log folded in by the last one out."""
        self._ring.until_interrupted(to - self._edges - (self._run_id is None))
        with self._ring.engine(self._place) as engine:
            interrupted(engine, run_id=self._run_id)
            (run,) = engine.runs()
            assert run.seq == to
        self._run_id, self._edges = run.id, to
        assert not (self._place / "runs.db-wal").exists()
        return (self._place / "runs.db").stat().st_size

    def bytes_per_edge(self, edges: int) -> float:
        """Drive the run on by that many edges."""
        before, began = self.grow(self._edges + 1), self._edges
        return (self.grow(began + edges) - before) / edges


def measure(scale: Scale) -> Iterator[Figure]:
    window, late = scale.window_edges, scale.long_edges
    say(f"bytes of {window:,} edges after edge {_EARLY} and after edge {late:,}")
    with folder(in_memory=True) as place:
        small = Growing(place / "small", SMALL)
        small.grow(_EARLY)
        early = small.bytes_per_edge(window)
        small.grow(late)
        later = small.bytes_per_edge(window)
        large = Growing(place / "large", _KILOBYTE)
        large.grow(_EARLY)
        kilobyte = large.bytes_per_edge(window)
    told = f"{window:,} edges"
    yield Figure(
        _ROW, f"bytes per edge at edge {_EARLY}, small outputs", "B", early, target=Target("at most", 400), note=told
    )
    yield Figure(_ROW, f"bytes per edge at edge {late:,} beside edge {_EARLY}", "B", later, early, later / early,
                 Target("at most", 1.05, on="ratio"), told)  # fmt: skip
    yield Figure(_ROW, "bytes per edge where each adds 1 KB", "B", kilobyte, target=Target("at most", 1_600), note=told)
