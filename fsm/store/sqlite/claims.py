"""Taking runs: which could go on, who holds them, and whether that process still lives."""

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from fsm.kernel.fair import Candidate
from fsm.model.run import Run
from fsm.store.lock import Life
from fsm.store.sqlite.pauses import PAUSED
from fsm.store.sqlite.rows import RUN_COLUMNS

_RESTING = f"""
SELECT uid FROM runs WHERE status = 'ready' AND NOT {PAUSED}
UNION SELECT uid FROM runs WHERE status = 'waiting' AND due_at IS NOT NULL
-- Only retries leave `tries` behind, and a run that awaits somebody is in no delay.
AND (due_at <= ? OR (? AND tries IS NOT NULL AND awaits IS NULL)) AND NOT {PAUSED}
"""  # noqa: S608 - the texts of this package

_HELD = (
    "SELECT uid, w.id, w.pid, w.expires_at, runs.id, epoch FROM runs JOIN workers w ON w.id = worker_id "
    "WHERE status = 'running' "
)
_CANDIDATE = "id, name, priority, crashes"

_WORKFLOWS = """
WITH RECURSIVE found(name) AS (
  SELECT min(name) FROM runs WHERE status = 'ready'
  UNION ALL SELECT (SELECT min(name) FROM runs WHERE status = 'ready' AND name > found.name)
  FROM found WHERE found.name IS NOT NULL)
SELECT json_group_array(name) FROM found WHERE name IS NOT NULL
"""
"""The workflows with ready runs, by one step through the index for each, however many runs they have."""

_FIRST_SUSPECT = """
id = (SELECT min(id) FROM runs INDEXED BY runs_suspect
  WHERE crashes >= 2 AND (status = 'ready' OR status = 'waiting' AND due_at <= ?) AND MAY)
"""
"""The oldest run that could go on and has crashed its process twice, however many others are before it."""

_MAY = f"""
NOT EXISTS(SELECT 1 FROM json_each(?) u WHERE u.value = runs.workflow_id || '/' || runs.state)
AND runs.id NOT IN (SELECT value FROM json_each(?)) AND NOT {PAUSED}
"""  # noqa: S608 - the texts of this package
"""Whether a run may be driven: the caller can perform its state and does not shun it, and no pause covers it."""


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

    def hold(self, worker: int, pid: int, expires_at: int | None, row: int, epoch: int, *, now: int) -> bool:
        """Return whether whoever claimed the run of this row and epoch still drives it.

        A process that lives but gave no sign until its lease was over has lost its runs too: it may be stopped.
        """
        if worker == self.worker:
            return (row, epoch) in self._driven
        if expires_at is not None and now >= expires_at:
            return False
        return self.life.shown(worker, pid)


def claimable(sql: sqlite3.Connection, holders: Holders, now: int, *, delayed: bool) -> list[str]:
    """Return the ids of runs that are ready, due, or left behind by a dead process, and not paused; oldest first."""
    rows = sql.execute(_RESTING, (now, delayed)).fetchall()
    return sorted({*(uid for (uid,) in rows), *(uid for uid, _ in left_behind(sql, holders, now))})


def left_behind(sql: sqlite3.Connection, holders: Holders, now: int) -> list[tuple[str, int]]:
    """Return id and row of every run whose holder is dead, or has let its lease run out, and that is not paused."""
    claimed = sql.execute(f"{_HELD} AND NOT {PAUSED}").fetchall()
    return [(uid, claim[3]) for uid, *claim in claimed if not holders.hold(*claim, now=now)]


def held(sql: sqlite3.Connection, holders: Holders, run_id: str, now: int) -> bool:
    """Return whether a living process drives the run."""
    claim = sql.execute(f"{_HELD} AND uid = ?", (run_id,)).fetchone()
    return claim is not None and holders.hold(*claim[1:], now=now)


def could_go_on(sql: sqlite3.Connection, holders: Holders, run_id: str, now: int) -> bool:
    """Return whether a claim is worth a transaction."""
    row = sql.execute(f"SELECT status, due_at FROM runs WHERE uid = ? AND NOT {PAUSED}", (run_id,)).fetchone()  # noqa: S608
    if row is None:
        return False
    status, due_at = row
    if status == "running":
        return not held(sql, holders, run_id, now)
    return status == "ready" or (status == "waiting" and due_at is not None and due_at <= now)


def candidates(
    sql: sqlite3.Connection, now: int, limit: int, orphans: Collection[int], unable: Collection[str],
    shunned: Collection[int],
) -> list[Candidate]:  # fmt: skip
    """Return runs that could be claimed: of every workflow with ready ones the first, the due ones, and the orphans.

    The first of those that have crashed their process twice is always among them.

    Args:
        limit: how many of each workflow, and how many due ones, at most.
        orphans: rows of runs whose holder is dead.
        unable: what the caller cannot perform, as "workflow_id/state".
        shunned: rows of runs that are left out.
    """
    paused = {name for (name,) in sql.execute("SELECT workflow FROM pauses WHERE state = ''")}
    if "" in paused:
        return []
    lacking = (json.dumps(sorted(unable)), json.dumps(sorted(shunned)))
    found: list[tuple[Any, ...]] = []
    ((names,),) = sql.execute(_WORKFLOWS).fetchall()
    for name in set(json.loads(names)) - paused:  # many may be ready under a pause, and none is looked at
        found += _gathered(sql, f"status = 'ready' AND name = ? AND {_MAY} ORDER BY priority DESC, id LIMIT ?",
                           (name, *lacking, limit))  # fmt: skip
    found += _gathered(sql, f"status = 'waiting' AND due_at <= ? AND {_MAY} ORDER BY due_at LIMIT ?",
                       (now, *lacking, limit))  # fmt: skip
    found += _gathered(sql, _FIRST_SUSPECT.replace("MAY", _MAY), (now, *lacking))
    if orphans:
        left = _gathered(sql, f"id IN (SELECT value FROM json_each(?)) AND status = 'running' AND {_MAY}",  # noqa: S608 - as above
                         (json.dumps(sorted(orphans)), *lacking))  # fmt: skip
        found += [(row, name, priority, crashes + 1) for row, name, priority, crashes in left]
    return list({one[0]: Candidate(*one) for one in found}.values())


def _gathered(sql: sqlite3.Connection, condition: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return candidates in one step of SQLite: each row it hands back by itself gives the interpreter away."""
    ((found,),) = sql.execute(
        f"SELECT json_group_array(json_array({_CANDIDATE})) FROM "  # noqa: S608 - fixed text of this module
        f"(SELECT {_CANDIDATE} FROM runs WHERE {condition})",
        parameters,
    ).fetchall()
    return [tuple(one) for one in json.loads(found)]


def take(sql: sqlite3.Connection, rows: Collection[int], worker: int) -> None:
    """Take runs inside an open transaction, each known to be claimable.

    Taking one from a dead holder counts a crash, and tells the next attempt that it may repeat one.
    """
    sql.execute(
        "UPDATE runs SET status = 'running', worker_id = ?, epoch = epoch + 1, due_at = NULL, awaits = NULL, "
        "crashes = crashes + (status = 'running'), interrupted = interrupted OR status = 'running' "
        "WHERE id IN (SELECT value FROM json_each(?))",
        (worker, json.dumps(sorted(rows))),
    )


_COLUMNS = RUN_COLUMNS.split(", ")
_HEAD = _COLUMNS.index("head")
_AS_JSON = ", ".join("hex(head)" if name == "head" else name for name in _COLUMNS)


def rows_of(sql: sqlite3.Connection, rows: Collection[int]) -> list[tuple[Any, ...]]:
    """Return the columns of runs by their row numbers, oldest first, in one step of SQLite."""
    ((found,),) = sql.execute(
        f"SELECT json_group_array(json_array({_AS_JSON})) FROM "  # noqa: S608 - fixed text of this module
        "(SELECT * FROM runs WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id)",
        (json.dumps(sorted(rows)),),
    ).fetchall()
    return [(*one[:_HEAD], bytes.fromhex(one[_HEAD]), *one[_HEAD + 1 :]) for one in json.loads(found)]
