"""What a row yields: figures, and the bounds that the design sets for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Any, Literal, NamedTuple

Word = Literal["at least", "at most", "exactly"]


@dataclass(frozen=True)
class Target:
    """A bound of the design, on the figure itself or on its ratio to the raw figure."""

    word: Word
    bound: float
    on: Literal["value", "ratio"] = "value"

    def met(self, found: float) -> bool:
        if self.word == "at least":
            return found >= self.bound
        return found <= self.bound if self.word == "at most" else found == self.bound

    def __str__(self) -> str:
        return f"{self.word} {self.bound:g}" + ("x" if self.on == "ratio" else "")


@dataclass(frozen=True)
class Figure:
    """One measurement.

    Attributes:
        row: the row of the report it belongs to.
        what: what was measured, in words.
        value: the median; None when it was skipped.
        raw: what it stands beside in the same run: the raw loop, or the small case of a large one.
        ratio: of the two, as the target reads it.
        target: the bound that the design sets; None for what is only told.
        note: spread, and whatever else explains the figure.
        skipped: why there is no value.
    """

    row: str
    what: str
    unit: str
    value: float | None = None
    raw: float | None = None
    ratio: float | None = None
    target: Target | None = None
    note: str = ""
    skipped: str | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None when there is none, or nothing was measured."""
        if self.target is None:
            return None
        found = self.value if self.target.on == "value" else self.ratio
        return None if found is None else self.target.met(found)

    def as_json(self) -> dict[str, Any]:
        target = self.target and {"word": self.target.word, "bound": self.target.bound, "on": self.target.on}
        return {**vars(self), "target": target, "met": self.met}


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        repetitions: of each slice.
        edges: in a slice.
        slow_edges: in a slice where every sync takes 4 ms.
        long_edges: of the long run; `window_edges` are measured at its beginning and at its end.
        finished: runs in the crowded store.
        processes: that are started for one median.
        crowd: runs that a worker is given at a time.
        idle_s: for how many seconds an idle worker is watched.
        writing_s: for how many seconds processes write beside each other.
    """

    repetitions: int
    edges: int
    slow_edges: int
    long_edges: int
    window_edges: int
    finished: int
    processes: int
    crowd: int
    idle_s: float
    writing_s: float


FULL = Scale(15, 250, 200, 10_000, 4_000, 1_000_000, 11, 2_000, 20.0, 5.0)
QUICK = Scale(5, 150, 100, 10_000, 2_000, 20_000, 5, 500, 5.0, 2.0)
LEAST = Scale(2, 30, 20, 200, 100, 50, 2, 20, 0.2, 0.2)
"""For the tests of the benchmarks: everything happens once, no figure means anything."""


class Slice(NamedTuple):
    """What one edge took in a stretch of edges: seconds by the clock, and of this process's CPU."""

    wall_s: float
    cpu_s: float


class Stopwatch:
    """Runs from its making on."""

    def __init__(self) -> None:
        self._cpu_s, self._wall_s = process_time(), perf_counter()

    def per(self, edges: int) -> Slice:
        """Return what each of that many edges took."""
        wall_s, cpu_s = perf_counter() - self._wall_s, process_time() - self._cpu_s
        return Slice(wall_s / edges, cpu_s / edges)


@dataclass(frozen=True)
class Comparison:
    """Slices of ours and of the raw loop that took turns."""

    ours: tuple[Slice, ...]
    raw: tuple[Slice, ...]

    @property
    def ours_s(self) -> float:
        return median(one.wall_s for one in self.ours)

    @property
    def raw_s(self) -> float:
        return median(one.wall_s for one in self.raw)

    @property
    def slowdown(self) -> float:
        """How many times longer ours takes: the ratio of the medians, so that stray slices of either side fall out."""
        return self.ours_s / self.raw_s

    @property
    def speed(self) -> float:
        """Our share of the raw rate."""
        return self.raw_s / self.ours_s

    @property
    def slowdowns(self) -> list[float]:
        """How many times longer each of our slices took than the mean of the raw ones before and after it."""
        around = zip(self.raw, self.raw[1:], strict=False)
        return [ours.wall_s / ((before.wall_s + after.wall_s) / 2)
                for ours, (before, after) in zip(self.ours, around, strict=True)]  # fmt: skip

    @property
    def speeds(self) -> list[float]:
        return [1 / slowdown for slowdown in self.slowdowns]

    def cpu(self, unit: Literal["µs", "ms"] = "µs") -> str:
        """Return what one takes of the CPU: for a note, since a busy machine changes it less."""
        scale = 1e6 if unit == "µs" else 1e3
        ours, raw = (median(one.cpu_s for one in slices) * scale for slices in (self.ours, self.raw))
        return f"CPU {ours:.0f} {unit}, raw {raw:.0f} {unit}"


def interleaved(raw: Callable[[], Slice], ours: Callable[[], Slice], repetitions: int) -> Comparison:
    """Measure raw, ours, raw, ours, …, raw."""
    raws, own = [raw()], []
    for _ in range(repetitions):
        own.append(ours())
        raws.append(raw())
    return Comparison(tuple(own), tuple(raws))


def spread(numbers: Sequence[float], form: str = ".2f") -> str:
    """Return between which two numbers the middle half of them lies."""
    ordered = sorted(numbers)
    aside = len(ordered) // 4
    return f"{ordered[aside]:{form}} to {ordered[-1 - aside]:{form}} (middle half of {len(ordered)})"
