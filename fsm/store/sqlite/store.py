"""The store's verbs on one SQLite file. Connections are one per thread; the rest is shared by the process."""

import contextlib
import os
import socket
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from fsm.errors import IllegalTransition, StoreError
from fsm.kernel.fair import Share, share
from fsm.model.run import Artifact, Decision, Run
from fsm.store.answers import Claimed
from fsm.store.ledger import genesis, input_digest
from fsm.store.sqlite import claims, edges
from fsm.store.sqlite.backup import Backup
from fsm.store.sqlite.census import Census
from fsm.store.sqlite.claims import Holders
from fsm.store.sqlite.connection import translated
from fsm.store.sqlite.edges import Prepared
from fsm.store.sqlite.examination import Examination
from fsm.store.sqlite.ledgers import Ledgers
from fsm.store.sqlite.past import Past
from fsm.store.sqlite.present import Now
from fsm.store.sqlite.pruning import Pruning
from fsm.store.sqlite.removal import Removal
from fsm.store.sqlite.soundness import Soundness


class SqliteStore(Examination, Soundness, Past, Ledgers, Removal, Pruning, Backup, Census, Now):
    """A `Store` in one file.

    Raises:
        StoreError: the file cannot be opened or created.
        SchemaError: it is not a store of this engine, or of a newer one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._holders = Holders(self._life)

    # -- runs

    def start(self, run: Run, inputs: Sequence[Artifact], decision: Decision) -> Run:
        number = self._known(run.digest)
        head = genesis(run.id, run.digest, inputs)
        prepared = Prepared(decision._replace(run=decision.run._replace(head=head)), number)

        taken: list[Run] = []

        def bear(sql: sqlite3.Connection) -> Run:
            found = self._fetch(sql, "name = ? AND key = ?", (run.workflow, run.key)) if run.key is not None else []
            if found:
                return found[0]
            born = self._bear(sql, run, inputs, prepared)
            taken.append(born)
            return born

        def landed(born: Run) -> bool:
            return bool(self._read("SELECT 1 FROM runs WHERE uid = ?", (born.id,)))

        with self._letting_go(taken):
            return self._durably(bear, landed, lambda: self._forget(taken))

    def _bear(self, sql: sqlite3.Connection, run: Run, inputs: Sequence[Artifact], prepared: Prepared) -> Run:
        worker = self._registered(sql, run.started_at) if run.status == "running" else None
        row = sql.execute(
            "INSERT INTO runs(id, uid, workflow_id, name, key, input_digest, state, status, seq, head, visit, "
            "entered_at, attempt, epoch, worker_id, started_at, updated_at, forked_from, priority, trace) VALUES ("
            "(SELECT max(ifnull((SELECT max(id) FROM runs), 0), row) + 1 FROM vacated),"
            "?,?,?,?,?,'',?,0,?,0,?,1,?,?,?,?,?,?,?)",
            (run.id, prepared.workflow_id, run.workflow, run.key, input_digest(inputs), run.status,
             prepared.decision.run.head, run.started_at, run.epoch, worker, run.started_at, run.started_at,
             run.forked_from, run.priority, run.trace),
        ).lastrowid  # fmt: skip
        assert row is not None
        prepared.place(row)
        if inputs:
            edges.write_inputs(sql, row, inputs)
        try:
            edges.write(sql, [prepared])
        except sqlite3.IntegrityError as error:
            raise _refusal(prepared.decision, error) from None
        if prepared.run.status == "running":
            self._holders.take(prepared.run)  # before anybody can see it
        return prepared.run

    # -- claims

    def _registered(self, sql: sqlite3.Connection, now: int) -> int:
        """Return this process's worker number, from inside an open transaction: what claims first also registers.

        Nobody else writes meanwhile, threads of this process neither. A number whose transaction was taken back is
        not in the file, and a new one takes its place.
        """
        number, pid = self._holders.worker, os.getpid()
        known = "SELECT 1 FROM workers WHERE id = ? AND pid = ?"
        if number is None or not sql.execute(known, (number, pid)).fetchall():
            number = self._register(sql, pid, now)
            self._holders.worker = number  # before anybody can see it
        return number

    def _register(self, sql: sqlite3.Connection, pid: int, now: int) -> int:
        """Write a row for this process; its sign of life is shown before anybody else can see it."""
        while True:
            ((number,),) = sql.execute("INSERT INTO workers(host, pid, at) VALUES (?,?,?) RETURNING id",
                                       (socket.gethostname(), pid, now)).fetchall()  # fmt: skip
            # One that was taken back is given out again, while whoever had it may still show its sign.
            if self._life.show(number):
                return int(number)

    def lease(self, now: int, until: int | None) -> None:
        self._durably(
            lambda sql: sql.execute(
                "UPDATE workers SET expires_at = ? WHERE id = ?", (until, self._registered(sql, now))
            )
        )

    def version(self) -> int:
        ((others,),) = self._read("PRAGMA data_version")
        return int(others) << 32 | self.sql.total_changes & 0xFFFFFFFF  # the first does not count this connection

    def next_due(self, after: int) -> int | None:
        ((due,),) = self._read("SELECT min(due_at) FROM runs WHERE status = 'waiting' AND due_at > ?", (after,))
        return None if due is None else int(due)

    def claimable(self, now: int, *, delayed: bool = False) -> list[str]:
        with translated(self.path):
            return claims.claimable(self.sql, self._holders, now, delayed=delayed)

    def claim(self, run_id: str, now: int) -> Run | None:
        with translated(self.path):
            if not claims.could_go_on(self.sql, self._holders, run_id, now):
                return None

        def wanted(sql: sqlite3.Connection) -> list[int]:
            if not claims.could_go_on(sql, self._holders, run_id, now):
                return []
            return [row for (row,) in sql.execute("SELECT id FROM runs WHERE uid = ?", (run_id,))]

        claimed = self._claim(wanted, now)
        return claimed[0] if claimed else None

    def claim_some(
        self, limit: int, now: int, *, alone: bool, after: str = "", unable: Collection[tuple[str, str]] = (),
        shunned: Collection[int] = (), look_for_dead: bool = False, by_lease: bool = True,
    ) -> Claimed:  # fmt: skip
        lacking = [f"{self._known(digest)}/{state}" for digest, state in unable]

        def look(sql: sqlite3.Connection) -> Share:
            judged_at = now if by_lease else 0
            dead = {row for _, row in claims.left_behind(sql, self._holders, judged_at)} if look_for_dead else set()
            return share(claims.candidates(sql, now, limit, dead, lacking, shunned), limit, after, alone=alone)

        with translated(self.path):
            found = look(self.sql)
        if not found.rows:
            return Claimed([], found.suspects, found.last)

        def wanted(sql: sqlite3.Connection) -> list[int]:
            nonlocal found
            found = look(sql)
            return found.rows

        runs = self._claim(wanted, now)
        return Claimed(runs, found.suspects, found.last)

    def _claim(self, wanted: Callable[[sqlite3.Connection], list[int]], now: int) -> list[Run]:
        """Take the runs of the rows that are wanted, as seen inside the transaction."""
        taken: list[Run] = []

        def take(sql: sqlite3.Connection) -> list[Run]:
            rows = wanted(sql)
            if not rows:
                return []
            claims.take(sql, rows, self._registered(sql, now))
            runs = [self._pinned_run(sql, row) for row in claims.rows_of(sql, rows)]
            for run in runs:
                self._holders.take(run)  # before anybody can see it
            taken.extend(runs)
            return runs

        with self._letting_go(taken):
            return self._durably(take, lambda runs: all(self._holds(run) for run in runs), lambda: self._forget(taken))

    def _forget(self, taken: Iterable[Run]) -> None:
        for run in taken:
            self._holders.let_go(run)

    @contextlib.contextmanager
    def _letting_go(self, taken: Sequence[Run]) -> Iterator[None]:
        """Free what was claimed when Ctrl-C comes between the commit and the return."""
        try:
            yield
        except BaseException:
            for run in taken:
                with contextlib.suppress(StoreError):
                    self.release(run, interrupted=False)
            raise

    def _holds(self, run: Run) -> bool:
        return bool(self._read("SELECT 1 FROM runs WHERE id = ? AND epoch = ? AND worker_id = ?",
                               (run.row, run.epoch, self._holders.worker)))  # fmt: skip

    def held(self, run_id: str, now: int = 0) -> bool:
        with translated(self.path):
            return claims.held(self.sql, self._holders, run_id, now)

    def release(self, run: Run, *, interrupted: bool) -> None:
        self._holders.let_go(run)
        self._durably(
            lambda sql: sql.execute(
                "UPDATE runs SET status = 'ready', worker_id = NULL, interrupted = interrupted OR (? AND seq = ?) "
                # A start or claim that was rolled back has given its row and epoch to somebody else's.
                "WHERE id = ? AND uid = ? AND epoch = ? AND status = 'running' AND worker_id IS ?",
                (interrupted, run.seq, run.row, run.id, run.epoch, self._holders.worker),
            )
        )

    # -- edges

    def commit(self, decisions: Sequence[Decision]) -> list[Run | None]:
        return self._committed(self._prepared(decisions))

    def together(
        self, decisions: Sequence[Decision], works: Sequence[Callable[[], Any]]
    ) -> tuple[list[Run | None] | Exception, list[Any]]:
        batch = self._prepared(decisions)
        if not works:
            return self._committed(batch), []
        *answers, committed = self._together([*works, lambda: self._committed(batch)])
        return committed, answers

    def _prepared(self, decisions: Sequence[Decision]) -> list[Prepared]:
        return [Prepared(decision, self._known(decision.run.digest)) for decision in decisions]

    def _committed(self, batch: Sequence[Prepared]) -> list[Run | None]:
        connection = self._connection
        if not batch:
            return []
        connection.wrote(sum(prepared.size_bytes for prepared in batch), len(batch))
        is_alone = len(batch) == 1 and connection.joined is None
        cross = self._cross_one if is_alone else self._cross
        taken = self._durably(
            lambda sql: cross(sql, batch), lambda rows: all(self._stands(p) for p in batch if p.run.row in rows)
        )
        for prepared in batch:
            if prepared.run.status != "running" or prepared.run.row not in taken:
                self._holders.let_go(prepared.run)
        return [prepared.run if prepared.run.row in taken else None for prepared in batch]

    def _stands(self, prepared: Prepared) -> bool:
        """Return whether a decision is in the file; a run that came to rest at least is not held any more."""
        run = prepared.run
        if prepared.decision.transition:
            return bool(self._read("SELECT 1 FROM transitions WHERE run_id = ? AND seq = ? AND hash = ?",
                                   (run.row, run.seq, run.head)))  # fmt: skip
        return not self._read("SELECT 1 FROM runs WHERE id = ? AND seq = ? AND epoch = ? AND status = 'running'",
                              (run.row, run.seq, run.epoch))  # fmt: skip

    def _cross(self, sql: sqlite3.Connection, batch: Sequence[Prepared]) -> set[int]:
        """Write all at once; where the law refuses a part, each by itself in the same transaction."""
        sql.execute("SAVEPOINT batch")
        try:
            taken = edges.write(sql, batch)
        except sqlite3.IntegrityError:
            sql.execute("ROLLBACK TO batch")
            taken = set()
            for prepared in batch:
                sql.execute("SAVEPOINT one")
                try:
                    taken |= edges.write(sql, [prepared])
                except sqlite3.IntegrityError:
                    sql.execute("ROLLBACK TO one")
                sql.execute("RELEASE one")
        sql.execute("RELEASE batch")
        return taken

    def _cross_one(self, sql: sqlite3.Connection, batch: Sequence[Prepared]) -> set[int]:
        (prepared,) = batch
        try:
            return edges.write(sql, batch)
        except sqlite3.IntegrityError as error:
            sql.execute("ROLLBACK")
            if prepared.decision.fresh and "signals.message_id" in str(error):
                return set()  # the same message was stored meanwhile
            raise _refusal(prepared.decision, error) from None


def _refusal(decision: Decision, error: sqlite3.IntegrityError) -> Exception:
    row = decision.transition
    if row is not None:
        why = "" if "illegal transition" in str(error) else f": {error}"
        return IllegalTransition(row.source, row.event, [], f"the store's law refused it{why}")
    return StoreError(f"the store refused a commit: {error}")
