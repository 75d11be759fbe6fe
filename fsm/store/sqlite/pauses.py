"""Pauses: what holds runs back, inside the very transactions that would move them on.

Nothing is polled: a claim reads the table in its own transaction, and a commit looks at it too, so that from the
moment a pause is committed no action of what it covers starts in any process.
"""

import json
import sqlite3
from collections.abc import Iterable

from fsm.model.pause import PastPause, Pause
from fsm.model.run import PERSON
from fsm.store.sqlite.base import Opened

PAUSED = "EXISTS(SELECT 1 FROM pauses p WHERE p.workflow IN ('', runs.name) AND p.state IN ('', runs.state))"
"""Whether the row of `runs` that a statement looks at is paused; a claim must not take it then."""

_COLUMNS = "workflow, state, stops_actions, actor, reason, at"
_PERSON = json.dumps(PERSON, separators=(",", ":"))


_WAKE = """
UPDATE runs SET status = 'ready' WHERE id IN (SELECT run_id FROM signals WHERE used_seq IS NULL AND refused = 0)
AND (?, ?) IN (('', ''), (name, ''), (name, state)) AND status = 'waiting' AND awaits <> ?
AND EXISTS(SELECT 1 FROM signals s WHERE s.run_id = runs.id AND s.used_seq IS NULL AND s.refused = 0
  AND s.name IN (SELECT value FROM json_each(runs.awaits)))
"""
_HELD_BACK = f"""
SELECT (SELECT count(*) FROM runs WHERE status = 'ready' AND {PAUSED})
  + (SELECT count(*) FROM runs WHERE status = 'waiting' AND due_at IS NOT NULL AND due_at <= ? AND {PAUSED})
"""  # noqa: S608 - the texts of this module


class Scopes:
    """What is paused, as one transaction sees it."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._paused = set(sql.execute("SELECT workflow, state FROM pauses").fetchall())

    def __bool__(self) -> bool:
        return bool(self._paused)

    def cover(self, workflow: str, state: str) -> bool:
        """Return whether a state of a workflow is paused."""
        return not self._paused.isdisjoint({("", ""), (workflow, ""), (workflow, state)})


def put_to_rest(sql: sqlite3.Connection, rows: Iterable[int]) -> None:
    """Give runs back, by their row numbers, that would go on in a state that is paused."""
    sql.execute(
        "UPDATE runs SET status = 'ready', worker_id = NULL "
        "WHERE id IN (SELECT value FROM json_each(?)) AND status = 'running'",
        (json.dumps(list(rows)),),
    )


class Pauses(Opened):
    """The part of the store that holds runs back."""

    def pauses(self) -> list[Pause]:
        return [_pause(row) for row in self._read(f"SELECT {_COLUMNS} FROM pauses ORDER BY workflow, state")]  # noqa: S608

    def past_pauses(self, limit: int = 50) -> list[PastPause]:
        rows = self._read(
            f"SELECT {_COLUMNS}, ended_at, ended_actor, ended_reason FROM pauses_past ORDER BY id DESC LIMIT ?",  # noqa: S608
            (limit,),
        )
        return [PastPause(_pause(row[:6]), *row[6:]) for row in rows]

    def held_back(self, now: int) -> int:
        ((count,),) = self._read(_HELD_BACK, (now,))
        return int(count)

    def pause(self, pause: Pause) -> None:
        def put(sql: sqlite3.Connection) -> None:
            _end(sql, pause.workflow, pause.state, pause.at, pause.actor, "paused anew")
            sql.execute(f"INSERT INTO pauses({_COLUMNS}) VALUES (?,?,?,?,?,?)", pause)  # noqa: S608

        self._durably(put, lambda _: pause in self.pauses())

    def unpause(
        self, workflow: str, state: str, now: int, *, actor: str | None = None, reason: str | None = None
    ) -> Pause | None:
        def lift(sql: sqlite3.Connection) -> Pause | None:
            ended = _end(sql, workflow, state, now, actor, reason)
            if ended is not None:
                _wake(sql, workflow, state)
            return ended

        return self._durably(
            lift, lambda ended: ended is None or all((p.workflow, p.state) != (workflow, state) for p in self.pauses())
        )


def _end(
    sql: sqlite3.Connection, workflow: str, state: str, now: int, actor: str | None, reason: str | None
) -> Pause | None:
    """Move a pause, if there is one, to those that are over."""
    rows = sql.execute(f"DELETE FROM pauses WHERE workflow = ? AND state = ? RETURNING {_COLUMNS}",  # noqa: S608
                       (workflow, state)).fetchall()  # fmt: skip
    if not rows:
        return None
    sql.execute(f"INSERT INTO pauses_past({_COLUMNS}, ended_at, ended_actor, ended_reason) VALUES (?,?,?,?,?,?,?,?,?)",  # noqa: S608
                (*rows[0], now, actor, reason))  # fmt: skip
    return _pause(rows[0])


def _wake(sql: sqlite3.Connection, workflow: str, state: str) -> None:
    """Let those runs look into their inbox that await a signal which came while they were paused."""
    sql.execute(_WAKE, (workflow, state, _PERSON))


def _pause(row: tuple[str, str, int, str | None, str | None, int]) -> Pause:
    workflow, state, stops_actions, actor, reason, at = row
    return Pause(workflow, state, bool(stops_actions), actor, reason, at)
