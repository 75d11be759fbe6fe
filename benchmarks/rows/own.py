"""What an edge costs by itself: in memory, where a sync is free."""

from collections.abc import Iterator

from benchmarks.beside import beside_raw
from benchmarks.figures import Figure, Scale, Target, spread
from benchmarks.machine import folder, has_memory, say
from benchmarks.ring import Kind

_ROW = "own"
_CASES: tuple[tuple[Kind, str, Target | None], ...] = (
    ("plain", "an edge, sync made free, no thread hop", Target("at most", 60)),
    ("typed", "the same, reading a value, with annotations", None),
    ("timed", "the same as the first with a timeout (a thread hop)", None),
    ("async", "the same as the first with an async action (a thread hop)", None),
)


def measure(scale: Scale) -> Iterator[Figure]:
    for kind, what, target in _CASES:
        if not has_memory():
            yield Figure(_ROW, what, "µs", target=target, skipped="no tmpfs, so syncs are not free")
            continue
        say(f"{scale.repetitions} slices of {scale.edges} edges in memory, {kind}")
        with folder(in_memory=True) as place:
            compared = beside_raw(place, scale.edges, scale.repetitions, kind)
        yield Figure(_ROW, what, "µs", compared.ours_s * 1e6, compared.raw_s * 1e6, compared.slowdown, target,
                     f"neighbours {spread(compared.slowdowns)}; {compared.cpu()}")  # fmt: skip
