"""Started by the row `writers`, several at once: commits edges of a run of its own, or only takes turns; prints JSON.

python -m benchmarks.writer FOLDER SECONDS edges|turns
"""

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.ring import Ring, interrupted
from fsm.store.lock import WriterLock

BATCH_S = 0.003


class Waits:
    """How long each turn to write took to come, in seconds."""

    def __init__(self) -> None:
        self.all_s: list[float] = []
        acquire = WriterLock.acquire

        def timed(lock: WriterLock) -> None:
            began = perf_counter()
            acquire(lock)
            self.all_s.append(perf_counter() - began)

        WriterLock.acquire = timed  # type: ignore[method-assign]


def edges(folder: Path, seconds: float) -> dict[str, Any]:
    """Say that all is ready, wait for a line, commit edges for so long."""
    waits, ring, count = Waits(), Ring(), 0

    def crossed(*_: object) -> None:
        nonlocal count
        if perf_counter() < end:
            count += 1
        else:
            ring.edges = 0

    with ring.until_interrupted(1 << 40).engine(folder, watch=crossed) as engine:
        end = _begin(seconds)
        waits.all_s.clear()
        interrupted(engine)
    return {"turns": count, "waits_s": waits.all_s[:count]}


def turns(folder: Path, seconds: float) -> dict[str, Any]:
    """Say that all is ready, wait for a line, take turns for so long: each as long as a large batch, at once again."""
    waits, lock = Waits(), WriterLock(folder / "runs.db-lock")
    end = _begin(seconds)
    while perf_counter() < end:
        with lock.held():
            until = perf_counter() + BATCH_S
            while perf_counter() < until:
                pass
    return {"turns": len(waits.all_s), "waits_s": waits.all_s}


def _begin(seconds: float) -> float:
    """Return when to end."""
    print("ready", flush=True)
    sys.stdin.readline()
    return perf_counter() + seconds


if __name__ == "__main__":
    kinds = {"edges": edges, "turns": turns}
    print(json.dumps(kinds[sys.argv[3]](Path(sys.argv[1]), float(sys.argv[2]))))
