"""One run inline, `synchronous=FULL`: on the disk, on one of constant latency, and what it makes of an edge."""

from collections.abc import Iterator

from benchmarks import shim
from benchmarks.beside import beside_raw
from benchmarks.figures import Comparison, Figure, Scale, Slice, Target, spread
from benchmarks.machine import folder, no_disk, say
from benchmarks.raw import COMMITS_PER_CHECKPOINT

_ROW = "inline"
_SLOW_US = 4_000


def measure(scale: Scale) -> Iterator[Figure]:
    yield _on_disk(scale)
    yield _on_slow_disk(scale)
    yield from _counted(scale)


def _on_disk(scale: Scale) -> Figure:
    what, target = "one run on the disk", Target("at least", 0.65, on="ratio")
    if reason := no_disk():
        return Figure(_ROW, what, "edges/s", target=target, skipped=reason)
    say(f"{scale.repetitions} slices of {scale.edges} edges on the disk")
    with folder() as place:
        return _beside(what, target, beside_raw(place, scale.edges, scale.repetitions))


def _on_slow_disk(scale: Scale) -> Figure:
    what, target = "one run where a sync takes 4 ms", Target("at least", 0.95, on="ratio")
    repetitions = max(scale.repetitions // 2, 1)
    say(f"{repetitions} slices of {scale.slow_edges} edges where a sync takes {_SLOW_US / 1000:g} ms")
    with folder(in_memory=True) as place:
        try:
            found = shim.measured(place, "benchmarks.slow_disk", place, scale.slow_edges, repetitions, sync_us=_SLOW_US)
        except shim.Unavailable as error:
            return Figure(_ROW, what, "edges/s", target=target, skipped=str(error))
    ours, raw = (tuple(Slice(*one) for one in found[side]) for side in ("ours", "raw"))
    return _beside(what, target, Comparison(ours, raw))


def _beside(what: str, target: Target, compared: Comparison) -> Figure:
    return Figure(_ROW, what, "edges/s", 1 / compared.ours_s, 1 / compared.raw_s, compared.speed, target,
                  f"neighbours {spread(compared.speeds)}; {compared.cpu()}")  # fmt: skip


def _counted(scale: Scale) -> Iterator[Figure]:
    edges = max(scale.edges, 2 * COMMITS_PER_CHECKPOINT + 50)
    say(f"counting syncs and WAL frames of {edges} edges")
    syncs = Figure(_ROW, "syncs per edge, checkpoints apart", "", target=Target("exactly", 1))
    frames = Figure(_ROW, "WAL frames per edge", "", target=Target("at most", 6))
    with folder(in_memory=True) as place:
        try:
            found = shim.measured(place, "benchmarks.counted", place, edges, sync_us=0)
        except shim.Unavailable as error:
            yield from (Figure(one.row, one.what, one.unit, target=one.target, skipped=str(error))
                        for one in (syncs, frames))  # fmt: skip
            return
    told = f"of {found['edges']} edges, {found['checkpoints']} with a checkpoint"
    # More than one anywhere is a miss, and so is less: the figure is the worst edge's.
    worst = found["syncs_max"] if found["syncs_max"] != 1 else found["syncs_min"]
    yield Figure(_ROW, syncs.what, "", worst, target=syncs.target,
                 note=f"{found['syncs_min']} to {found['syncs_max']}; {told}")  # fmt: skip
    yield Figure(_ROW, frames.what, "", found["frames"], target=frames.target, note=f"the mean {told}")
