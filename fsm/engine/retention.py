"""Retention: what has ended is kept for a while and then deleted; what nobody ever moves is cancelled.

Each workflow says for how long, in the newest version that is known. A sweep is one small step of this, for whoever
comes by now and then; `fsm.operations.prune` makes them until nothing is left to do.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from fsm.errors import DefinitionError, UsageError
from fsm.kernel import moves
from fsm.model.definition import Definition
from fsm.model.durations import format_duration
from fsm.model.run import Decision, Run
from fsm.store.answers import ROWS_DELETED_MAX, Aged

if TYPE_CHECKING:
    from fsm.engine.engine import Engine

ACTOR = "fsm"
"""Who cancels an abandoned run, as its ledger says."""

ENDED = ("succeeded", "failed", "cancelled")
"""The statuses that retention is about; dead runs are kept until somebody drops them."""

_PAGE_RUNS = 250
_LOG = logging.getLogger("fsm")


class Terms(NamedTuple):
    """For how long the runs of a workflow are kept, and may stay where they are; milliseconds, None for ever."""

    retention: int | None
    expires: int | None


class Swept(NamedTuple):
    """What one sweep did.

    Attributes:
        deleted: runs past their retention.
        expired: abandoned runs, cancelled.
        rows: what was deleted in all.
        after: the run to go on behind with the next sweep; None when the store was gone through.
    """

    deleted: tuple[Aged, ...]
    expired: tuple[Aged, ...]
    rows: int
    after: str | None

    @property
    def step(self) -> tuple[str | None, bool]:
        """How to go on: `after`, and whether there was anything to delete."""
        return self.after, self.rows > 0


def sweep(
    engine: "Engine", rows_max: int = ROWS_DELETED_MAX, *, after: str = "", workflow: str | None = None,
    older_than_ms: int | None = None, dry_run: bool = False,
) -> Swept:  # fmt: skip
    """Look at the next few runs, oldest first, and delete or cancel those whose time has come.

    Cheap enough for a worker to make one now and then: it reads at most one page of runs, deletes in one transaction
    of about `rows_max` rows, and commits once for each run that it cancels. It may be interrupted anywhere.

    Args:
        after: what the sweep before answered; nothing to begin with the oldest run.
        workflow: only the runs of this one.
        older_than_ms: in place of what the workflows say about retention.
        dry_run: change nothing, and answer what would be done.
    """
    now = engine.clock.now()
    terms = {name: terms_of(engine, name) for name in engine.store.names() if workflow in (None, name)}
    if older_than_ms is not None:
        terms = {name: Terms(older_than_ms, known.expires) for name, known in terms.items()}
    page = engine.store.aged(after, _PAGE_RUNS)
    finished = [run for run in page if _is_past(run, terms, now)]
    abandoned = [run for run in page if _is_abandoned(run, terms, now)]
    is_last = len(page) < _PAGE_RUNS or _is_young(page[-1], terms.values(), now)
    behind = None if is_last else page[-1].id
    if dry_run:
        return Swept(tuple(finished), tuple(abandoned), 0, behind)
    expired = tuple(run for run in abandoned if _cancelled(engine, run, terms[run.workflow].expires, now))
    gone = engine.store.prune(finished, rows_max=rows_max)
    ids = set(gone.ids)
    deleted = tuple(run for run in finished if run.id in ids)
    if not gone.is_whole:
        behind = deleted[-1].id if deleted else after
    return Swept(deleted, expired, gone.rows, behind)


def terms_of(engine: "Engine", name: str) -> Terms:
    """Return what a workflow says: its newest version among the files, else the newest one stored.

    One that this version of the engine cannot read says nothing, so that its runs are kept.
    """
    try:
        definition = _newest(engine, name)
    except (DefinitionError, UsageError) as error:
        _LOG.warning('no run of "%s" is deleted or expires: %s', name, error)
        return Terms(None, None)
    return Terms(definition.retention, definition.expires)


def _newest(engine: "Engine", name: str) -> Definition:
    flow = engine.library.newest(name)
    if flow is None:
        digest = engine.store.newest(name)
        assert digest is not None, "a name that the store told"
        flow = engine.library.pinned(engine.store, digest)
    return flow.definition


def _is_past(run: Aged, terms: Mapping[str, Terms], now: int) -> bool:
    if run.status not in ENDED or run.workflow not in terms:
        return False
    kept_ms = terms[run.workflow].retention
    return kept_ms is not None and run.updated_at <= now - kept_ms


def _is_abandoned(run: Aged, terms: Mapping[str, Terms], now: int) -> bool:
    """Return whether only somebody from outside could move the run, and nobody has for too long."""
    if not run.resting or run.paused or run.workflow not in terms:
        return False
    expires_ms = terms[run.workflow].expires
    return expires_ms is not None and run.idle_since <= now - expires_ms


def _is_young(run: Aged, terms: Iterable[Terms], now: int) -> bool:
    """Return whether a run, and so every later one, began too late for its time to have come by any terms."""
    ages = [age_ms for known in terms for age_ms in known if age_ms is not None]
    return not ages or run.started_at > now - min(ages)


class _Moved(Exception):
    """The run is not what it was when it was found abandoned."""


def _cancelled(engine: "Engine", aged: Aged, expires_ms: int | None, now: int) -> bool:
    assert expires_ms is not None
    reason = f"expired: no transition for {format_duration(expires_ms)} or more"

    def cancel(run: Run) -> Decision:
        if run.seq != aged.seq or not (run.status == "ready" or (run.status == "waiting" and run.due_at is None)):
            raise _Moved
        return moves.cancel(run, now, ACTOR, reason)

    try:
        engine.move(aged.id, cancel)
    except _Moved:
        return False
    return True
