"""What runs carry and leave behind: values, ledger, signals, checkpoints, heartbeats."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fsm.errors import LeaseLost, NotFound, UsageError
from fsm.model.run import Artifact, Kept, Run
from fsm.store.answers import Written
from fsm.store.sqlite.base import Opened
from fsm.store.sqlite.edges import store_signal
from fsm.store.sqlite.past import NAMES
from fsm.store.sqlite.pauses import PAUSED
from fsm.store.sqlite.rows import TRANSITION_COLUMNS, transition_of

_PAGE_ROWS = 500

_VALUES_OF = """
SELECT json_group_array((SELECT CASE WHEN length(value) > ? THEN 0 ELSE value END FROM artifacts
  WHERE run_id = json_extract(wanted.value, '$[1]') AND name = json_extract(wanted.value, '$[2]')
  ORDER BY seq DESC LIMIT 1))
FROM (SELECT value FROM json_each(?) ORDER BY key) wanted
"""
"""The newest values of pairs of run and name, in one step of SQLite; 0 stands for one that is too large."""


class Records(Opened):
    """The part of the store that reads and keeps what belongs to runs."""

    def values(self, run: Run, names: Iterable[str]) -> dict[str, str]:
        found = {}
        for name in names:
            rows = self._read("SELECT value FROM artifacts WHERE run_id = ? AND name = ? ORDER BY seq DESC LIMIT 1",
                              (run.row, name))  # fmt: skip
            if rows and rows[0][0] is not None:
                found[name] = rows[0][0]
        return found

    def values_of(self, wanted: Sequence[tuple[Run, Iterable[str]]], chars_max: int) -> list[dict[str, str | None]]:
        pairs = [(place, run.row, name) for place, (run, names) in enumerate(wanted) for name in names]
        found: list[dict[str, str | None]] = [{} for _ in wanted]
        ((texts,),) = self._read(_VALUES_OF, (chars_max, json.dumps(pairs)))
        for (place, _, name), text in zip(pairs, json.loads(texts), strict=True):
            if not isinstance(text, int):
                found[place][name] = text
        return found

    def history(self, run_id: str, after: int = 0) -> Iterator[Written]:
        rows = self._read("SELECT id FROM runs WHERE uid = ?", (run_id,))
        if not rows:
            raise NotFound(f'no run "{run_id}" in {self.path}')
        ((number,),) = rows
        while True:
            page = self._page(number, after)
            yield from page
            if len(page) < _PAGE_ROWS:
                return
            after = page[-1].transition.seq

    def _page(self, number: int, after: int) -> list[Written]:
        """Return one page of a ledger; short reads, so that a long one never holds up a checkpoint."""
        rows = self._read(
            f"SELECT {TRANSITION_COLUMNS} FROM transitions WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?",  # noqa: S608
            (number, after, _PAGE_ROWS),
        )
        page = [transition_of(row) for row in rows]
        if not page:
            return []
        written: dict[int, list[Artifact]] = {}
        found: list[tuple[int, int, str, str | None]] = []
        for (name,) in self._read(NAMES, {"run": number}):  # by an index that begins with run and name
            found += self._read("SELECT id, seq, name, value FROM artifacts "
                                "WHERE run_id = ? AND name = ? AND seq > ? AND seq <= ?",
                                (number, name, after, page[-1].seq))  # fmt: skip
        for _, seq, name, value in sorted(found):
            written.setdefault(seq, []).append(Artifact(name, value))
        return [Written(row, tuple(written.get(row.seq, ()))) for row in page]

    def keep(self, run: Run, signal: Kept, seen: int | None = None, *, paused: bool = False) -> bool:
        def put(sql: sqlite3.Connection) -> int | None:
            same = sql.execute(
                f"SELECT 1 FROM runs WHERE id = ? AND seq = ? AND epoch = ? AND status = ? AND (NOT ? OR {PAUSED}) "  # noqa: S608
                "AND NOT EXISTS(SELECT 1 FROM signals WHERE run_id = runs.id AND (message_id = ? "
                "OR (id > ? AND name = ? AND used_seq IS NULL AND refused = 0)))",
                (run.row, run.seq, run.epoch, run.status, paused, signal.message_id, seen, signal.name),
            ).fetchone()
            return store_signal(sql, run, signal, used_seq=None) if same else None

        def landed(number: int | None) -> bool:
            return number is None or bool(self._signals("id = ? AND name = ? AND at = ?",
                                                        (run.row, number, signal.name, signal.at)))  # fmt: skip

        return self._durably(put, landed) is not None

    def message(self, run: Run, message_id: str) -> Kept | None:
        found = self._signals("message_id = ?", (run.row, message_id))
        return found[0] if found else None

    def kept(self, run: Run, names: Iterable[str]) -> list[Kept]:
        return self._signals("used_seq IS NULL AND refused = 0 AND name IN (SELECT value FROM json_each(?))",
                             (run.row, json.dumps(list(names))))  # fmt: skip

    def _signals(self, condition: str, parameters: tuple[Any, ...]) -> list[Kept]:
        """Return the signals of a run that meet a condition (fixed text of this class; values are bound)."""
        rows = self._read(
            "SELECT id, name, actor, payload, at, message_id FROM signals "  # noqa: S608
            f"WHERE run_id = ? AND {condition} ORDER BY id",
            parameters,
        )
        return [Kept(number, name, actor, json.loads(payload), at, message)
                for number, name, actor, payload, at, message in rows]  # fmt: skip

    def checkpoint(self, run: Run, name: str) -> str | None:
        rows = self._read("SELECT value FROM checkpoints WHERE run_id = ? AND visit = ? AND name = ?",
                          (run.row, run.visit, name))  # fmt: skip
        return rows[0][0] if rows else None

    def save_checkpoint(self, run: Run, name: str, value: str) -> None:
        def save(sql: sqlite3.Connection) -> None:
            _progress(sql, run)
            if sql.execute("SELECT 1 FROM checkpoints WHERE run_id = ? AND visit = ? AND name = ?",
                           (run.row, run.visit, name)).fetchone():  # fmt: skip
                raise UsageError(f'"{name}" was saved before in this visit of "{run.state}"; give each result its name')
            sql.execute("INSERT INTO checkpoints(run_id, visit, name, value) VALUES (?,?,?,?)",
                        (run.row, run.visit, name, value))  # fmt: skip

        self._durably(save, lambda _: self.checkpoint(run, name) == value)

    def beat(self, run: Run, detail: str | None, now: int) -> None:
        def save(sql: sqlite3.Connection) -> None:
            told = sql.execute("SELECT detail FROM beats WHERE run_id = ? AND visit = ?",
                               (run.row, run.visit)).fetchone()  # fmt: skip
            _progress(sql, run, forgives=detail is not None and (told is None or told[0] != detail))
            sql.execute(
                "INSERT INTO beats(run_id, visit, at, detail) VALUES (?,?,?,?) ON CONFLICT(run_id) DO UPDATE SET "
                "detail = iif(visit = excluded.visit, coalesce(excluded.detail, detail), excluded.detail), "
                "visit = excluded.visit, at = excluded.at",
                (run.row, run.visit, now, detail),
            )

        self._durably(save)

    def last_beat(self, run: Run) -> Any:
        rows = self._read("SELECT detail FROM beats WHERE run_id = ? AND visit = ?", (run.row, run.visit))
        return json.loads(rows[0][0]) if rows and rows[0][0] is not None else None


def _progress(sql: sqlite3.Connection, run: Run, *, forgives: bool = True) -> None:
    """Make sure that an attempt still holds its run; what is new forgives the visit's crashes. Raises LeaseLost."""
    mine = sql.execute(
        "UPDATE runs SET crashes = iif(?, 0, crashes) WHERE id = ? AND epoch = ? AND seq = ? AND status = 'running'",
        (forgives, run.row, run.epoch, run.seq),
    )
    if mine.rowcount != 1:
        raise LeaseLost(f'run {run.id} has moved on from attempt {run.attempt} of "{run.state}"')
