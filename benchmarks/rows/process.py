"""Calls of an action in a process of its own, beside lines that a bare Python process sends back."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import fsm
from benchmarks.figures import Figure, Scale, Slice, Stopwatch, interleaved, spread
from fsm.actions.registry import Registry
from fsm.engine.call import Call
from fsm.engine.cells import Cells

_ROW = "process"
_ECHO = "import sys\nfor line in sys.stdin:\n    sys.stdout.write(line); sys.stdout.flush()"


@fsm.action("process.act", isolation="process")
def act(n: int) -> int:
    return n + 1


def measure(scale: Scale) -> Iterator[Figure]:
    """Measure the first call and the next ones; no edge is crossed, and nothing stored."""
    calls, cells = _Calls(), Cells()
    started = [_first() for _ in range(scale.processes)]
    ordered = sorted(started)
    yield Figure(_ROW, "first call, the start of its process included", "ms", ordered[len(ordered) // 2],
                 note=spread(started, ".0f"))  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", _ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as echo:
        try:
            cells.perform(calls.next())
            compared = interleaved(
                lambda: _echoed(echo, scale.edges), lambda: calls.made(cells, scale.edges), scale.repetitions
            )
        finally:
            cells.close()
            echo.kill()
    note = f"raw: lines echoed; {spread([1 / one.wall_s for one in compared.ours], '.0f')}; {compared.cpu()}"
    yield Figure(_ROW, "calls in a process that is there, one after another", "calls/s", 1 / compared.ours_s,
                 1 / compared.raw_s, compared.speed, note=note)  # fmt: skip


class _Calls:
    """Calls of one action, each with another argument."""

    def __init__(self) -> None:
        self._action = Registry([act])["process.act"]
        self._made = 0

    def next(self) -> Call:
        self._made += 1
        given: dict[str, Any] = {"n": str(self._made)}
        return Call(self._action, given, None, 60_000, None)

    def made(self, cells: Cells, count: int) -> Slice:
        watch = Stopwatch()
        for _ in range(count):
            cells.perform(self.next())
        return watch.per(count)


def _first() -> float:
    watch, cells = Stopwatch(), Cells()
    try:
        cells.perform(_Calls().next())
        return watch.per(1).wall_s * 1e3
    finally:
        cells.close()


def _echoed(echo: "subprocess.Popen[bytes]", count: int) -> Slice:
    assert echo.stdin
    assert echo.stdout
    watch = Stopwatch()
    for n in range(count):
        echo.stdin.write(b'["call", {"n": "%d"}]\n' % n)
        echo.stdin.flush()
        echo.stdout.readline()
    return watch.per(count)
