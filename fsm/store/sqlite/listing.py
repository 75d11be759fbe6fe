"""Listing runs: by an index where few are to be looked at, and else newest first, so many at a time."""

import json
from collections.abc import Sequence

from fsm.model.listing import Page, Wanted
from fsm.model.run import LIVE, Run, Status
from fsm.store.sqlite.claims import Holders
from fsm.store.sqlite.pauses import PAUSED
from fsm.store.sqlite.runs import Runs

_FEW = 10_000
"""How many runs an index may name for all of them to be looked at on every page."""

_STEP = 100_000
"""How many runs one page looks at where no index helps."""

_INDEXES: dict[Status, str] = {
    "ready": "runs_ready",
    "waiting": "runs_due",
    "running": "runs_held",
    "dead": "runs_dead",
}
"""The statuses that have an index of their own; most runs of a large store have ended, and have none."""

_LAST_CHARACTER = chr(0x10FFFF)

_NAMED = "SELECT * FROM runs WHERE id IN (SELECT value FROM json_each(?))"
_NEWEST = "SELECT * FROM runs WHERE uid < ? ORDER BY uid DESC LIMIT ?"

Statement = tuple[str, Sequence[str | int]]


class Listing(Runs):
    """The part of the store that lists runs."""

    _holders: Holders

    def page(self, wanted: Wanted, limit: int, before: str | None = None, now: int = 0) -> Page:
        """Find candidates by the first index that names few, or look at the next step of all runs."""
        conditions, parameters = _conditions(wanted)
        with self._snapshot():
            few = self._held(now) if wanted.held else self._few(wanted)
            older = before or _LAST_CHARACTER
            source, bound = (_NEWEST, [older, _STEP]) if few is None else (_NAMED, [json.dumps(few)])
            rows = self._read(
                f"SELECT id FROM ({source}) AS runs WHERE {' AND '.join(conditions)} AND uid < ? "  # noqa: S608 - constants
                "ORDER BY uid DESC LIMIT ?",
                (*bound, *parameters, older, limit + 1),
            )
            runs = self._by_rows([row for (row,) in rows[:limit]])
            if len(rows) > limit:
                return Page(runs, runs[-1].id)
            end = None if few is not None else self._end_of_step(before)
            return Page(runs, end, is_cut=end is not None)

    def runs(self, *, workflow: str | None = None, status: Status | None = None, state: str | None = None,
             limit: int = 50, before: str | None = None) -> list[Run]:  # fmt: skip
        wanted = Wanted(workflow, () if status is None else (status,), state)
        found: list[Run] = []
        while len(found) < limit:
            page = self.page(wanted, limit - len(found), before)
            found += page.runs
            before = page.before
            if before is None:
                break
        return found

    def _by_rows(self, rows: Sequence[int]) -> list[Run]:
        return self._fetch(
            self.sql, "id IN (SELECT value FROM json_each(?)) ORDER BY uid DESC", (json.dumps(list(rows)),)
        )

    def _end_of_step(self, before: str | None) -> str | None:
        """Return the last id that a step looked at; None where it reached the oldest run."""
        rows = self._read(f"SELECT uid FROM runs WHERE uid < ? ORDER BY uid DESC LIMIT 2 OFFSET {_STEP - 1}",  # noqa: S608
                          (before or _LAST_CHARACTER,))  # fmt: skip
        return rows[0][0] if len(rows) > 1 else None

    def _held(self, now: int) -> list[int]:
        rows = self._read("SELECT w.id, w.pid, w.expires_at, runs.id, runs.epoch FROM runs "
                          "JOIN workers w ON w.id = worker_id WHERE status = 'running'")  # fmt: skip
        return [claim[2] for worker, *claim in rows if self._holders.hold(worker, *claim, now=now)]

    def _few(self, wanted: Wanted) -> list[int] | None:
        """Return the rows that an index names for what is wanted, if one does, and they are few."""
        for statements in (self._by_key(wanted), _by_status(wanted)):
            found: list[int] = []
            for statement, parameters in statements:
                found += [row for (row,) in self._read(f"{statement} LIMIT {_FEW + 1}", parameters)]
                if len(found) > _FEW:
                    break
            if statements and len(found) <= _FEW:
                return found
        return None if wanted.since is None else self._moved_since(wanted.since)

    def _by_key(self, wanted: Wanted) -> list[Statement]:
        if wanted.key is None:
            return []
        names = [wanted.workflow] if wanted.workflow is not None else self.names()
        between = (wanted.key, wanted.key + _LAST_CHARACTER)
        return [("SELECT id FROM runs WHERE name = ? AND key >= ? AND key < ?", (name, *between)) for name in names]

    def _moved_since(self, since: int) -> list[int] | None:
        """Return the runs of the newest ledger rows, back to an instant; None where those are many."""
        rows = self._read("SELECT run_id, at FROM transitions ORDER BY id DESC LIMIT ?", (_FEW + 1,))
        if len(rows) > _FEW and rows[-1][1] >= since:
            return None
        return list({row for row, at in rows if at >= since})


def _by_status(wanted: Wanted) -> list[Statement]:
    """Return the statements that name the runs of the statuses wanted, if every one of these has an index."""
    statuses: Sequence[Status] = wanted.statuses or (sorted(LIVE) if wanted.paused else ())
    if wanted.paused:
        statuses = [status for status in statuses if status in LIVE]
    if not statuses or not set(statuses) <= _INDEXES.keys():
        return []
    return [_of_status(status, wanted) for status in statuses]


def _of_status(status: Status, wanted: Wanted) -> Statement:
    statement = f"SELECT id FROM runs INDEXED BY {_INDEXES[status]} WHERE status = '{status}'"  # noqa: S608 - constants
    columns = {"ready": ("name",), "dead": ("name", "state")}.get(status, ())
    parameters = []
    for column, value in zip(columns, (wanted.workflow, wanted.state), strict=False):
        if value is None:
            break
        statement += f" AND {column} = ?"
        parameters.append(value)
    return statement, parameters


def _conditions(wanted: Wanted) -> tuple[list[str], list[str | int]]:
    """Return the conditions, fixed texts of this module, and what is bound to them."""
    found: list[tuple[str, list[str | int]]] = []
    if wanted.workflow is not None:
        found.append(("name = ?", [wanted.workflow]))
    if wanted.statuses:
        found.append(("status IN (SELECT value FROM json_each(?))", [json.dumps(wanted.statuses)]))
    if wanted.state is not None:
        found.append(("state = ?", [wanted.state]))
    if wanted.key is not None:
        found.append(("substr(key, 1, ?) = ?", [len(wanted.key), wanted.key]))
    if wanted.since is not None:
        found.append(("updated_at >= ?", [wanted.since]))
    if wanted.until is not None:
        found.append(("updated_at <= ?", [wanted.until]))
    if wanted.paused:
        found.append((f"status IN ('ready', 'running', 'waiting') AND {PAUSED}", []))
    return ["1", *(condition for condition, _ in found)], [value for _, values in found for value in values]
