"""Many runs in one worker: on the disk, with slow syncs, on threads, beside a thread that computes, and idle."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import fsm
from benchmarks import shim
from benchmarks.crew import Crew
from benchmarks.figures import Comparison, Figure, Scale, Slice, Target, interleaved, spread
from benchmarks.machine import folder, no_disk, say

_ROW = "worker"
_SLOW_US = 4_000


def measure(scale: Scale) -> Iterator[Figure]:
    yield from _on_disk(scale)
    yield from _on_slow_disk(scale)
    yield _in_threads(scale)
    yield _beside_computing(scale)
    yield from _idle(scale)


def _compared(place: Path, scale: Scale, kind: str) -> Comparison:
    with Crew(place, kind, scale.crowd) as crew:
        crew.ours()
        return interleaved(crew.raw, crew.ours, max(scale.repetitions // 3, 1))


def _rate(what: str, compared: Comparison, bound: float | None) -> Figure:
    target = None if bound is None else Target("at least", bound)
    return Figure(_ROW, what, "edges/s", 1 / compared.ours_s, 1 / compared.raw_s, compared.speed, target,
                  f"raw: a commit per edge; neighbours {spread(compared.speeds)}; {compared.cpu()}")  # fmt: skip


def _ratio(what: str, compared: Comparison, bound: float) -> Figure:
    return Figure(_ROW, what, "edges/s", 1 / compared.ours_s, 1 / compared.raw_s, compared.speed,
                  Target("at least", bound, on="ratio"), f"neighbours {spread(compared.speeds)}")  # fmt: skip


def _on_disk(scale: Scale) -> Iterator[Figure]:
    what = "256 runs at once on the disk, async actions"
    if reason := no_disk():
        yield Figure(_ROW, what, "edges/s", target=Target("at least", 15_000), skipped=reason)
        return
    say(f"{scale.crowd} runs of ten states at a time, 256 at once, on the disk")
    with folder() as place:
        compared = _compared(place, scale, "async")
    yield _rate(what, compared, 15_000)
    yield _ratio("the same beside the raw loop", compared, 2.5)


def _on_slow_disk(scale: Scale) -> Iterator[Figure]:
    what = "256 runs at once where a sync takes 4 ms"
    say(f"the same where a sync takes {_SLOW_US / 1000:g} ms")
    with folder(in_memory=True) as place:
        try:
            found = shim.measured(place, "benchmarks.crew", place, scale.crowd, max(scale.repetitions // 5, 1),
                                  sync_us=_SLOW_US)  # fmt: skip
        except shim.Unavailable as error:
            yield Figure(_ROW, what, "edges/s", target=Target("at least", 40, on="ratio"), skipped=str(error))
            return
    ours, raw = (tuple(Slice(*one) for one in found[side]) for side in ("ours", "raw"))
    yield _ratio(what, Comparison(ours, raw), 40)


def _in_threads(scale: Scale) -> Figure:
    say("the same with synchronous actions in threads")
    with folder() as place:
        return _rate("256 runs at once, synchronous actions", _compared(place, scale, "sync"), 10_000)


def _beside_computing(scale: Scale) -> Figure:
    say("the same beside a thread that computes")
    ended = threading.Event()
    with folder() as place, Crew(place, "async", scale.crowd) as crew:
        crew.ours()
        raws = [crew.raw()]
        with _computing(ended):
            ours = [crew.ours() for _ in range(max(scale.repetitions // 5, 1))]
        raws += [crew.raw() for _ in ours]
    return _rate("256 runs at once beside a CPU-bound Python thread", Comparison(tuple(ours), tuple(raws)), 5_000)


@contextlib.contextmanager
def _computing(ended: threading.Event) -> Iterator[None]:
    def compute() -> None:
        number = 0
        while not ended.is_set():
            number += 1

    thread = threading.Thread(target=compute, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _idle(scale: Scale) -> Iterator[Figure]:
    say("an idle worker in a process of its own")
    with folder() as place:
        ticks = place / "ticks"
        child = subprocess.Popen([sys.executable, "-m", "benchmarks.idle", str(place)], stdout=subprocess.PIPE)
        try:
            assert child.stdout is not None
            child.stdout.readline()
            cpu_s, before_s = _cpu_s(child.pid), time.perf_counter()
            time.sleep(scale.idle_s)
            used = (_cpu_s(child.pid) - cpu_s) / (time.perf_counter() - before_s)
            waits = [_picked_up(place, ticks) for _ in range(scale.processes * 3)]
        finally:
            child.terminate()
            child.communicate()
    yield Figure(_ROW, "an idle worker's share of a core", "%", used * 100, target=Target("at most", 1),
                 note=f"over {scale.idle_s:g} s")  # fmt: skip
    ms = [wait * 1e3 for wait in waits]
    yield Figure(_ROW, "from start() in one process to the action in another", "ms", median(ms),
                 target=Target("at most", 100), note=f"longest {max(ms):.0f}; {spread(ms, '.0f')}")  # fmt: skip


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _picked_up(place: Path, ticks: Path) -> float:
    """Start a run, and return how many seconds passed until its action wrote down the time."""
    seen = ticks.stat().st_size if ticks.exists() else 0
    with fsm.Engine(place / "runs.db", definitions=place / "tick.yaml", actions=[tick_stub]) as engine:
        began = time.time_ns()
        engine.start("tick")
        while not ticks.exists() or ticks.stat().st_size == seen:
            time.sleep(0.001)
    return (int(ticks.read_text().split()[-1]) - began) / 1e9


@fsm.action("tick.tick")
def tick_stub() -> None:
    """Stand for the action that the other process has."""
