"""Runs as they stand: one, or those that meet conditions."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from fsm.errors import NotFound
from fsm.model.run import Artifact, Run, Status
from fsm.store.ledger import input_digest
from fsm.store.sqlite.connection import translated
from fsm.store.sqlite.rows import RUN_COLUMNS, run_of
from fsm.store.sqlite.workflows import Workflows

_PAGE_RUNS = 500


class Runs(Workflows):
    """The part of the store that finds runs."""

    def get(self, run_id: str) -> Run:
        with translated(self.path):
            exact = self._fetch(self.sql, "uid = ?", (run_id,))
            if not exact and run_id:
                # A prefix is enough where only one run has it; "{" follows every character of an id.
                exact = self._fetch(self.sql, "uid >= ? AND uid < ? LIMIT 2", (run_id.upper(), run_id.upper() + "{"))
        if not exact:
            raise NotFound(f'no run "{run_id}" in {self.path}; `fsm ls` lists those there are')
        if len(exact) > 1:
            raise NotFound(f'several runs begin with "{run_id}"; give more of the id')
        return exact[0]

    def _fetch(self, sql: sqlite3.Connection, condition: str, parameters: Sequence[Any]) -> list[Run]:
        """Return the runs that meet a condition (fixed text of this module; values are bound)."""
        rows = sql.execute(f"SELECT {RUN_COLUMNS} FROM runs WHERE {condition}", parameters).fetchall()  # noqa: S608
        return [self._ended(sql, self._pinned_run(sql, row)) for row in rows]

    def _pinned_run(self, sql: sqlite3.Connection, row: tuple[Any, ...]) -> Run:
        """Return the run of a row of RUN_COLUMNS, with the version and digest that it is pinned to."""
        if row[2] not in self._pinned:
            self._pin(sql, row[2])
        return run_of(row, self._pinned)

    def _pin(self, sql: sqlite3.Connection, number: int) -> None:
        version, digest = sql.execute("SELECT version, digest FROM workflows WHERE id = ?", (number,)).fetchone()
        self._pinned[number] = (version, digest)
        self._numbers[digest] = number

    def _ended(self, sql: sqlite3.Connection, run: Run) -> Run:
        """Return a final run with what it left behind, which its last ledger row tells."""
        if not run.is_final:
            return run
        row = sql.execute("SELECT detail FROM transitions WHERE run_id = ? AND seq = ?", (run.row, run.seq)).fetchone()
        try:
            detail = json.loads(row[0]) if row and row[0] else {}
            return run._replace(output=detail.get("output"), reason=detail.get("reason"))
        except (ValueError, AttributeError):  # one damaged row must not hide all other runs
            return run._replace(reason=f"transition {run.seq} cannot be read; `fsm audit {run.id}` says more")

    def find(self, workflow: str, key: str) -> Run | None:
        with translated(self.path):
            found = self._fetch(self.sql, "name = ? AND key = ?", (workflow, key))
        return found[0] if found else None

    def same_input(self, run: Run, inputs: Sequence[Artifact]) -> bool:
        ((stored,),) = self._read("SELECT input_digest FROM runs WHERE id = ?", (run.row,))
        return bool(stored == input_digest(inputs))

    def pinned(self, digest: str, statuses: Collection[Status]) -> Iterator[Run]:
        number, after, wanted = self._number(digest), 0, json.dumps(sorted(statuses))
        while True:
            with translated(self.path):
                page = self._fetch(
                    self.sql,
                    "workflow_id = ? AND status IN (SELECT value FROM json_each(?)) AND id > ? ORDER BY id LIMIT ?",
                    (number, wanted, after, _PAGE_RUNS),
                )
            yield from page
            if len(page) < _PAGE_RUNS:
                return
            after = page[-1].row
