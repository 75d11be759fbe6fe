"""Dead letters: the runs that wait for somebody to mend what broke them."""

from collections.abc import Iterator
from heapq import merge
from itertools import islice

from fsm.engine.engine import Engine
from fsm.model.letter import DeadLetter, Tried
from fsm.model.run import Run, Status

_PAGE_RUNS = 500


def dead_letters(
    engine: Engine, *, workflow: str | None = None, state: str | None = None, failed: bool = False, limit: int = 50,
    before: str | None = None,
) -> list[DeadLetter]:  # fmt: skip
    """Return dead runs, newest first, each with the error behind it.

    Args:
        workflow: only runs of this one.
        state: only those that failed in this state; where no error lies behind a run, the state it stands in counts.
        failed: runs that ended at an `end: failure`, too.
        limit: how many at most, from 1.
        before: the id of the last run of the page before.
    """
    return list(islice(letters(engine, workflow, state, before, failed=failed), limit))


def letters(
    engine: Engine, workflow: str | None, state: str | None, before: str | None = None, *, failed: bool
) -> Iterator[DeadLetter]:
    """Yield dead letters, newest first, in short reads."""
    kinds: tuple[Status, ...] = ("dead", "failed") if failed else ("dead",)
    for run in merge(*(_runs(engine, workflow, kind, before) for kind in kinds), key=lambda run: run.id, reverse=True):
        letter = letter_of(engine, run)
        if state in (None, letter.state):
            yield letter


def letter_of(engine: Engine, run: Run) -> DeadLetter:
    """Return a run with the error behind it."""
    return DeadLetter(run, engine.store.last_failure(run))


def attempts(engine: Engine, letter: DeadLetter) -> list[Tried]:
    """Return every failed attempt of the visit that failed, in order; none where no error lies behind the run."""
    if letter.failure is None:
        return []
    tried, visit, attempt = [], 0, 0
    for row, _ in engine.follow(letter.run.id, letter.failure.visit - 1):
        if visit == letter.failure.visit and row.event.partition(":")[0] in ("retry", "error", "fault"):
            detail = row.detail or {}
            tried.append(Tried(row.at, attempt, detail.get("class", ""), detail.get("message", ""), row.interrupted))
        visit, attempt = row.visit, row.attempt
    return tried


def _runs(engine: Engine, workflow: str | None, status: Status, before: str | None) -> Iterator[Run]:
    while True:
        page = engine.runs(workflow=workflow, status=status, limit=_PAGE_RUNS, before=before)
        yield from page
        if len(page) < _PAGE_RUNS:
            return
        before = page[-1].id
