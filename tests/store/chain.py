"""The hash chain of a run, recomputed from the stored columns alone."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from fsm.model.run import Artifact
from fsm.store.ledger import genesis, link

COLUMNS = (
    "seq, epoch, source, event, target, status, visit, attempt, tries, visits, due_at, awaits, interrupted, of_seq, "
    "at, actor, detail"
)


def breaks(path: Path, run_id: str) -> list[str]:
    """Return what does not agree in a run's ledger; empty when the whole chain holds."""
    with closing(sqlite3.connect(path)) as sql:
        return _breaks(sql, run_id)


def _breaks(sql: sqlite3.Connection, run_id: str) -> list[str]:
    number, state, status, seq, head, digest = sql.execute(
        "SELECT r.id, r.state, r.status, r.seq, r.head, w.digest FROM runs r JOIN workflows w ON w.id = "
        "coalesce((SELECT workflow_id FROM transitions WHERE run_id = r.id AND seq = 1), r.workflow_id) "
        "WHERE r.uid = ?",
        (run_id,),
    ).fetchone()
    written: dict[int, list[tuple[str, str, bytes]]] = {}
    for at, *artifact in sql.execute(
        "SELECT seq, name, value, digest FROM artifacts WHERE run_id = ? ORDER BY id", (number,)
    ):
        written.setdefault(at, []).append(tuple(artifact))
    found = [f"artifact {name} of {at}" for at, all_of in written.items() for name, value, its in all_of
             if sha256((value or "").encode()).digest() != its]  # fmt: skip
    expected = genesis(run_id, digest, [Artifact(name, value) for name, value, _ in written.get(0, [])])
    rows = sql.execute(f"SELECT hash, {COLUMNS} FROM transitions WHERE run_id = ? ORDER BY seq", (number,)).fetchall()
    for place, (stored, *columns) in enumerate(rows, 1):
        expected = link(expected, columns, [(name, its) for name, _, its in written.get(place, [])])
        if columns[0] != place or stored != expected:
            found.append(f"row {place}")
        expected = stored
    if (seq, head) != (len(rows), expected):
        found.append("head")
    found += _strays(sql, number, digest)
    if rows and (state, status in ("ready", "running", "waiting")) != (
        rows[-1][5], rows[-1][6] in ("ready", "running", "waiting")
    ):  # fmt: skip
        found.append("place")
    return found


def _strays(sql: sqlite3.Connection, number: int, digest: str) -> Iterator[str]:
    """Yield the rows that stand under another version than the one which the run was last moved to."""
    for seq, event, detail, its in sql.execute(
        "SELECT t.seq, t.event, t.detail, w.digest FROM transitions t JOIN workflows w ON w.id = t.workflow_id "
        "WHERE t.run_id = ? ORDER BY t.seq",
        (number,),
    ):
        if event == "migrate":
            digest = json.loads(detail)["to"]["digest"]
        if its != digest:
            yield f"version of {seq}"
