"""Workflows: their versions with text and edges, and the maps of states between versions."""

import os
import sqlite3
from collections.abc import Mapping

from fsm.errors import NotFound, UsageError
from fsm.model.workflow import Workflow
from fsm.store.sqlite.base import Opened


class Workflows(Opened):
    """The part of the store that keeps workflows. What is read of one is remembered: it never changes."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._pinned: dict[int, tuple[int, str]] = {}
        self._numbers: dict[str, int] = {}

    def save(self, flow: Workflow, text: str, now: int) -> None:
        if self._number(flow.digest) is not None:
            return
        self._durably(lambda sql: _store(sql, flow, text, now), lambda _: self._number(flow.digest) is not None)

    def _number(self, digest: str) -> int | None:
        number = self._numbers.get(digest)
        if number is None:
            for number, version in self._read("SELECT id, version FROM workflows WHERE digest = ?", (digest,)):
                self._numbers[digest] = number
                self._pinned[number] = (version, digest)
        return self._numbers.get(digest)

    def _known(self, digest: str) -> int:
        number = self._numbers.get(digest) or self._number(digest)
        if number is None:
            raise NotFound(f"the store has no workflow with digest {digest}; save it before its first run")
        return number

    def text(self, digest: str) -> str:
        rows = self._read("SELECT text FROM workflows WHERE digest = ?", (digest,))
        if not rows:
            raise NotFound(f"the store has no workflow with digest {digest}")
        return str(rows[0][0])

    def newest(self, name: str) -> str | None:
        rows = self._read("SELECT digest FROM workflows WHERE name = ? ORDER BY version DESC LIMIT 1", (name,))
        return rows[0][0] if rows else None

    def names(self) -> list[str]:
        return [name for (name,) in self._read("SELECT DISTINCT name FROM workflows ORDER BY name")]

    def states(self, workflow: str) -> set[str]:
        of_it = "FROM edges WHERE workflow_id IN (SELECT id FROM workflows WHERE name = ?)"
        return {state for (state,) in self._read(f"SELECT source {of_it} AND source <> '' UNION SELECT target {of_it}",
                                                 (workflow, workflow))}  # fmt: skip

    def versions(self, name: str) -> dict[int, str]:
        return dict(self._read("SELECT version, digest FROM workflows WHERE name = ? ORDER BY version", (name,)))

    def map_states(self, old: str, new: str, states: Mapping[str, str]) -> None:
        def write(sql: sqlite3.Connection) -> None:
            (pair,) = sql.execute("SELECT o.id, n.id FROM workflows o, workflows n WHERE o.digest = ? AND n.digest = ?",
                                  (old, new)).fetchall()  # fmt: skip
            sql.execute("DELETE FROM state_maps WHERE workflow_id = ? AND to_id = ?", pair)
            sql.executemany("INSERT INTO state_maps(workflow_id, to_id, source, target) VALUES (?,?,?,?)",
                            [(*pair, *one) for one in states.items()])  # fmt: skip

        self._durably(write)


def _store(sql: sqlite3.Connection, flow: Workflow, text: str, now: int) -> None:
    """Store a workflow and its edges, and seal it; one that is there already is left as it is."""
    other = sql.execute("SELECT digest FROM workflows WHERE name = ? AND version = ?",
                        (flow.name, flow.version)).fetchone()  # fmt: skip
    if other and other[0] != flow.digest:
        raise UsageError(
            f'the content of "{flow.name}" changed under version {flow.version}, of which the store already '
            f"has runs; give the changed file version {flow.version + 1}"
        )
    if other:
        return
    ((number,),) = sql.execute("INSERT INTO workflows(name, version, digest, text, at) VALUES (?,?,?,?,?) RETURNING id",
                               (flow.name, flow.version, flow.digest, text, now)).fetchall()  # fmt: skip
    sql.executemany("INSERT INTO edges(workflow_id, source, event, target, ends) VALUES (?,?,?,?,?)",
                    [(number, *edge) for edge in flow.edges])  # fmt: skip
    sql.execute("UPDATE workflows SET sealed = 1 WHERE id = ?", (number,))
