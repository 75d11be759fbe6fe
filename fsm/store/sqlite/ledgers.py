"""Rows as they are stored, a page at a time. Every read is short, so that none holds up a writer or a checkpoint."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from fsm.store.answers import ROWS_STORED_MAX
from fsm.store.ledger import digest_of
from fsm.store.sqlite.base import Opened
from fsm.store.sqlite.past import NAMES
from fsm.store.sqlite.rows import RUN_COLUMNS, TRANSITION_COLUMNS, run_of, transition_of
from fsm.store.stored import StoredArtifact, StoredRow, StoredRun, Stray


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{name.strip()}" for name in columns.split(","))


_RUNS = (
    f"SELECT {_of('r', RUN_COLUMNS)}, r.input_digest, w.version, w.digest "  # noqa: S608 - the columns of this room
    "FROM runs r LEFT JOIN workflows w ON w.id = r.workflow_id WHERE "
)
_ROWS = (
    f"SELECT {_of('t', TRANSITION_COLUMNS)}, w.digest "  # noqa: S608 - the columns of this room
    "FROM transitions t LEFT JOIN workflows w ON w.id = t.workflow_id "
    "WHERE t.run_id = ? AND t.seq > ? ORDER BY t.seq LIMIT ?"
)
_ARTIFACTS = "SELECT id, name, seq, digest FROM artifacts WHERE run_id = ? AND name = ? AND seq > ? AND seq <= ?"
_STRAYS = """
SELECT a.seq, a.name FROM artifacts a JOIN runs r ON r.id = a.run_id
WHERE a.run_id = :run AND (a.seq < 0 OR a.seq > r.seq)
UNION ALL SELECT t.seq, NULL FROM transitions t JOIN runs r ON r.id = t.run_id
WHERE t.run_id = :run AND (t.seq < 1 OR t.seq > r.seq)"""
_PAGE_END = "SELECT max(id) FROM (SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT ?)"
_ORPHANS = """
SELECT x.run_id, x.seq, {name} FROM {table} x WHERE x.id > ? AND x.id <= ?
AND NOT EXISTS(SELECT 1 FROM runs WHERE id = x.run_id) AND NOT EXISTS(SELECT 1 FROM remains WHERE run_id = x.run_id)"""


class Ledgers(Opened):
    """The part of the store that shows its rows to whoever doubts them."""

    def stored_runs(self, after: int, limit: int) -> list[StoredRun]:
        return [_stored_run(row) for row in self._read(f"{_RUNS} r.id > ? ORDER BY r.id LIMIT ?", (after, limit))]

    def stored_run(self, run_id: str) -> StoredRun | None:
        rows = self._read(f"{_RUNS} r.uid = ?", (run_id,))
        return _stored_run(rows[0]) if rows else None

    def stored_rows(
        self, run: int, after: int, limit: int = ROWS_STORED_MAX
    ) -> tuple[list[StoredRow], list[StoredArtifact]]:
        rows = self._read(_ROWS, (run, after, limit))
        written: dict[int, list[StoredArtifact]] = {}
        for artifact in self.stored_artifacts(run, after, rows[-1][0]) if rows else ():
            written.setdefault(artifact.seq, []).append(artifact)
        page = [_stored_row(row, tuple(written.pop(row[0], ()))) for row in rows]
        return page, [one for several in written.values() for one in several]

    def stored_artifacts(self, run: int, after: int, last: int, name: str | None = None) -> list[StoredArtifact]:
        names = [name] if name is not None else [one for (one,) in self._read(NAMES, {"run": run})]
        found = []
        for one in names:
            found += self._read(_ARTIFACTS, (run, one, after, last))
        # One value at a time: they may be large.
        return [StoredArtifact(name, seq, digest, self._actual(number)) for number, name, seq, digest in sorted(found)]

    def _actual(self, number: int) -> bytes | None:
        rows = self._read("SELECT value FROM artifacts WHERE id = ?", (number,))
        return digest_of(rows[0][0]) if rows and rows[0][0] is not None else None

    def strays(self, run: int) -> list[Stray]:
        return [Stray("transitions" if name is None else "artifacts", run, seq, name)
                for seq, name in self._read(_STRAYS, {"run": run})]  # fmt: skip

    def orphans(self) -> Iterator[Stray]:
        for table, name in (("transitions", "NULL"), ("artifacts", "x.name")):
            after = 0
            while True:
                ((last,),) = self._read(_PAGE_END.format(table=table), (after, ROWS_STORED_MAX))
                if last is None:
                    break
                for row in self._read(_ORPHANS.format(table=table, name=name), (after, last)):
                    yield Stray(table, *row)
                after = last


def _stored_run(row: tuple[Any, ...]) -> StoredRun:
    *columns, inputs, version, digest = row
    named = dict(zip((name.strip() for name in RUN_COLUMNS.split(",")), columns, strict=True))
    run = None
    with contextlib.suppress(ValueError, TypeError):
        run = run_of(tuple(columns), {named["workflow_id"]: (version or 0, digest or "")})
    return StoredRun(named["id"], named["uid"], named["seq"], named["head"], inputs, digest, run)


def _stored_row(row: tuple[Any, ...], artifacts: tuple[StoredArtifact, ...]) -> StoredRow:
    *columns, link, digest = row
    transition = None
    with contextlib.suppress(ValueError, TypeError):
        read = transition_of((*columns, link))
        if all(isinstance(part, Mapping) for part in (read.tries, read.visits or {}, read.detail or {})):
            transition = read
    return StoredRow(columns[0], tuple(columns), link, digest, transition, artifacts)
