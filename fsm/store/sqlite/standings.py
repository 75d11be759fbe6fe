"""Standings: a run with everything that tells why it is where it is, read as of one moment."""

from fsm.kernel.fair import SUSPECT_CRASHES
from fsm.model.pause import covering
from fsm.model.reason import Holder, Standing
from fsm.model.run import Run
from fsm.store.sqlite.listing import Listing
from fsm.store.sqlite.pauses import PAUSED, Pauses
from fsm.store.sqlite.records import Records
from fsm.store.sqlite.rows import TRANSITION_COLUMNS, transition_of
from fsm.store.sqlite.versions import Versions

_LOOKED_AT_MAX = 10_000
"""How many ready runs are looked at for suspects; a claim looks at fewer."""

_AHEAD_READY = f"""
SELECT count(*) FROM runs, (SELECT id, name, priority FROM runs WHERE id = ?) AS own
WHERE runs.status = 'ready' AND runs.name = own.name
AND (runs.priority > own.priority OR runs.priority = own.priority AND runs.id < own.id) AND NOT {PAUSED}
"""  # noqa: S608 - the texts of this package
_AHEAD_DUE = f"SELECT count(*) FROM runs WHERE status = 'waiting' AND due_at < ? AND NOT {PAUSED}"  # noqa: S608
_SUSPECTS = f"""
SELECT count(*) FROM (
  SELECT id, crashes FROM (SELECT id, crashes FROM runs WHERE status = 'ready' AND NOT {PAUSED} LIMIT {_LOOKED_AT_MAX})
  UNION ALL SELECT id, crashes FROM runs WHERE status = 'running')
WHERE crashes >= {SUSPECT_CRASHES} AND id <> ?
"""  # noqa: S608


class Standings(Records, Versions, Pauses, Listing):
    """The part of the store that tells what runs wait for."""

    def standing(self, run_id: str, now: int) -> Standing:
        with self._snapshot():
            run = self.get(run_id)
            due_at = run.due_at if run.status == "waiting" and run.due_at is not None and run.due_at <= now else None
            rows = self._read(f"SELECT {TRANSITION_COLUMNS} FROM transitions WHERE run_id = ? AND seq = ?",  # noqa: S608
                              (run.row, run.seq))  # fmt: skip
            return Standing(
                run=run,
                holder=self._holder(run, now) if run.status == "running" else None,
                pauses=tuple(covering(self.pauses(), run)),
                kept=() if run.is_final else tuple(self._signals("used_seq IS NULL AND refused = 0", (run.row,))),
                last=transition_of(rows[0]) if rows else None,
                failure=self.last_failure(run) if run.is_final else None,
                beat_at=self._beat_at(run),
                ahead=self._ahead(run, due_at),
                suspects=0 if run.is_final else self._count(_SUSPECTS, run.row),
                workers=0 if run.is_final else self._workers(now),
            )

    def _holder(self, run: Run, now: int) -> Holder | None:
        rows = self._read("SELECT w.id, w.host, w.pid, w.at, w.expires_at FROM runs JOIN workers w ON w.id = worker_id "
                          "WHERE runs.id = ?", (run.row,))  # fmt: skip
        if not rows:
            return None
        worker, host, pid, at, expires_at = rows[0]
        is_alive = self._holders.hold(worker, pid, expires_at, run.row, run.epoch, now=now)
        return Holder(worker, host, pid, at, expires_at, is_alive)

    def _workers(self, now: int) -> int:
        rows = self._read("SELECT id, pid FROM workers WHERE expires_at > ?", (now,))
        return sum(worker == self._holders.worker or self._life.shown(worker, pid) for worker, pid in rows)

    def _beat_at(self, run: Run) -> int | None:
        rows = self._read("SELECT at FROM beats WHERE run_id = ? AND visit = ?", (run.row, run.visit))
        return rows[0][0] if rows else None

    def _ahead(self, run: Run, due_at: int | None) -> int:
        if run.status == "ready":
            return self._count(_AHEAD_READY, run.row)
        return 0 if due_at is None else self._count(_AHEAD_DUE, due_at)

    def _count(self, statement: str, parameter: int) -> int:
        ((count,),) = self._read(statement, (parameter,))
        return int(count)
