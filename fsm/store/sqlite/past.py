"""Looking back: what a run was right after one of its transitions."""

import json
from collections.abc import Iterable

from fsm.errors import NotFound
from fsm.model.run import Moment, Run
from fsm.store.ledger import TOMBSTONE
from fsm.store.sqlite.base import Opened
from fsm.store.sqlite.rows import TRANSITION_COLUMNS, transition_of

_LATEST = "FROM artifacts WHERE run_id = ? AND name = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
"""One step down an index, however many values there are."""

NAMES = """
    WITH RECURSIVE names(name) AS (
      SELECT min(name) FROM artifacts WHERE run_id = :run
      UNION ALL SELECT (SELECT min(name) FROM artifacts WHERE run_id = :run AND name > names.name) FROM names
      WHERE names.name IS NOT NULL)
    SELECT name FROM names WHERE name IS NOT NULL"""
"""The names that a run has written: one step down the index for each, not one for each value."""


class Past(Opened):
    """The part of the store that reads what runs were."""

    def moment(self, run: Run, seq: int) -> Moment:
        found = self._read(
            f"SELECT {', '.join('t.' + name.strip() for name in TRANSITION_COLUMNS.split(','))}, w.digest, w.version "  # noqa: S608
            "FROM transitions t JOIN workflows w ON w.id = t.workflow_id WHERE t.run_id = ? AND t.seq = ?",
            (run.row, seq),
        )
        if not found:
            raise NotFound(f"run {run.id} has no transition {seq}; it has 1 to {run.seq}")
        (*row, digest, version) = found[0]
        visits = self._read(
            "SELECT visits FROM transitions WHERE run_id = ? AND seq <= ? AND visits IS NOT NULL "
            "ORDER BY seq DESC LIMIT 1",
            (run.row, seq),
        )
        return Moment(
            transition_of(tuple(row)), digest, version, json.loads(visits[0][0]) if visits else {},
            self._written(run, seq),
        )  # fmt: skip

    def _names(self, run: Run) -> list[str]:
        return [name for (name,) in self._read(NAMES, {"run": run.row})]

    def _written(self, run: Run, seq: int) -> dict[str, bytes | None]:
        written: dict[str, bytes | None] = {}
        for name in self._names(run):
            for (digest,) in self._read(f"SELECT digest {_LATEST}", (run.row, name, seq)):
                written[name] = None if digest == TOMBSTONE else digest
        return written

    def inputs(self, run: Run) -> dict[str, str]:
        found = []
        for name in self._names(run):
            found += self._read("SELECT id, name, value FROM artifacts WHERE run_id = ? AND name = ? AND seq = 0",
                                (run.row, name))  # fmt: skip
        return {name: value for _, name, value in sorted(found) if value is not None}

    def values_at(self, run: Run, names: Iterable[str] | None, seq: int) -> dict[str, str]:
        found = {}
        for name in self._names(run) if names is None else names:
            for (value,) in self._read(f"SELECT value {_LATEST}", (run.row, name, seq)):
                if value is not None:
                    found[name] = value
        return found
