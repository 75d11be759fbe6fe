"""What there is now: live and dead runs, counted by their indexes, and the processes that drive them."""

import json

from fsm.model.census import Count, Crew, Present, Stuck
from fsm.store.sqlite.base import Opened
from fsm.store.sqlite.claims import Holders, left_behind
from fsm.store.sqlite.connection import translated
from fsm.store.sqlite.pauses import PAUSED

_OF_ONE = "(:workflow IS NULL OR name = :workflow)"

# One status at a time, since each has an index of its own; those that ended well or badly have none.
_COUNTED = " UNION ALL ".join(
    f"SELECT name, workflow_id, state, status, updated_at, due_at, {PAUSED} AS paused FROM runs "  # noqa: S608 - the texts of this room
    f"WHERE status = '{status}' AND {_OF_ONE}"
    for status in ("ready", "running", "waiting", "dead")
)
_COUNTS = f"""
SELECT g.name, w.version, g.state, g.status, g.runs, g.paused, g.ready_since, g.due_at FROM (
  SELECT name, workflow_id, state, status, count(*) AS runs, sum(paused) AS paused,
    min(iif(status = 'ready' AND NOT paused, updated_at, NULL)) AS ready_since,
    min(iif(NOT paused, due_at, NULL)) AS due_at
  FROM ({_COUNTED}) GROUP BY 1, 2, 3, 4) g
JOIN workflows w ON w.id = g.workflow_id ORDER BY 1, 2, 3, 4
"""  # noqa: S608 - as above

_LATE = f"""
SELECT uid, name, workflow_id, state, status, 'ready' AS why, updated_at AS since FROM runs
WHERE status = 'ready' AND updated_at <= :late AND {_OF_ONE} AND NOT {PAUSED}
UNION ALL SELECT uid, name, workflow_id, state, status, 'due', due_at FROM runs
WHERE status = 'waiting' AND due_at <= :late AND {_OF_ONE} AND NOT {PAUSED}
UNION ALL SELECT uid, name, workflow_id, state, status, 'left behind', updated_at FROM runs
WHERE id IN (SELECT value FROM json_each(:left)) AND status = 'running' AND {_OF_ONE}
"""  # noqa: S608 - as above
_STUCK = f"""
SELECT l.uid, l.name, w.version, l.state, l.status, l.why, l.since FROM ({_LATE}) l
JOIN workflows w ON w.id = l.workflow_id ORDER BY l.since, l.uid LIMIT :limit
"""  # noqa: S608 - as above
_STUCK_RUNS = f"SELECT count(*) FROM ({_LATE})"  # noqa: S608 - as above

_CREW_MAX = 1_000
_CREW = """
SELECT id, host, pid, at, (SELECT count(*) FROM runs WHERE worker_id = w.id AND status = 'running'), expires_at
FROM workers w WHERE id > (SELECT max(id) FROM workers) - ?
OR id IN (SELECT worker_id FROM runs WHERE status = 'running') ORDER BY id
"""


class Now(Opened):
    """The part of the store that tells what there is now."""

    _holders: Holders

    def present(self, now: int, *, workflow: str | None = None, late_ms: int = 60_000, stuck_max: int = 10) -> Present:
        with translated(self.path):
            left = left_behind(self.sql, self._holders, now)
        asked = {"workflow": workflow, "late": now - late_ms, "left": json.dumps([row for _, row in left])}
        counts = self._read(_COUNTS, {"workflow": workflow})
        ((stuck_runs,),) = self._read(_STUCK_RUNS, asked)
        stuck = self._read(_STUCK, {**asked, "limit": stuck_max}) if stuck_runs else []
        ((last,),) = self._read("SELECT coalesce(max(id), 0) FROM transitions")
        return Present(
            counts=tuple(Count(*row[:6]) for row in counts),
            stuck=tuple(Stuck(*row) for row in stuck),
            stuck_runs=stuck_runs,
            crew=tuple(self._crew()),
            ready_since=min((row[6] for row in counts if row[6] is not None), default=None),
            due_at=min((row[7] for row in counts if row[7] is not None), default=None),
            last=last,
        )

    def _crew(self) -> list[Crew]:
        seen = []
        for worker, host, pid, at, runs, expires_at in self._read(_CREW, (_CREW_MAX,)):
            lives = worker == self._holders.worker or self._life.shown(worker, pid)
            if lives or runs:
                seen.append(Crew(worker, host, pid, at, runs, expires_at, lives))
        return seen
