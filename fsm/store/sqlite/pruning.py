"""Runs by age, and deleting them a bounded number of rows at a time."""

import json
import sqlite3
from collections.abc import Sequence

from fsm.store.answers import ROWS_DELETED_MAX, Aged, Deleted
from fsm.store.sqlite.base import Opened
from fsm.store.sqlite.claims import Holders
from fsm.store.sqlite.pauses import PAUSED

_OWNED = (
    ("transitions", ("id",), "detail"),
    ("artifacts", ("id",), "value"),
    ("signals", ("id",), "payload"),
    ("checkpoints", ("visit", "name"), "value"),
    ("beats", ("run_id",), "detail"),
)
"""What belongs to a run by its row: each table, what tells its rows apart, and the column that may be large.

The law lets it go only when the run itself is gone.
"""

_AGED = f"""
SELECT uid, id, name, state, status, seq, started_at, updated_at,
  max(updated_at, coalesce((SELECT max(ended_at) FROM pauses_past p
    WHERE p.workflow IN ('', runs.name) AND p.state IN ('', runs.state)), 0)),
  status = 'ready' OR (status = 'waiting' AND due_at IS NULL), {PAUSED}
FROM runs WHERE uid > ? ORDER BY uid LIMIT ?
"""  # noqa: S608 - the texts of this room
_STILL_ENDED = (
    "SELECT 1 FROM runs WHERE id = ? AND uid = ? AND seq = ? AND status NOT IN ('ready', 'running', 'waiting')"
)
_OF_THESE = "run_id IN (SELECT value FROM json_each(?))"

_WORKERS_MAX = 100
_IDLE = """
SELECT id, pid FROM workers w WHERE NOT EXISTS(SELECT 1 FROM runs WHERE worker_id = w.id AND status = 'running')
ORDER BY id LIMIT ?
"""

_CHARS_PER_ROW = 4_000
"""A value counts as one row more for each page that it fills, since deleting it reads them all."""

_BYTES_PER_ROW = 1_000
"""What a deleted row adds to the log, about: it shares the pages that change with its neighbours."""


class Pruning(Opened):
    """The part of the store that finds runs by age and deletes them."""

    _holders: Holders

    def aged(self, after: str, limit: int) -> list[Aged]:
        rows = self._read(_AGED, (after, limit))
        return [Aged._make((*row, bool(resting), bool(paused))) for *row, resting, paused in rows]

    def prune(self, runs: Sequence[Aged], *, rows_max: int = ROWS_DELETED_MAX) -> Deleted:
        def delete(sql: sqlite3.Connection) -> Deleted:
            self._forget_workers(sql)
            return _prune(sql, runs, rows_max)

        deleted = self._durably(delete, self._are_gone)
        self._connection.wrote(deleted.rows * _BYTES_PER_ROW)
        return deleted

    def _forget_workers(self, sql: sqlite3.Connection) -> None:
        """Delete the rows of workers that are dead and hold no run: each process that ever claimed one has left one."""
        dead = [
            (worker,)
            for worker, pid in sql.execute(_IDLE, (_WORKERS_MAX,)).fetchall()
            if worker != self._holders.worker and not self._life.shown(worker, pid)
        ]
        sql.executemany("DELETE FROM workers WHERE id = ?", dead)

    def _are_gone(self, deleted: Deleted) -> bool:
        return not any(self._read("SELECT 1 FROM runs WHERE uid = ?", (run_id,)) for run_id in deleted.ids)


def _prune(sql: sqlite3.Connection, runs: Sequence[Aged], rows_max: int) -> Deleted:
    """Delete inside an open transaction: first what earlier ones left, then the runs, as far as `rows_max` reaches."""
    left = clear(sql, [number for (number,) in sql.execute("SELECT run_id FROM remains").fetchall()], rows_max)
    taken: dict[int, str] = {}
    expected, is_whole = 0, True
    for run in runs:
        if expected >= left:
            is_whole = False
            break
        if sql.execute(_STILL_ENDED, (run.row, run.id, run.seq)).fetchone():
            taken[run.row] = run.id
            expected += 1 + 2 * run.seq  # a row of the ledger and, mostly, an artifact for each transition
    sql.executemany("DELETE FROM runs WHERE id = ?", [(number,) for number in taken])
    left = clear(sql, list(taken), left - len(taken))
    return Deleted(tuple(taken.values()), rows_max - left, is_whole and left > 0)


def clear(sql: sqlite3.Connection, numbers: Sequence[int], left: int) -> int:
    """Delete what runs left behind inside an open transaction, about as many rows as `left`, and return the rest of it.

    What is not reached stays noted in `remains`, for a prune to come.
    """
    given = (json.dumps(numbers),)
    for table, key, large in _OWNED:
        if left <= 0:
            return left
        gone = []
        sizes = f"SELECT run_id, {', '.join(key)}, coalesce(length({large}), 0) FROM {table} WHERE {_OF_THESE}"  # noqa: S608
        # Read row by row, so that no more large values are touched than may be deleted.
        for *place, size in sql.execute(sizes, given):
            gone.append(place)
            left -= 1 + size // _CHARS_PER_ROW
            if left <= 0:
                break
        if left > 0:
            sql.execute(f"DELETE FROM {table} WHERE {_OF_THESE}", given)  # noqa: S608
        else:
            same = " AND ".join(f"{column} = ?" for column in ("run_id", *key))
            sql.executemany(f"DELETE FROM {table} WHERE {same}", gone)  # noqa: S608
    if left > 0:
        sql.execute(f"DELETE FROM remains WHERE {_OF_THESE}", given)  # noqa: S608
    return left
