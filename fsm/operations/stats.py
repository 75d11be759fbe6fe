"""Stats: what there is in a store, and what happened in it lately."""

from typing import NamedTuple

from fsm.engine.engine import Engine
from fsm.model.census import Lately, Present
from fsm.model.durations import UNITS_MS
from fsm.operations.naming import require_stored

SINCE_MS = UNITS_MS["d"]
ROWS_MAX = 250_000
"""How many rows of the ledger are looked at where nobody asked for a window; a second or two."""

LATE_MS = UNITS_MS["m"]
_HOURS_MAX_MS = 2 * UNITS_MS["d"]


class Stats(NamedTuple):
    """What a store holds at an instant, and what happened in the time before it.

    Attributes:
        at: now, UTC milliseconds.
        since_ms: how long the window is, which ends now.
        late_ms: after how long without being driven a run that could go on counts as stuck.
        bucket_ms: the step of `lately.deaths`: an hour, or a day in a window of more than two.
    """

    at: int
    since_ms: int
    late_ms: int
    bucket_ms: int
    present: Present
    lately: Lately


def stats(engine: Engine, *, workflow: str | None = None, since_ms: int | None = None, late_ms: int = LATE_MS) -> Stats:
    """Count live and dead runs, find stuck ones, and sum up what the ledger says of the time before now.

    What has ended is looked at in a window only, so that the work stays the same however many runs there are. Durations
    are exact within the window: of every visit that was left in it.

    Args:
        workflow: only runs of this one.
        since_ms: how long the window is; by default a day, or as much of it as is in the newest 250,000 rows.
        late_ms: how long a run may be due, or ready, without being driven before it counts as stuck.

    Raises:
        NotFound: the store has no such workflow.
    """
    require_stored(engine, workflow)
    now = engine.clock.now()
    asked_ms = SINCE_MS if since_ms is None else since_ms
    bucket_ms = UNITS_MS["h"] if asked_ms <= _HOURS_MAX_MS else UNITS_MS["d"]
    present = engine.store.present(now, workflow=workflow, late_ms=late_ms)
    lately = engine.store.lately(
        now - asked_ms, workflow=workflow, bucket_ms=bucket_ms, rows_max=ROWS_MAX if since_ms is None else None
    )
    return Stats(now, now - lately.since, late_ms, bucket_ms, present, lately)
