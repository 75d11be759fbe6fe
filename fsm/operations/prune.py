"""Prune: delete finished runs whose time has come, and cancel abandoned ones."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from fsm.engine.engine import Engine
from fsm.engine.retention import sweep
from fsm.operations.naming import require_stored
from fsm.store.answers import Aged

PAUSE_MS = 20
"""Between two transactions, so that whoever waits to write gets its turn."""


@dataclass
class Pruned:
    """What was done so far, or what would be.

    Attributes:
        deleted: runs, by workflow and status.
        expired: abandoned runs that were cancelled, by workflow.
        rows: what was deleted in all; not counted beforehand.
    """

    deleted: Counter[tuple[str, str]] = field(default_factory=Counter)
    expired: Counter[str] = field(default_factory=Counter)
    rows: int = 0

    def add(self, deleted: Iterable[Aged], expired: Iterable[Aged], rows: int) -> None:
        """Take in what one sweep did."""
        self.deleted.update((run.workflow, run.status) for run in deleted)
        self.expired.update(run.workflow for run in expired)
        self.rows += rows


def prune(
    engine: Engine,
    *,
    workflow: str | None = None,
    older_than_ms: int | None = None,
    dry_run: bool = False,
    watch: Callable[[Pruned], object] | None = None,
) -> Pruned:
    """Delete finished runs past their retention with everything they have, and cancel runs that have expired.

    In small transactions, oldest first, so that other writers never wait for long; it may be interrupted anywhere, and
    repeated. Dead runs are kept. A run that is cancelled here is deleted when its retention is over, too.

    Args:
        workflow: only runs of this one.
        older_than_ms: delete finished runs that ended so long ago, whatever their workflows say.
        dry_run: only tell what would be done.
        watch: called with what was done so far after every step.

    Raises:
        NotFound: the store has no such workflow.
    """
    require_stored(engine, workflow)
    done, after = Pruned(), ""
    while True:
        swept = sweep(engine, after=after, workflow=workflow, older_than_ms=older_than_ms, dry_run=dry_run)
        done.add(swept.deleted, swept.expired, swept.rows)
        if watch:
            watch(done)
        if swept.after is None:
            return done
        after = swept.after
        if swept.rows or swept.expired:
            engine.clock.sleep(PAUSE_MS)
