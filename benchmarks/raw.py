"""The raw loop: the statements that the engine's edges come down to, and nothing around them.

The tables, indexes, pragmas and texts are the store's own, taken from where it has them; left out are triggers, hashes,
the writer lock, and all of Python but the calls of `execute`. Its rows are those of a run that the engine has made.
"""

import re
import sqlite3
from pathlib import Path
from typing import Any

from benchmarks.figures import Slice, Stopwatch
from fsm.store.sqlite.connection import _FRAMES_PER_COMMIT, _SETTINGS, FRAMES_PER_CHECKPOINT
from fsm.store.sqlite.edges import _INSERT_ONE, _insert_artifacts
from fsm.store.sqlite.rows import TRANSITION_COLUMNS
from fsm.store.sqlite.schema import LAW, SCRIPTS, script, statements

COMMITS_PER_CHECKPOINT = -(-FRAMES_PER_CHECKPOINT // _FRAMES_PER_COMMIT)
_COLUMNS = f"run_id, workflow_id, {TRANSITION_COLUMNS}"
_ARTIFACT = _insert_artifacts(1)

Row = tuple[Any, ...]


def update() -> str:
    """Return the statement that moves a run, as the trigger has it, with the ledger row's columns as parameters."""
    found = re.search(r"CREATE TRIGGER go_on\b.*?BEGIN\s+(UPDATE\b.*?);\s*END;", script(LAW), re.DOTALL)
    assert found, "the schema has no trigger go_on"
    places = {column: place for place, column in enumerate(_COLUMNS.split(", "), 1)}
    return re.sub(r"NEW\.(\w+)", lambda column: f"?{places[column[1]]}", found[1])


class RawLoop:
    """A database of the store's tables, and a loop that writes the rows of one run into it, edge by edge.

    Args:
        path: of the new database.
        store: a database of the engine, whose last run is the pattern.
    """

    def __init__(self, path: Path, store: Path) -> None:
        self._sql = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        for name, wanted in _SETTINGS.items():
            self._sql.execute(f"PRAGMA {name}={wanted}")
        for statement in (one for name in SCRIPTS for one in statements(script(name))):
            self._sql.execute(statement)
        self._update = update()
        self._run, self._edges = _pattern(store)
        self._number = 0
        self._since_checkpoint = 0

    def close(self) -> None:
        self._sql.close()

    def __call__(self) -> Slice:
        """Write one more run like the pattern."""
        edges = self._next()
        execute, moved = self._sql.execute, self._update
        watch = Stopwatch()
        for row, artifact in edges:
            execute("BEGIN IMMEDIATE")
            execute(_INSERT_ONE, row)
            if artifact:
                execute(_ARTIFACT, artifact)
            execute(moved, row)
            execute("COMMIT")
            self._since_checkpoint += 1
            if self._since_checkpoint >= COMMITS_PER_CHECKPOINT:
                self._since_checkpoint = 0
                execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return watch.per(len(edges))

    def _next(self) -> list[tuple[Row, Row | None]]:
        """Bear a run, and return its rows with its number in them."""
        self._number += 1
        born = {**self._run, "id": self._number, "uid": f"{self._number:026}", "state": "", "status": "running",
                "seq": 0, "visits": None, "worker_id": 1}  # fmt: skip
        self._sql.execute(f"INSERT INTO runs({','.join(born)}) VALUES ({','.join('?' * len(born))})", [*born.values()])
        return [((self._number, *row), artifact and (self._number, *artifact)) for row, artifact in self._edges]


def _pattern(store: Path) -> tuple[dict[str, Any], list[tuple[Row, Row | None]]]:
    """Return a store's last run, and its ledger rows with the artifact each wrote, without the run's number."""
    sql = sqlite3.connect(store)
    try:
        found = sql.execute("SELECT * FROM runs ORDER BY id DESC LIMIT 1")
        run = dict(zip([column[0] for column in found.description], found.fetchone(), strict=True))
        artifacts = {seq: (name, seq, value, digest) for name, seq, value, digest in sql.execute(
            "SELECT name, seq, value, digest FROM artifacts WHERE run_id = ?", (run["id"],)) if seq}  # fmt: skip
        rows = sql.execute(f"SELECT workflow_id, {TRANSITION_COLUMNS} FROM transitions WHERE run_id = ? ORDER BY seq",
                           (run["id"],)).fetchall()  # fmt: skip
    finally:
        sql.close()
    return run, [(row, artifacts.get(row[1])) for row in rows]
