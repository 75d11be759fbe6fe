"""Processes that are frozen in the middle of their actions, past their lease: others finish, and a late write loses."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fsm.engine.engine import Engine
from fsm.operations import audit, doctor
from tests.crash.soak import holding
from tests.crash.soak.fleet import Fleet, fleet
from tests.crash.soak.verdict import Line, lines_of

LEASE = "1s"


@dataclass
class Takeovers:
    """What came of it.

    Attributes:
        count: runs that somebody else finished while their process was frozen.
        refused: of these, checkpoints that came too late and were told so.
        late: results that came too late, and were discarded.
    """

    count: int = 0
    refused: int = 0
    late: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([
            (f"{self.count} takeovers in {self.seconds:.1f} s; {self.late} late results discarded, {self.refused} late "
            f"checkpoints refused"),
            f"{len(self.violations)} violations", *self.violations[:20],
        ])  # fmt: skip


def takeovers(folder: Path, *, turns: int, runs: int, limit_s: float = 3_600) -> Takeovers:
    """Freeze one of two workers in each turn, with so many runs in flight in each of them.

    Raises:
        TimeoutError: it was not done in time.
    """
    definition = folder / "holding.yaml"
    definition.write_text(holding.FLOW)
    found = Takeovers()
    begun_s = time.monotonic()
    options = ("--lease", LEASE, "--concurrency", str(runs))
    with (
        Engine(folder / "runs.db", definitions=definition, actions=[holding]) as engine,
        fleet(folder, 2, *options, actions=Path(holding.__file__)) as ships,
    ):
        for turn in range(turns):
            _turn(engine, ships, turn, 2 * runs, begun_s + limit_s)
        ships.stop()
        found.violations += ships.faults
        _judge(engine, ships.log, found)
    found.seconds = time.monotonic() - begun_s
    return found


def _turn(engine: Engine, ships: Fleet, turn: int, runs: int, until_s: float) -> None:
    begun = [engine.start("holding", {"n": n, "turn": turn}).id for n in range(runs)]
    _wait(lambda: _inside(ships.log, begun) >= set(begun), until_s)
    frozen, living = ships.living() if turn % 2 else reversed(ships.living())
    ships.freeze(frozen)
    holding.gate(ships.folder, turn, living.pid).touch()
    _wait(lambda: all(engine.get(run).is_final for run in begun), until_s)
    holding.gate(ships.folder, turn, frozen.pid).touch()
    ships.thaw(frozen)
    late = {line.run for line in lines_of(ships.log) if line.kind == "begin" and line.pid == frozen.pid}
    _wait(lambda: _inside(ships.log, begun, "end", "refused", pid=frozen.pid) >= late & set(begun), until_s)


def _wait(condition: Callable[[], bool], until_s: float) -> None:
    while not condition():
        if time.monotonic() > until_s:
            raise TimeoutError("the takeovers were not done in time")
        time.sleep(0.02)


def _inside(log: Path, runs: list[str], *kinds: str, pid: int | None = None) -> set[str]:
    """Return which runs have a line of these kinds, `begin` by default, in the log."""
    return {line.run for line in lines_of(log) if line.kind in (kinds or ("begin",)) and pid in (None, line.pid)}


def _judge(engine: Engine, log: Path, found: Takeovers) -> None:
    by_run: dict[str, list[Line]] = defaultdict(list)
    for line in lines_of(log):
        by_run[line.run].append(line)
    for run_id, lines in by_run.items():
        found.violations += _of_run(engine, run_id, lines, found)
    if not doctor(engine).is_sound:
        found.violations.append(f"doctor: {doctor(engine).findings}")
    found.violations += [f"audit: {altered}" for altered in audit(engine).altered]


def _of_run(engine: Engine, run_id: str, lines: list[Line], found: Takeovers) -> Iterator[str]:
    run = engine.get(run_id)
    begun = [line for line in lines if line.kind == "begin"]
    events = [row.transition.event for row in engine.history(run_id)]
    if run.status != "succeeded" or events[-1] != "success" or len(events) != 3:
        yield f"run {run_id} came by {events} to {run.state} {run.status}"
    if run.output != begun[-1].pid:
        yield f"run {run_id} was ended by {run.output}, though {begun[-1].pid} held it last"
    if len({line.key for line in lines}) > 1:
        yield f"run {run_id} had several keys"
    if [line.interrupted for line in begun] != [False] + [True] * (len(begun) - 1):
        yield f"run {run_id}: the attempts were told {[line.interrupted for line in begun]}"
    others = [line for line in lines if line.pid != run.output]
    if any(line.kind == "once" for line in others):
        yield f"run {run_id}: somebody who had lost it was let into a checkpoint"
    found.count += len(begun) - 1
    found.refused += sum(line.kind == "refused" for line in others)
    found.late += sum(line.kind == "end" for line in others)
