"""The workflow of the soak, and how each of its runs goes when nobody disturbs it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fsm
from fsm.engine.engine import Engine
from tests.crash.soak import actions
from tests.crash.world import MEMORY, Still

KINDS = 4 * 3 * 3 * 3 * 4
"""Runs whose numbers differ by this go the same way."""

FLOW = """
workflow: soak
version: 1
start: fetch
input: {n: int}
errors: {Refused: []}
policies: {patient: {attempts: 4, delay: 20ms, factor: 2, max_delay: 50ms, jitter: none}}
defaults: {retry: patient, error: {Refused: refused, else: dead}}
states:
  fetch: {action: soak.fetch, idempotent: true, success: turn}
  turn:
    action: soak.turn
    idempotent: true
    optional: turns
    reads: [n]
    writes: turns
    max_visits: 5
    success: {again: rest, done: choose}
    error: {VisitsExceeded: dead, else: dead}
  rest: {wait: 20ms, success: turn, error: dead}
  choose:
    switch:
      - {when: n // 36 % 3 == 0, to: settle}
      - {else: human}
    error: dead
  human:
    signal: {go: {to: settle, payload: {by: str}}, stop: refused}
    deadline: 1d
    error: {else: dead}
  settle: {action: soak.settle, idempotent: true, success: done}
  done: {end: success, output: settle}
  refused: {end: failure, optional: error}
  dead: {end: dead_letter}
"""


def signal_of(n: int) -> tuple[str, Any] | None:
    """Return the signal that a run of this number waits for, with its payload; None where it waits for none."""
    return (None, ("go", {"by": "ana"}), ("stop", None))[actions.digit(n, 36, 3)]


def told(engine: Engine, run_id: str) -> list[Any]:
    """Return what a disturbed run and an undisturbed one have in common: all but time, epoch, hash and interruption."""
    return list(_told(engine, run_id))


def _told(engine: Engine, run_id: str) -> Iterator[Any]:
    for row, written in engine.follow(run_id):
        detail = dict(row.detail or {})
        detail.pop("traceback", None)
        # A signal's edge is crossed by who sends it, or by who drives the run.
        status = "ready" if row.status == "running" else row.status
        yield (row.source, row.event, row.target, status, row.visit, row.attempt, row.tries, row.visits,
               detail, written)  # fmt: skip


class Steps(Still):
    """A clock that moves only when somebody turns it, and gives every run an id of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = 0

    def new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:026d}"


def undisturbed(numbers: Iterable[int]) -> dict[int, list[Any]]:
    """Return what a run of each number tells when nothing goes wrong but what is meant to."""
    with TemporaryDirectory(dir=MEMORY) as folder:
        definition = Path(folder) / "soak.yaml"
        definition.write_text(FLOW)
        clock: Any = Steps()
        actions.LOG = None
        with fsm.Engine(Path(folder) / "runs.db", definitions=definition, actions=[actions], clock=clock) as engine:
            return {n: _undisturbed(engine, clock, n) for n in numbers}


def _undisturbed(engine: Engine, clock: Steps, n: int) -> list[Any]:
    run = engine.start("soak", {"n": n})
    while not run.is_final:
        if run.awaits:
            sent = signal_of(n)
            assert sent, f"{n} waits in {run.state}"
            engine.signal(run.id, *sent)
        elif run.due_at is not None:
            clock.instant = max(clock.instant, run.due_at)
        engine.resume(run.id)
        run = engine.get(run.id)
    return told(engine, run.id)
