"""Deleting runs with everything they have, and what is kept of those that somebody dropped."""

import json
import sqlite3
from collections.abc import Sequence

from fsm.model.run import Run
from fsm.store.answers import ROWS_DELETED_MAX, Dropped
from fsm.store.sqlite.base import Opened
from fsm.store.sqlite.pruning import clear


class Removal(Opened):
    """The part of the store that deletes runs."""

    def delete(self, runs: Sequence[Run], dropped: Dropped | None = None) -> list[Run]:
        asked = json.dumps([[run.row, run.seq] for run in runs])

        def remove(sql: sqlite3.Connection) -> list[int]:
            rows = [row for (row,) in sql.execute(
                "SELECT r.id FROM json_each(?) a JOIN runs r ON r.id = json_extract(a.value, '$[0]') "
                "WHERE r.seq = json_extract(a.value, '$[1]') AND r.status NOT IN ('ready', 'running', 'waiting')",
                (asked,),
            ).fetchall()]  # fmt: skip
            ended = json.dumps(rows)
            left = sql.execute(_LEFT, (ended,)).fetchall() if dropped else []
            sql.execute("DELETE FROM runs WHERE id IN (SELECT value FROM json_each(?))", (ended,))
            clear(sql, rows, ROWS_DELETED_MAX)
            if dropped:
                sql.executemany(_KEEP, [(*row, dropped.at, dropped.actor, dropped.reason) for row in left])
            return rows

        gone = self._durably(remove, lambda rows: not self._there(rows))
        return [run for run in runs if run.row in set(gone)]

    def _there(self, rows: Sequence[int]) -> bool:
        return bool(self._read("SELECT 1 FROM runs WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(rows),)))

    def dropped(self, run_id: str) -> Dropped | None:
        # As with runs: a prefix is enough where only one has it.
        found = self._read("SELECT at, actor, reason, uid FROM dropped WHERE uid >= ? AND uid < ? LIMIT 2",
                           (run_id.upper(), run_id.upper() + "{"))  # fmt: skip
        return Dropped(*found[0]) if len(found) == 1 else None


_LEFT = (
    "SELECT r.uid, r.name, w.version, r.key, r.state, r.status, r.seq, r.head FROM runs r "
    "JOIN workflows w ON w.id = r.workflow_id WHERE r.id IN (SELECT value FROM json_each(?))"
)
_KEEP = (
    "INSERT INTO dropped(uid, name, version, key, state, status, seq, head, at, actor, reason) "
    "VALUES (?,?,?,?,?,?,?,?,?,?,?)"
)
