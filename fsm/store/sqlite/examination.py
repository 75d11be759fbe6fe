"""The look at a whole store, in parts: every run against its ledger, and what would wake it.

Each part is a handful of statements over a range of row numbers, read as of one moment and short, so that neither
writers nor checkpoints are held up. Nothing is repaired.
"""

from collections.abc import Iterator, Mapping

from fsm.kernel.fair import SUSPECT_CRASHES
from fsm.model.finding import Examined, Finding, Group, Inbox
from fsm.model.reason import Cure
from fsm.store.sqlite.pauses import PAUSED
from fsm.store.sqlite.standings import Standings

_RUNS_MAX = 1_000
_TRANSITIONS_MAX = 50_000
_LAST = 2**63 - 1
_PERSON = '["complete","redrive"]'

_LIVE = "runs.status IN ('ready', 'running', 'waiting')"
_RANGE = "runs.id > :after AND runs.id <= :upto"

_DIFFERS = f"""
SELECT runs.uid, differences FROM (
  SELECT runs.*, CASE WHEN t.id IS NULL THEN 'its last row, ' || runs.seq || ', is not there' ELSE
    iif(t.target <> runs.state, ' state', '') || iif(t.hash <> runs.head, ' head', '')
    || iif(t.workflow_id <> runs.workflow_id, ' version', '') || iif(t.visit <> runs.visit, ' visit', '')
    || iif(t.attempt <> runs.attempt, ' attempt', '') || iif(t.tries IS NOT runs.tries, ' tries', '')
    || iif(iif({_LIVE}, t.status NOT IN ('ready', 'running', 'waiting'), t.status <> runs.status), ' status', '')
    END AS differences
  FROM runs LEFT JOIN transitions t ON t.run_id = runs.id AND t.seq = runs.seq WHERE {_RANGE}) AS runs
WHERE differences <> ''
"""  # noqa: S608 - the texts of this module, as below

_GAPS = f"""
SELECT runs.uid, runs.seq, count(t.seq), coalesce(min(t.seq), 0), coalesce(max(t.seq), 0)
FROM runs LEFT JOIN transitions t ON t.run_id = runs.id WHERE {_RANGE}
GROUP BY runs.id HAVING count(t.seq) <> runs.seq OR max(t.seq) IS NOT runs.seq OR min(t.seq) IS NOT 1
"""  # noqa: S608

_NAMING = {
    "value": ("artifacts", "seq"), "checkpoint": ("checkpoints", "visit"), "heartbeat": ("beats", "visit"),
    "used signal": ("signals", "used_seq"),
}  # fmt: skip
"""What belongs to a transition of a run: what it is called, its table, and the column that names the transition."""

_OWNED = ("transitions", *(table for table, _ in _NAMING.values()))

_NO_REASON = f"""
SELECT runs.uid, CASE
  WHEN NOT EXISTS(SELECT 1 FROM edges e WHERE e.workflow_id = runs.workflow_id AND e.source = runs.state)
    THEN 'no edge leads out of "' || runs.state || '"'
  WHEN runs.status = 'running' AND NOT EXISTS(SELECT 1 FROM workers w WHERE w.id = runs.worker_id)
    THEN 'it is claimed by a worker that the store does not know'
  WHEN runs.status = 'waiting' AND runs.due_at IS NULL
    AND NOT EXISTS(SELECT 1 FROM json_each(iif(json_valid(runs.awaits), runs.awaits, '[]')))
    THEN 'it waits for no instant, no signal and no person'
  WHEN runs.status = 'waiting' AND runs.due_at IS NULL AND runs.awaits <> '{_PERSON}' AND EXISTS(
    SELECT 1 FROM json_each(iif(json_valid(runs.awaits), runs.awaits, '[]')) a WHERE NOT EXISTS(
      SELECT 1 FROM edges e WHERE e.workflow_id = runs.workflow_id AND e.source = runs.state
      AND e.event = 'signal:' || a.value))
    THEN 'it awaits ' || runs.awaits || ', which "' || runs.state || '" does not declare'
  END AS missing
FROM runs WHERE {_RANGE} AND {_LIVE} AND missing IS NOT NULL
"""  # noqa: S608

_GROUPED = "runs.name, runs.state, count(*), min(runs.updated_at), min(runs.uid) FROM runs"
_GROUPS = f"""
SELECT 'waits-long', {_GROUPED} WHERE {_RANGE} AND runs.status = 'waiting' AND runs.due_at IS NULL
  AND runs.updated_at < :long_ago AND NOT {PAUSED} GROUP BY runs.name, runs.state
UNION ALL
SELECT 'crashing', {_GROUPED} WHERE {_RANGE} AND {_LIVE} AND runs.crashes >= {SUSPECT_CRASHES}
  GROUP BY runs.name, runs.state
UNION ALL
SELECT 'clock-back', {_GROUPED} WHERE {_RANGE} AND runs.updated_at > :soon GROUP BY runs.name, runs.state
"""

_OPEN = f"""
SELECT w.digest, runs.state, s.name, NOT {_LIVE}, runs.status = 'waiting' AND NOT {PAUSED}
  AND (runs.due_at IS NULL OR runs.due_at > :now)
  AND s.name IN (SELECT value FROM json_each(iif(json_valid(runs.awaits), runs.awaits, '[]'))) AS awaited,
  count(*), count(DISTINCT s.actor), runs.uid
FROM signals s JOIN runs ON runs.id = s.run_id JOIN workflows w ON w.id = runs.workflow_id
WHERE s.used_seq IS NULL AND s.refused = 0 AND s.run_id > :after AND s.run_id <= :upto
GROUP BY runs.id, s.name
"""  # noqa: S608

_DRIVEN = f"""
SELECT w.id, w.host, w.pid, w.expires_at, runs.id, runs.epoch, runs.updated_at, runs.uid
FROM runs JOIN workers w ON w.id = worker_id
WHERE runs.status = 'running' AND {_RANGE}
"""  # noqa: S608


_LONG_MS = 14 * 86_400_000
"""How long a run may wait for somebody, with no deadline, before that is worth a note."""

_SOON_MS = 60_000
"""How far the clocks of two processes may be apart."""


class Examination(Standings):
    """The part of the store that looks at every run."""

    def last_row(self) -> int:
        ((row,),) = self._read("SELECT coalesce(max(id), 0) FROM runs")
        return int(row)

    def examine(self, after: int, now: int) -> Examined:
        with self._snapshot():
            upto, runs = self._upto(after)
            part = {"after": after, "upto": upto, "now": now, "soon": now + _SOON_MS, "long_ago": now - _LONG_MS}
            findings = [*self._ledgers(part), *self._astray(part), *self._orphans(part), *self._unwakeable(part)]
            groups = [*self._left_behind(part, now), *(Group(*row) for row in self._read(_GROUPS, part))]
            inboxes = [_inbox(*row) for row in self._read(_OPEN, part)]
        return Examined(None if upto == _LAST else upto, runs, tuple(findings), tuple(groups), tuple(inboxes))

    def _upto(self, after: int) -> tuple[int, int]:
        """Return the last row number of a part, and how many runs it has: bounded by them and by their ledgers."""
        rows = self._read("SELECT id, seq FROM runs WHERE id > ? ORDER BY id LIMIT ?", (after, _RUNS_MAX))
        left = _TRANSITIONS_MAX
        for count, (row, seq) in enumerate(rows, 1):
            left -= seq
            if left <= 0 and count < len(rows):
                return row, count
        return (rows[-1][0] if len(rows) == _RUNS_MAX else _LAST), len(rows)

    def _ledgers(self, part: Mapping[str, int]) -> Iterator[Finding]:
        for run_id, differences in self._read(_DIFFERS, part):
            yield Finding("ledger-differs", f"its ledger does not agree with it: {differences.strip()}", run_id)
        for run_id, seq, count, first, last in self._read(_GAPS, part):
            yield Finding("ledger-gap", f"{seq} transitions are expected; there are {count}, from {first} to {last}",
                          run_id)  # fmt: skip

    def _astray(self, part: Mapping[str, int]) -> Iterator[Finding]:
        """Yield what names a transition that its run has not come to."""
        for what, (table, column) in _NAMING.items():
            rows = self._read(
                f"SELECT runs.uid, count(*), max(x.{column}), runs.seq FROM {table} x "  # noqa: S608
                f"JOIN runs ON runs.id = x.run_id AND x.{column} NOT BETWEEN 0 AND runs.seq "
                "WHERE x.run_id > :after AND x.run_id <= :upto GROUP BY runs.id",
                part,
            )
            for run_id, count, named, seq in rows:
                said = f"{count} {what}{'' if count == 1 else 's'} of transition {named}, or of others beyond its {seq}"
                yield Finding("value-astray", said, run_id)

    def _orphans(self, part: Mapping[str, int]) -> Iterator[Finding]:
        """Yield the rows whose run is not there; of runs that were deleted, parts may be left to a prune to come."""
        for table in _OWNED:
            rows = self._read(
                "SELECT coalesce(remains.run_id IS NOT NULL, 0), count(*), count(DISTINCT x.run_id), min(x.run_id) "  # noqa: S608
                f"FROM {table} x LEFT JOIN remains ON remains.run_id = x.run_id WHERE x.run_id > :after "
                "AND x.run_id <= :upto AND NOT EXISTS(SELECT 1 FROM runs WHERE id = x.run_id) GROUP BY 1",
                part,
            )
            for is_known, count, runs, row in rows:
                said = f"{count} in {table}, of {runs} runs; the first is number {row}"
                yield Finding("remains" if is_known else "orphan", said)

    def _unwakeable(self, part: Mapping[str, int]) -> Iterator[Finding]:
        for run_id, missing in self._read(_NO_REASON, part):
            cancel = Cure("ends it where it stands", (("cancel", run_id),))
            yield Finding("no-reason", f"nothing will ever wake it: {missing}", run_id, (cancel,))

    def _left_behind(self, part: Mapping[str, int], now: int) -> Iterator[Group]:
        """Yield what dead processes hold, by process."""
        left: dict[tuple[str, int], list[tuple[int, str]]] = {}
        for worker, host, pid, expires_at, row, epoch, at, run_id in self._read(_DRIVEN, part):
            if not self._holders.hold(worker, pid, expires_at, row, epoch, now=now):
                left.setdefault((host, pid), []).append((at, run_id))
        for (host, pid), runs in left.items():
            yield Group("left-behind", f"process {pid} on {host}", "", len(runs), min(runs)[0], min(runs)[1])


def _inbox(
    digest: str, state: str, name: str, final: int, awaited: int, signals: int, actors: int, run_id: str
) -> Inbox:  # fmt: skip
    return Inbox(digest, state, name, bool(final), bool(awaited), signals, actors, run_id)
