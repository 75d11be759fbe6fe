"""What must be true after a soak: nothing lost, nothing repeated untold, every run where it would be undisturbed."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fsm.engine.engine import Engine
from fsm.operations import audit, doctor
from fsm.operations.replay import replays
from tests.crash.soak.flow import told, undisturbed


class Line(NamedTuple):
    """One line of the log of effects."""

    kind: str
    at_ns: int
    pid: int
    run: str
    state: str
    visit: int
    attempt: int
    interrupted: bool
    key: str
    name: str = ""


@dataclass
class Verdict:
    """What a soak came to.

    Attributes:
        repeated: attempts that were begun more than once, which a killed process may cause.
        zombies: of these, begun by a process that had been frozen, after somebody else had committed.
        violations: what must not be; empty when all is well.
    """

    runs: int = 0
    edges: int = 0
    attempts: int = 0
    executions: int = 0
    repeated: int = 0
    zombies: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def lines_of(log: Path) -> list[Line]:
    return [Line(**json.loads(line)) for line in log.read_text().splitlines()]


def judge(engine: Engine, log: Path, numbers: dict[str, int], frozen: set[int]) -> Verdict:
    """Hold a store and the log of effects against what must be true.

    Args:
        numbers: the number of each run, by its id.
        frozen: pids of processes that were stopped for longer than their lease, and went on later.
    """
    verdict = Verdict(runs=len(numbers))
    expected = undisturbed(sorted(set(numbers.values())))
    by_run: dict[str, list[Line]] = defaultdict(list)
    for line in lines_of(log):
        by_run[line.run].append(line)
    for run_id, n in numbers.items():
        run = engine.get(run_id)
        verdict.endings[f"{run.state} {run.status}"] += 1
        rows = told(engine, run_id)
        verdict.edges += len(rows)
        if rows != expected[n]:
            verdict.violations.append(f"run {run_id} ({n}) went another way: {_first(rows, expected[n])}")
        closed = _closed(engine, run_id)
        verdict.violations += _of_run(run_id, by_run.pop(run_id, []), closed, frozen, verdict)
    verdict.violations += [f"effects of an unknown run {run_id}" for run_id in by_run]
    verdict.violations += _of_store(engine)
    return verdict


def _first(rows: list[Any], expected: list[Any]) -> str:
    place = next((place for place, pair in enumerate(zip(rows, expected, strict=False)) if pair[0] != pair[1]),
                 min(len(rows), len(expected)))  # fmt: skip
    return f"row {place + 1} is {rows[place : place + 1]} instead of {expected[place : place + 1]}"


def _closed(engine: Engine, run_id: str) -> dict[tuple[int, int], int]:
    """Return for each attempt, by visit and number, the instant in nanoseconds before which it was committed."""
    closed, before = {}, None
    for row, _ in engine.follow(run_id):
        if before:
            closed[before.visit, before.attempt] = (row.at + 1) * 1_000_000
        before = row
    return closed


def _of_run(
    run_id: str, lines: list[Line], closed: dict[tuple[int, int], int], frozen: set[int], verdict: Verdict
) -> Iterator[str]:
    keys: dict[int, set[str]] = defaultdict(set)
    attempts: dict[tuple[int, int], list[Line]] = defaultdict(list)
    saved: set[tuple[int, str]] = set()
    for line in lines:
        keys[line.visit].add(line.key)
        where = f"run {run_id}, {line.state}, visit {line.visit}, attempt {line.attempt}"
        if line.kind == "begin":
            attempts[line.visit, line.attempt].append(line)
        elif line.kind == "saved":
            saved.add((line.visit, line.name))
        elif (line.visit, line.name) in saved and line.pid not in frozen:
            yield f"{where}: {line.name} was called again after its result was saved"
    for visit, of_visit in keys.items():
        if len(of_visit) > 1:
            yield f"run {run_id}, visit {visit}: several keys {sorted(of_visit)}"
    if len({key for of_visit in keys.values() for key in of_visit}) < len(keys):
        yield f"run {run_id}: two visits share a key"
    for (visit, attempt), begun in attempts.items():
        verdict.attempts += 1
        verdict.executions += len(begun)
        verdict.repeated += len(begun) > 1
        where = f"run {run_id}, {begun[0].state}, visit {visit}, attempt {attempt}"
        last = closed.get((visit, attempt))
        if last is None:
            yield f"{where}: the ledger does not know of it"
        for line in begun:
            if last is not None and line.at_ns > last:
                verdict.zombies += line.pid in frozen
                if line.pid not in frozen:
                    yield f"{where}: begun again after it was committed"
        for line in begun[1:]:
            if not line.interrupted and line.pid not in frozen:
                yield f"{where}: begun again and not told"


def _of_store(engine: Engine) -> Iterator[str]:
    diagnosis = doctor(engine)
    if not diagnosis.is_sound:
        yield from (f"doctor: {finding}" for finding in diagnosis.findings)
    yield from (f"audit: {altered}" for altered in audit(engine).altered)
    yield from (f"replay of {found.run.id}: {found.differences}" for found in replays(engine) if found.differences)
