"""Many runs of ten states in one worker, beside the raw loop of the same rows, a commit for each.

python -m benchmarks.crew FOLDER RUNS REPETITIONS
"""

import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import fsm
from benchmarks.figures import Slice, Stopwatch, interleaved
from benchmarks.raw import RawLoop

STATES = 10
_RAW_RUNS = 10


def _definition() -> str:
    following = [*(f"s{n}" for n in range(2, STATES + 1)), "done"]
    states = "".join(
        f"  s{n}: {{action: crew.turn, writes: out, idempotent: true, success: {target}}}\n"
        for n, target in enumerate(following, 1)
    )
    return (
        f"workflow: ten\nversion: 1\nstart: s1\ndefaults: {{retry: never, error: failed}}\nstates:\n{states}"
        "  done: {end: success}\n  failed: {end: failure}\n"
    )


@fsm.action("crew.turn")
async def turn_async() -> dict[str, Any]:
    """Do as little as an action can."""
    return {"n": 1}


@fsm.action("crew.turn")
def turn_sync() -> dict[str, Any]:
    """Do as little as an action can, on a thread."""
    return {"n": 1}


class Crew:
    """An engine, runs for its worker, and a raw loop with the same rows."""

    def __init__(self, place: Path, kind: str, runs: int) -> None:
        (place / "ten.yaml").write_text(_definition())
        self._runs = runs
        self._place = place
        self._raw: RawLoop | None = None
        turn = turn_async if kind == "async" else turn_sync
        self._engine = fsm.Engine(place / "runs.db", definitions=place / "ten.yaml", actions=[turn])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._raw:
            self._raw.close()
        self._engine.close()

    def ours(self) -> Slice:
        """Start runs, then let a worker drive them all; only the driving is measured."""
        for _ in range(self._runs):
            self._engine.start("ten")
        watch = Stopwatch()
        self._engine.work(until="idle")
        measured = watch.per(self._runs * STATES)
        assert not self._engine.runs(status="ready", limit=1)
        return measured

    def raw(self) -> Slice:
        """Write a few runs' rows, a commit per edge."""
        if self._raw is None:
            self._raw = RawLoop(self._place / "raw.db", self._place / "runs.db")
        slices = [self._raw() for _ in range(_RAW_RUNS)]
        return Slice(sum(one.wall_s for one in slices) / _RAW_RUNS, sum(one.cpu_s for one in slices) / _RAW_RUNS)


if __name__ == "__main__":
    with Crew(Path(sys.argv[1]), "async", int(sys.argv[2])) as crew:
        crew.ours()
        compared = interleaved(crew.raw, crew.ours, int(sys.argv[3]))
    print(json.dumps({"ours": compared.ours, "raw": compared.raw}))
