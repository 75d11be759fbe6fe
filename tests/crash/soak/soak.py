"""One soak: many runs, a fleet of workers, and somebody who disturbs them until all is done."""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.crash.soak.fleet import Fleet, fleet
from tests.crash.soak.flow import KINDS
from tests.crash.soak.verdict import Verdict, judge
from tests.crash.soak.work import Work, paused

Disturber = Callable[[Fleet, random.Random], Iterable[None]]
"""Disturbs the workers a little with each step."""

LOOK_S = 0.02


@dataclass
class Report:
    """What a soak did, and what it came to."""

    kills: int
    seconds: float
    verdict: Verdict

    def __str__(self) -> str:
        found = self.verdict
        repeated = f"{found.attempts} attempts, {found.repeated} of them begun more than once"
        lines = [
            f"{found.runs} runs, {found.edges} edges, {self.seconds:.1f} s ({found.edges / self.seconds:.0f} edges/s)",
            f"{self.kills} kills; {repeated}; {found.zombies} begun by the frozen after somebody else had committed",
            ", ".join(f"{count} {ending}" for ending, count in sorted(found.endings.items())),
            f"{len(found.violations)} violations",
            *found.violations[:20],
        ]
        return "\n".join(lines)


def soak(
    folder: Path, disturb: Disturber, *, runs: int, workers: int, kinds: int = KINDS, seed: int = 1,
    limit_s: float = 3_600, options: Iterable[str] = (),
) -> Report:  # fmt: skip
    """Let workers drive runs while they are disturbed, until all have ended; then judge.

    Args:
        disturb: begun anew when it ends.
        limit_s: seconds after which it is given up.
        options: of `fsm worker`.

    Raises:
        TimeoutError: it was not done in time.
    """
    chance = random.Random(seed)
    work = Work(folder, runs, kinds, chance)
    begun_s = time.monotonic()
    try:
        with fleet(folder, workers, *options) as ships:
            steps = iter(disturb(ships, chance))
            is_more = True
            while is_more or not work.is_done():
                is_more = is_more and work.start_some()
                work.send_some()
                ships.mend()
                next(steps, None)
                paused(0.0 if is_more else LOOK_S, begun_s + limit_s)
            seconds = time.monotonic() - begun_s
            ships.stop()
            verdict = judge(work.engine, ships.log, work.numbers, ships.frozen)
            verdict.violations += ships.faults
            return Report(ships.kills, seconds, verdict)
    finally:
        work.close()


def kills(every_s: float) -> Disturber:
    """Kill a worker at random instants, so often in the mean."""

    def disturb(ships: Fleet, chance: random.Random) -> Iterable[None]:
        due_s = time.monotonic() + chance.expovariate(1 / every_s)
        while True:
            if time.monotonic() >= due_s:
                ships.kill(chance.choice(ships.living()))
                due_s = time.monotonic() + chance.expovariate(1 / every_s)
            yield

    return disturb


def kills_by_effects(count: int, every_bytes: int) -> Disturber:
    """Kill so many workers, each when the log of effects has grown by so much: whatever the machine's speed."""

    def disturb(ships: Fleet, chance: random.Random) -> Iterable[None]:
        for _ in range(count):
            due = ships.effects() + chance.randint(every_bytes // 2, every_bytes * 3 // 2)
            while ships.effects() < due:
                yield
            ships.kill(chance.choice(ships.living()))

    return disturb
