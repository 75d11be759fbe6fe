"""What happened lately: a window of the ledger, summed up by SQLite so that only the sums are ever loaded."""

from fsm.model.census import Count, Crossed, Deaths, Lately, Stay, Trouble
from fsm.store.sqlite.base import Opened

_WITHIN = """
t.id BETWEEN :first AND :last
AND (:workflow IS NULL OR t.workflow_id IN (SELECT id FROM workflows WHERE name = :workflow))
"""

_CROSSED = f"""
SELECT w.name, w.version, g.source, g.event, g.target, g.status, g.times FROM (
  SELECT t.workflow_id, t.source, t.event, t.target, t.status, count(*) AS times FROM transitions t WHERE {_WITHIN}
  GROUP BY 1, 2, 3, 4, 5) g
JOIN workflows w ON w.id = g.workflow_id ORDER BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 - the texts of this module

_ENDED = f"""
SELECT w.name, w.version, g.target, g.status, g.runs FROM (
  SELECT t.workflow_id, t.target, t.status, count(*) AS runs
  FROM transitions t JOIN runs r ON r.id = t.run_id AND r.seq = t.seq
  WHERE {_WITHIN} AND t.status IN ('succeeded', 'failed', 'cancelled') GROUP BY 1, 2, 3) g
JOIN workflows w ON w.id = g.workflow_id ORDER BY 1, 2, 3, 4
"""  # noqa: S608 - as above

_TROUBLES = f"""
SELECT w.name, t.source, iif(t.event GLOB 'retry:*', 'retry', 'error'),
  coalesce(json_extract(t.detail, '$.class'), ''), count(*)
FROM transitions t JOIN workflows w ON w.id = t.workflow_id
WHERE {_WITHIN} AND (t.event GLOB 'retry:*' OR t.event GLOB 'error:*' OR t.event = 'fault')
GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2, 3, 4
"""  # noqa: S608 - as above

# The row before tells the visit that a row left; a visit began with the row of its number, or anew with a redrive.
_STAYS = f"""
WITH stays(name, state, took) AS (
  SELECT w.name, t.source, t.at - (
    SELECT max(e.at) FROM transitions e WHERE e.run_id = t.run_id AND e.seq >= p.visit AND e.seq < t.seq
    AND e.visit = p.visit AND (e.seq = p.visit OR e.event = 'redrive'))
  FROM transitions t JOIN transitions p ON p.run_id = t.run_id AND p.seq = t.seq - 1
  JOIN workflows w ON w.id = t.workflow_id
  WHERE {_WITHIN} AND t.visit <> p.visit AND p.status IN ('ready', 'running', 'waiting')
  AND t.event <> 'rewind'),
ranked AS (
  SELECT name, state, took, row_number() OVER (PARTITION BY name, state ORDER BY took) AS place,
    count(*) OVER (PARTITION BY name, state) AS visits FROM stays)
SELECT name, state, visits,
  max(iif(place = (visits * 50 + 99) / 100, took, NULL)), max(iif(place = (visits * 95 + 99) / 100, took, NULL)),
  max(iif(place = (visits * 99 + 99) / 100, took, NULL))
FROM ranked GROUP BY name, state ORDER BY name, state
"""  # noqa: S608 - as above

_DEATHS = f"""
SELECT at / :bucket * :bucket, sum(entered), sum(left) FROM (
  SELECT t.at AS at, 1 AS entered, 0 AS left FROM transitions t
  WHERE {_WITHIN} AND t.status = 'dead' AND t.event <> 'migrate'
  UNION ALL SELECT t.at, 0, 1 FROM transitions t JOIN transitions p ON p.run_id = t.run_id AND p.seq = t.seq - 1
  WHERE {_WITHIN} AND t.event IN ('redrive', 'rewind', 'complete') AND p.status = 'dead')
GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - as above


class Census(Opened):
    """The part of the store that sums up its ledger."""

    def lately(
        self, since: int, *, workflow: str | None = None, bucket_ms: int = 3_600_000, rows_max: int | None = None
    ) -> Lately:
        first, last, begins, is_cut = self._window(since, rows_max)
        within = {"first": first, "last": last, "workflow": workflow}
        ((rows,),) = self._read("SELECT count(*) FROM transitions WHERE id BETWEEN ? AND ?", (first, last))
        return Lately(
            begins,
            rows,
            is_cut,
            tuple(Crossed._make(row) for row in self._read(_CROSSED, within)),
            tuple(Count(*row) for row in self._read(_ENDED, within)),
            tuple(Trouble._make(row) for row in self._read(_TROUBLES, within)),
            tuple(Stay._make(row) for row in self._read(_STAYS, within)),
            tuple(Deaths._make(row) for row in self._read(_DEATHS, {**within, "bucket": bucket_ms})),
        )

    def _window(self, since: int, rows_max: int | None) -> tuple[int, int, int, bool]:
        """Return first and last row of the window, when it begins, and whether that is later than `since`."""
        ((lowest, last),) = self._read("SELECT (SELECT min(id) FROM transitions), (SELECT max(id) FROM transitions)")
        if last is None:
            return 1, 0, since, False
        first = self._first(since, lowest, last)
        if rows_max is None or last - first < rows_max:
            return first, last, since, False
        first = last - rows_max + 1
        ((begins,),) = self._read("SELECT at FROM transitions WHERE id >= ? ORDER BY id LIMIT 1", (first,))
        return first, last, begins, True

    def _first(self, since: int, low: int, last: int) -> int:
        """Return the first row since an instant, found by halves: numbers of rows grow as their instants do."""
        high = last + 1
        while low < high:
            middle = (low + high) // 2
            ((number, at),) = self._read(
                "SELECT id, at FROM transitions WHERE id >= ? ORDER BY id LIMIT 1", (middle,)
            ) or [(high, since)]
            if at >= since:
                high = middle
            else:
                low = number + 1
        return low
