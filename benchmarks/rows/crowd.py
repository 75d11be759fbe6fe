"""Starting and driving a run in a store with many finished ones, beside an empty store."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import fsm
from benchmarks.figures import Figure, Scale, Slice, Stopwatch, Target, interleaved, spread
from benchmarks.machine import folder, say
from fsm.store.sqlite.schema import LAW, script, statements

_ROW = "crowd"
_STARTS = 40
_BYTES_PER_RUN = 1_500
_DEFINITION = """
workflow: short
version: 1
start: act
input: {n: int}
states:
  act: {action: short.act, idempotent: true, retry: never, success: done, error: failed}
  done: {end: success, output: act}
  failed: {end: failure}
"""

_RANGE = "WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
_RUNS = (
    "INSERT INTO runs(id, uid, workflow_id, name, key, input_digest, state, status, seq, head, visit, entered_at, "
    "attempt, epoch, started_at, updated_at)"
)
_LEDGER = (
    "INSERT INTO transitions(id, run_id, seq, epoch, workflow_id, source, event, target, status, visit, attempt, "
    "interrupted, at, detail, hash)"
)
_ARTIFACTS = "INSERT INTO artifacts(id, run_id, name, seq, value, digest)"
_HASH = "randomblob(32)"
_DETAIL = """'{"output":2,"reason":null}'"""
_FILL = (
    (
        f"{_RUNS} SELECT i, printf('%026d', i), 1, 'short', printf('key-%d', i), {_HASH}, 'done', 'succeeded', 2, "
        f"{_HASH}, 2, i, 1, 2, i, i FROM n"
    ),
    f"{_LEDGER} SELECT 2 * i - 1, i, 1, 1, 1, '', 'start', 'act', 'ready', 1, 1, 0, i, NULL, {_HASH} FROM n",
    f"{_LEDGER} SELECT 2 * i, i, 2, 2, 1, 'act', 'success', 'done', 'succeeded', 2, 1, 0, i, {_DETAIL}, {_HASH} FROM n",
    f"{_ARTIFACTS} SELECT 2 * i - 1, i, 'n', 0, '1', {_HASH} FROM n",
    f"{_ARTIFACTS} SELECT 2 * i, i, 'act', 2, '2', {_HASH} FROM n",
)
"""What makes finished runs of a range of numbers."""
_BATCH = 50_000


@fsm.action("short.act")
def act(n: int) -> int:
    return n + 1


class Shop:
    """A store in which runs are started, claimed and driven to their end."""

    def __init__(self, place: Path, finished: int) -> None:
        place.mkdir()
        definition = place / "short.yaml"
        definition.write_text(_DEFINITION, encoding="utf-8")
        with fsm.Engine(place / "runs.db", definitions=definition, actions=[act]) as engine:
            engine.run("short", {"n": 1}, key="first")
        fill(place / "runs.db", finished)
        self.engine = fsm.Engine(place / "runs.db", definitions=definition, actions=[act])
        self._started = 0

    def __call__(self) -> Slice:
        """Start runs, each found and claimed by `resume`."""
        watch = Stopwatch()
        for _ in range(_STARTS):
            self._started += 1
            self.engine.start("short", {"n": self._started}, key=f"new-{self._started}")
            (run,) = self.engine.resume()
            assert run.status == "succeeded"
        return watch.per(_STARTS)


def fill(store: Path, finished: int) -> None:
    """Put finished runs into a store in bulk, each with a ledger of two rows, an input and an artifact.

    The triggers would take minutes over a million runs. They are dropped for the fill, nothing is synced meanwhile, and
    the schema's own texts make them anew.
    """
    sql = sqlite3.connect(store, isolation_level=None)
    try:
        sql.execute("PRAGMA synchronous=OFF")
        sql.execute("BEGIN IMMEDIATE")
        for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            sql.execute(f'DROP TRIGGER "{name}"')
        sql.execute("COMMIT")
        ((first,),) = sql.execute("SELECT 1 + max(i) FROM (SELECT max(id) AS i FROM transitions "
                                  "UNION SELECT max(id) FROM artifacts UNION SELECT max(id) FROM runs)")  # fmt: skip
        for start in range(first, first + finished, _BATCH):
            sql.execute("BEGIN IMMEDIATE")
            for statement in _FILL:
                sql.execute(_RANGE + statement, (start, min(start + _BATCH, first + finished) - 1))
            sql.execute("COMMIT")
            sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        for statement in statements(script(LAW)):
            sql.execute(statement)
    finally:
        sql.close()


def measure(scale: Scale) -> Iterator[Figure]:
    say(f"filling a store with {scale.finished:,} finished runs")
    with folder(in_memory=True, size_bytes=2 * scale.finished * _BYTES_PER_RUN) as place:
        empty, crowded = Shop(place / "empty", 1), Shop(place / "crowded", scale.finished)
        say("starting runs there and in an empty store")
        empty(), crowded()
        compared = interleaved(empty, crowded, scale.repetitions)
        size_mb = (place / "crowded" / "runs.db").stat().st_size / 1e6
        empty.engine.close()
        crowded.engine.close()
    yield Figure(_ROW, f"start, claim and finish a run beside {scale.finished:,} finished ones", "µs",
                 compared.ours_s * 1e6, compared.raw_s * 1e6, compared.slowdown, Target("at most", 1.3, on="ratio"),
                 f"raw: an empty store; neighbours {spread(compared.slowdowns)}; {compared.cpu()}; {size_mb:,.0f} MB",
                 )  # fmt: skip
