"""Processes that write into one file as fast as they can: what each gets, and how long a turn takes to come."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

from benchmarks.figures import Figure, Scale, Target
from benchmarks.machine import folder, has_memory, no_disk, say
from benchmarks.writer import BATCH_S

_ROW = "writers"
_SHARE = Target("at most", 2, on="ratio")
_WAIT = Target("at most", 50)
_WRITERS = 8
_CODE = Path(__file__).parents[2]


class Written(NamedTuple):
    """What writers beside each other did: turns by writer, and every wait for one."""

    turns: list[int]
    waits_s: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        return sum(self.turns) / self.seconds

    def wait_ms(self, percentile: int) -> float:
        return quantiles(self.waits_s, n=100)[percentile - 1] * 1e3

    def share(self, what: str) -> Figure:
        most, least = max(self.turns), min(self.turns)
        return Figure(_ROW, what, "", most, least, most / max(least, 1), _SHARE,
                      f"each: {' '.join(map(str, sorted(self.turns)))}")  # fmt: skip

    def wait(self, what: str) -> Figure:
        return Figure(_ROW, what, "ms", self.wait_ms(99), target=_WAIT,
                      note=f"p50 {self.wait_ms(50):.2f}, most {max(self.waits_s) * 1e3:.1f}")  # fmt: skip


def measure(scale: Scale) -> Iterator[Figure]:
    yield from _edges("in memory", None if has_memory() else "no tmpfs, so syncs are not free", scale.writing_s)
    yield from _edges("on the disk", no_disk(), scale.writing_s)
    yield from _turns(scale.writing_s)


def _edges(where: str, skipped: str | None, seconds: float) -> Iterator[Figure]:
    share = f"edges of the busiest of {_WRITERS} beside the least busy, {where}"
    wait = f"wait for a turn, p99, {where}"
    rate = f"{_WRITERS} together beside one alone, {where}"
    if skipped:
        yield Figure(_ROW, share, "", target=_SHARE, skipped=skipped)
        yield Figure(_ROW, wait, "ms", target=_WAIT, skipped=skipped)
        yield Figure(_ROW, rate, "edges/s", skipped=skipped)
        return
    say(f"{_WRITERS} writers beside each other for {seconds:g} s, {where}")
    with folder(in_memory=where == "in memory") as place:
        alone = beside_each_other(place, "edges", 1, seconds)
        crowd = beside_each_other(place, "edges", _WRITERS, seconds)
    yield crowd.share(share)
    yield crowd.wait(wait)
    yield Figure(_ROW, rate, "edges/s", crowd.rate, alone.rate, crowd.rate / alone.rate)


def _turns(seconds: float) -> Iterator[Figure]:
    say(f"{_WRITERS} writers that hold for {BATCH_S * 1e3:g} ms and come again at once")
    with folder() as place:
        crowd = beside_each_other(place, "turns", _WRITERS, seconds)
    yield crowd.share(f"turns of the busiest of {_WRITERS}, each {BATCH_S * 1e3:g} ms and at once again")
    yield crowd.wait("wait for such a turn, p99")


def beside_each_other(place: Path, kind: str, writers: int, seconds: float) -> Written:
    """Let that many processes write into the store of a folder for so long, each into a run of its own."""
    command = [sys.executable, "-m", "benchmarks.writer", str(place), str(seconds), kind]
    with contextlib.ExitStack() as all_of:
        started: list[subprocess.Popen[str]] = []
        for _ in range(writers):
            one = subprocess.Popen(command, cwd=_CODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            all_of.callback(one.wait)
            all_of.callback(one.kill)
            assert one.stdout
            one.stdout.readline()
            started.append(one)
        for one in started:
            assert one.stdin
            one.stdin.write("\n")
            one.stdin.flush()
        found = [json.loads(one.communicate()[0]) for one in started]
    return Written([one["turns"] for one in found], [wait for one in found for wait in one["waits_s"]], seconds)
