"""Ours beside the raw loop, in one folder."""

from pathlib import Path

import fsm
from benchmarks.figures import Comparison, Slice, Stopwatch, interleaved
from benchmarks.raw import RawLoop
from benchmarks.ring import Kind, Ring


def beside_raw(folder: Path, edges: int, repetitions: int, kind: Kind = "plain") -> Comparison:
    """Drive runs of that many edges in turn with raw loops of the same rows.

    Ours includes the start of each run, which is one of its edges.
    """
    ring = Ring(kind)
    with ring.engine(folder) as engine:
        one_run(engine, ring, edges)  # fills caches, and is the raw loop's pattern
        raw = RawLoop(folder / "raw.db", folder / "runs.db")
        try:
            raw()
            return interleaved(raw, lambda: one_run(engine, ring, edges), repetitions)
        finally:
            raw.close()


def one_run(engine: fsm.Engine, ring: Ring, edges: int) -> Slice:
    """Drive one run from start to end."""
    ring.until_done(edges)
    watch = Stopwatch()
    run = engine.run("ring")
    measured = watch.per(run.seq)
    assert run.status == "succeeded", run.reason
    return measured
