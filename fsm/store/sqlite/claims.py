"""Taking runs: which could go on, who holds them, and whether that process still lives."""

import sqlite3

from fsm.store.lock import Life


def claimable(sql: sqlite3.Connection, life: Life, now: int) -> list[str]:
    """Return the ids of runs that are ready, due, or left behind by a dead process, oldest first."""
    rows = sql.execute(
        "SELECT uid FROM runs WHERE status = 'ready' "
        "UNION SELECT uid FROM runs WHERE status = 'waiting' AND due_at <= ? ORDER BY uid",
        (now,),
    ).fetchall()
    left = [
        row
        for worker in _dead(sql, life)
        for row in sql.execute("SELECT uid FROM runs WHERE status = 'running' AND worker_id = ?", (worker,))
    ]
    return sorted({uid for (uid,) in (*rows, *left)})


def _dead(sql: sqlite3.Connection, life: Life) -> list[int]:
    """Return the workers that hold runs and are dead."""
    holders = sql.execute(
        "SELECT id, pid FROM workers WHERE id IN (SELECT DISTINCT worker_id FROM runs WHERE status = 'running')"
    ).fetchall()
    return [worker for worker, pid in holders if not life.shown(worker, pid)]


def held(sql: sqlite3.Connection, life: Life, run_id: str) -> bool:
    """Return whether a living process drives the run."""
    holder = sql.execute(
        "SELECT w.id, w.pid FROM runs r JOIN workers w ON w.id = r.worker_id WHERE r.uid = ? AND r.status = 'running'",
        (run_id,),
    ).fetchone()
    return holder is not None and life.shown(*holder)


def could_go_on(sql: sqlite3.Connection, life: Life, run_id: str, now: int) -> bool:
    """Return whether a claim is worth a transaction."""
    row = sql.execute("SELECT status, due_at FROM runs WHERE uid = ?", (run_id,)).fetchone()
    if row is None:
        return False
    status, due_at = row
    if status == "running":
        return not held(sql, life, run_id)
    return status == "ready" or (status == "waiting" and due_at is not None and due_at <= now)


def take(sql: sqlite3.Connection, life: Life, run_id: str, worker: int, now: int) -> bool:
    """Take the run inside an open transaction; return whether it could be taken.

    Taking it from a dead holder counts a crash, and tells the next attempt that it may repeat one.
    """
    if not could_go_on(sql, life, run_id, now):
        return False
    sql.execute(
        "UPDATE runs SET status = 'running', worker_id = ?, epoch = epoch + 1, due_at = NULL, awaits = NULL, "
        "crashes = crashes + (status = 'running'), interrupted = interrupted OR status = 'running' WHERE uid = ?",
        (worker, run_id),
    )
    return True
