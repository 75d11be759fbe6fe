"""The edge path: the few statements that commit decisions, one per table however large the batch."""

import json
import sqlite3
from collections.abc import Sequence
from functools import lru_cache

from fsm.model.run import PERSON, Artifact, Decision, Kept, Run
from fsm.store.ledger import digest_of, link
from fsm.store.sqlite.pauses import Scopes, put_to_rest
from fsm.store.sqlite.rows import TRANSITION_COLUMNS, columns_of

_ROW = "(" + ",".join("?" * (2 + TRANSITION_COLUMNS.count(",") + 1)) + ")"


_HEAD = Run._fields.index("head")


class Prepared:
    """A decision with its hashes computed, before any transaction is open."""

    __slots__ = ("artifacts", "columns", "decision", "run", "workflow_id")

    def __init__(self, decision: Decision, workflow_id: int) -> None:
        self.decision = decision
        self.workflow_id = workflow_id
        self.artifacts = tuple((a.name, a.value, digest_of(a.value)) for a in decision.artifacts)
        row = decision.transition
        if row is None:
            self.run = decision.run
        else:
            columns = columns_of(row)
            head = link(decision.run.head, columns, [(name, digest) for name, _, digest in self.artifacts])
            run = decision.run
            self.run = Run._make((*run[:_HEAD], head, *run[_HEAD + 1 :]))  # _replace, in a third of its time
            self.columns = (workflow_id, *columns, head)

    @property
    def size_bytes(self) -> int:
        return sum([len(value or "") for _, value, _ in self.artifacts])

    def place(self, row: int) -> None:
        """Take the row number that a new run was given."""
        self.run = self.run._replace(row=row)

    def be_ready(self) -> None:
        """Take note that the run need not wait, since what it awaits is here, or may not go on, since it is paused."""
        self.run = self.run._replace(status="ready")


@lru_cache(maxsize=600)
def _insert_transitions(rows: int) -> str:
    return f"INSERT INTO transitions(run_id, workflow_id, {TRANSITION_COLUMNS}) VALUES {','.join([_ROW] * rows)}"  # noqa: S608


_INSERT_ONE = _insert_transitions(1)


@lru_cache(maxsize=600)
def _insert_artifacts(rows: int) -> str:
    return f"INSERT INTO artifacts(run_id, name, seq, value, digest) VALUES {','.join(['(?,?,?,?,?)'] * rows)}"  # noqa: S608


def write_inputs(sql: sqlite3.Connection, row: int, inputs: Sequence[Artifact]) -> None:
    """Store a new run's inputs: artifacts of seq 0."""
    parameters: list[object] = []
    for name, value in inputs:
        parameters += (row, name, 0, value, digest_of(value))
    sql.execute(_insert_artifacts(len(inputs)), parameters)


def write(sql: sqlite3.Connection, batch: Sequence[Prepared]) -> set[int]:
    """Write a batch inside an open transaction; return the row numbers of the runs whose decision was taken.

    Raises:
        sqlite3.IntegrityError: the law refused a row; nothing of the batch may be committed then.
    """
    paused = Scopes(sql)
    moves = [
        prepared for prepared in batch if prepared.decision.transition and not (paused and _barred(prepared, paused))
    ]
    for prepared in moves:
        if prepared.decision.takes:
            _take(sql, prepared.run)
    taken = _cross(sql, moves) if moves else set()
    for prepared in batch:
        decision = prepared.decision
        if decision.transition is None and _rest(sql, decision):
            taken.add(prepared.run.row)
        if prepared.run.row in taken and (decision.signals or decision.refused or decision.fresh):
            _consume(sql, decision)
    _wake(sql, [p for p in batch if p.run.row in taken and p.run.awaits and p.run.awaits != PERSON])
    if paused:
        _hold_back(sql, [p for p in batch if p.run.row in taken], paused)
    return taken


def _barred(prepared: Prepared, paused: Scopes) -> bool:
    """Return whether a signal from outside would move a run out of a paused state; it is to be kept instead."""
    row = prepared.decision.transition
    return row is not None and prepared.decision.fresh is not None and paused.cover(prepared.run.workflow, row.source)


def _hold_back(sql: sqlite3.Connection, taken: Sequence[Prepared], paused: Scopes) -> None:
    """Let go of the runs that came to a state which is paused: what they did stands, and nothing new begins."""
    held = [p for p in taken if p.run.status == "running" and paused.cover(p.run.workflow, p.run.state)]
    if held:
        put_to_rest(sql, [prepared.run.row for prepared in held])
    for prepared in held:
        prepared.be_ready()


def _take(sql: sqlite3.Connection, run: Run) -> None:
    """Fence off whoever holds the run: an operator's move has an epoch of its own."""
    sql.execute("UPDATE runs SET epoch = ? WHERE id = ? AND epoch = ? AND seq = ?",
                (run.epoch, run.row, run.epoch - 1, run.seq - 1))  # fmt: skip


def _cross(sql: sqlite3.Connection, moves: Sequence[Prepared]) -> set[int]:
    parameters: list[object] = []
    for prepared in moves:
        parameters.append(prepared.run.row)
        parameters += prepared.columns
    # No RETURNING: each row that SQLite hands back gives the interpreter away, and beside a thread that computes it
    # comes back late. The count tells whether all were taken; which were not is asked only then.
    statement = _INSERT_ONE if len(moves) == 1 else _insert_transitions(len(moves))
    if sql.execute(statement, parameters).rowcount == len(moves):
        taken = {prepared.run.row for prepared in moves}
    else:
        taken = {prepared.run.row for prepared in moves if _stands(sql, prepared)} if len(moves) > 1 else set()
    written: list[object] = []
    count = 0
    for prepared in moves:
        if prepared.run.row in taken:
            for name, value, digest in prepared.artifacts:
                written += (prepared.run.row, name, prepared.run.seq, value, digest)
                count += 1
    if count:
        sql.execute(_insert_artifacts(count), written)
    return taken


def _stands(sql: sqlite3.Connection, prepared: Prepared) -> bool:
    return bool(sql.execute("SELECT 1 FROM transitions WHERE run_id = ? AND seq = ? AND hash = ?",
                            (prepared.run.row, prepared.run.seq, prepared.run.head)).fetchone())  # fmt: skip


def _rest(sql: sqlite3.Connection, decision: Decision) -> bool:
    run = decision.run
    awaits = '["' + '","'.join(run.awaits) + '"]' if run.awaits else None
    changed = sql.execute(
        "UPDATE runs SET status = ?, due_at = ?, awaits = ?, worker_id = NULL, interrupted = ? "
        "WHERE id = ? AND epoch = ? AND seq = ? AND status = 'running'",
        (run.status, run.due_at, awaits, int(run.interrupted), run.row, run.epoch, run.seq),
    )
    return changed.rowcount == 1


def store_signal(sql: sqlite3.Connection, run: Run, signal: Kept, used_seq: int | None) -> int:
    """Put a signal into a run's inbox, consumed by a transition already or not; return its id."""
    ((number,),) = sql.execute(
        "INSERT INTO signals(run_id, name, message_id, actor, payload, at, used_seq) VALUES (?,?,?,?,?,?,?) "
        "RETURNING id",
        (run.row, signal.name, signal.message_id, signal.actor, json.dumps(signal.payload), signal.at, used_seq),
    ).fetchall()
    return int(number)


def _consume(sql: sqlite3.Connection, decision: Decision) -> None:
    if decision.fresh:
        store_signal(sql, decision.run, decision.fresh, decision.run.seq)
    sql.executemany("UPDATE signals SET used_seq = ? WHERE id = ?",
                    [(decision.run.seq, number) for number in decision.signals])  # fmt: skip
    sql.executemany("UPDATE signals SET refused = 1 WHERE id = ?", [(number,) for number in decision.refused])


def _wake(sql: sqlite3.Connection, waiting: Sequence[Prepared]) -> None:
    """Let a run go on that came to await a signal which had arrived before it."""
    for prepared in waiting:
        woken = sql.execute(
            "UPDATE runs SET status = 'ready' WHERE id = ? AND status = 'waiting' AND EXISTS("
            "SELECT 1 FROM signals WHERE run_id = runs.id AND id > ? AND used_seq IS NULL AND refused = 0 "
            "AND name IN (SELECT value FROM json_each(runs.awaits)))",
            (prepared.run.row, prepared.decision.seen),
        )
        if woken.rowcount:
            prepared.be_ready()
