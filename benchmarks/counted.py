"""Started by `shim`, with its library loaded: counts the syncs and WAL frames of each edge; prints JSON.

python -m benchmarks.counted FOLDER EDGES
"""

import ctypes
import json
import os
import struct
import sys
from pathlib import Path
from typing import Any

from benchmarks.beside import one_run
from benchmarks.ring import Ring

_FRAMES_AT, _COPIED_AT = 16, 96
"""Where the WAL's index says how many frames the log has, and how many of them were checkpointed."""


class Counter:
    """Counts what each commit of an engine takes; told of every transition."""

    def __init__(self, index: Path) -> None:
        self._index_path = index
        self._fd = -1
        self._syncs = ctypes.CDLL(None).syncs_taken
        self._before: tuple[int, int, int] | None = None
        self.syncs: list[int] = []
        self.frames: list[int] = []
        self.checkpoints = 0

    def __call__(self, *_: object) -> None:
        if self._fd < 0:  # once SQLite has made it; closing it in this process would let go of SQLite's locks
            self._fd = os.open(self._index_path, os.O_RDONLY)
        syncs, frames, copied = found = self._syncs(), self._read(_FRAMES_AT), self._read(_COPIED_AT)
        before, self._before = self._before, found
        if before is None:
            return
        restarted = frames < before[1]
        self.frames.append(frames if restarted else frames - before[1])
        if copied > before[2]:
            self.checkpoints += 1
        elif not restarted:  # a log begun anew has a header to sync
            self.syncs.append(syncs - before[0])

    def _read(self, at: int) -> int:
        (number,) = struct.unpack("=I", os.pread(self._fd, 4, at))
        return int(number)


def counted(folder: Path, edges: int) -> dict[str, Any]:
    """Return the syncs of an edge that no checkpoint goes with, and the mean of its WAL frames."""
    counter = Counter(folder / "runs.db-shm")
    ring = Ring()
    with ring.engine(folder, watch=counter) as engine:
        one_run(engine, ring, 1)
        one_run(engine, ring, edges)
    return {
        "syncs_min": min(counter.syncs), "syncs_max": max(counter.syncs), "edges": len(counter.frames),
        "frames": sum(counter.frames) / len(counter.frames), "checkpoints": counter.checkpoints,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(counted(Path(sys.argv[1]), int(sys.argv[2]))))
