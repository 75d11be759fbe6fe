"""Taking runs: which could go on, who holds them, and whether that process still lives."""

import sqlite3

from fsm.model.run import Run
from fsm.store.lock import Life
from fsm.store.sqlite.pauses import PAUSED

_RESTING = f"""
SELECT uid FROM runs WHERE status = 'ready' AND NOT {PAUSED}
UNION SELECT uid FROM runs WHERE status = 'waiting' AND due_at IS NOT NULL
-- Only retries leave `tries` behind, and a run that awaits somebody is in no delay.
AND (due_at <= ? OR (? AND tries IS NOT NULL AND awaits IS NULL)) AND NOT {PAUSED}
"""  # noqa: S608 - the texts of this package
_DRIVEN = f"""
SELECT uid, w.id, w.pid, runs.id, epoch FROM runs JOIN workers w ON w.id = worker_id
WHERE status = 'running' AND NOT {PAUSED}
"""  # noqa: S608


class Holders:
    """Who still holds what was claimed: other processes while they live, this one what it has not let go.

    Letting go is noted here even where it cannot be written, so that a full disk leaves no run behind.
    """

    def __init__(self, life: Life) -> None:
        self.life = life
        self.worker: int | None = None
        self._driven: set[tuple[int, int]] = set()

    def take(self, run: Run) -> None:
        self._driven.add((run.row, run.epoch))

    def let_go(self, run: Run) -> None:
        self._driven.discard((run.row, run.epoch))

    def hold(self, worker: int, pid: int, row: int, epoch: int) -> bool:
        """Return whether whoever claimed the run of this row and epoch still drives it."""
        if worker == self.worker:
            return (row, epoch) in self._driven
        return self.life.shown(worker, pid)


def claimable(sql: sqlite3.Connection, holders: Holders, now: int, *, delayed: bool) -> list[str]:
    """Return the ids of runs that are ready, due, or left behind by a dead process, and not paused; oldest first."""
    rows = sql.execute(_RESTING, (now, delayed)).fetchall()
    claimed = sql.execute(_DRIVEN).fetchall()
    return sorted({*(uid for (uid,) in rows), *(uid for uid, *claim in claimed if not holders.hold(*claim))})


def held(sql: sqlite3.Connection, holders: Holders, run_id: str) -> bool:
    """Return whether a living process drives the run."""
    claim = sql.execute(
        "SELECT w.id, w.pid, r.id, r.epoch FROM runs r JOIN workers w ON w.id = r.worker_id "
        "WHERE r.uid = ? AND r.status = 'running'",
        (run_id,),
    ).fetchone()
    return claim is not None and holders.hold(*claim)


def could_go_on(sql: sqlite3.Connection, holders: Holders, run_id: str, now: int) -> bool:
    """Return whether a claim is worth a transaction."""
    row = sql.execute(f"SELECT status, due_at FROM runs WHERE uid = ? AND NOT {PAUSED}", (run_id,)).fetchone()  # noqa: S608
    if row is None:
        return False
    status, due_at = row
    if status == "running":
        return not held(sql, holders, run_id)
    return status == "ready" or (status == "waiting" and due_at is not None and due_at <= now)


def take(sql: sqlite3.Connection, holders: Holders, run_id: str, worker: int, now: int) -> bool:
    """Take the run inside an open transaction; return whether it could be taken.

    Taking it from a dead holder counts a crash, and tells the next attempt that it may repeat one.
    """
    if not could_go_on(sql, holders, run_id, now):
        return False
    sql.execute(
        "UPDATE runs SET status = 'running', worker_id = ?, epoch = epoch + 1, due_at = NULL, awaits = NULL, "
        "crashes = crashes + (status = 'running'), interrupted = interrupted OR status = 'running' WHERE uid = ?",
        (worker, run_id),
    )
    return True
