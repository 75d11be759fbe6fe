"""Every cell of every ledger: changed by itself behind the law, it is found, and the row that it is in is named."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from fsm import operations
from fsm.engine.engine import Engine
from tests.past.wanderer import Wandering, wandered, wanderings

TABLES = ("transitions", "artifacts")
ROWS_MAX = 25
"""As many rows of a store are tried: a run that goes round in circles is no better example for it."""

JSON = {"tries": '{"1":7}', "visits": '{"work":7}', "awaits": '["go"]', "detail": '{"output":7}', "value": "7"}


def audited(engine: Engine) -> list[tuple[str | None, str, int | None, str | None]]:
    return [one[:4] for one in operations.audit(engine).altered]


def lawless(place: Path) -> sqlite3.Connection:
    """Return a connection to the file, from which the triggers are gone."""
    sql = sqlite3.connect(place, isolation_level=None)
    for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        sql.execute(f"DROP TRIGGER {name}")
    sql.execute("PRAGMA synchronous=OFF")
    return sql


def others(column: str, value: Any, runs: list[int]) -> list[Any]:
    """Return what else could stand in a cell."""
    match value:
        case None if column in ("due_at", "of_seq"):
            return [1]
        case None:
            return [JSON.get(column, "somebody")]
        case int() if column == "run_id":
            return [999, *(run for run in runs if run != value)]
        case int() if column in ("seq", "workflow_id"):
            return [value + 1, value + 500, -1]
        case int():
            return [1 - value, value + 1] if column == "interrupted" else [value + 1]
        case bytes():
            return [bytes([value[0] ^ 1]) + value[1:]]
        case str() if column == "value":
            return [value + " ", "null" if value != "null" else "1"]
        case _:
            return [value + "x", JSON.get(column, "")] + ([None] if column in JSON or column == "actor" else [])


def cells(sql: sqlite3.Connection) -> Iterator[tuple[str, int, str, Any, int, int]]:
    """Yield each cell as table, rowid, column, value, run and seq."""
    for table in TABLES:
        cursor = sql.execute(f"SELECT * FROM {table} ORDER BY id LIMIT {ROWS_MAX}")
        names = [column[0] for column in cursor.description]
        for row in cursor.fetchall():
            told = dict(zip(names, row, strict=True))
            for column, value in told.items():
                if column != "id":
                    yield table, told["id"], column, value, told["run_id"], told["seq"]


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(wandering=wanderings())
def test_every_altered_cell_is_found_and_its_row_is_named(wandering: Wandering) -> None:
    with wandered(wandering) as world, closing(lawless(world.store)) as sql, Engine(world.store) as engine:
        assert audited(engine) == []
        uids: dict[int, str] = dict(sql.execute("SELECT id, uid FROM runs").fetchall())
        for table, number, column, value, run, seq in list(cells(sql)):
            for other in others(column, value, list(uids)):
                if other == value:
                    continue
                try:
                    sql.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (other, number))
                except sqlite3.IntegrityError:
                    continue
                found = audited(engine)
                sql.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, number))
                told = [(where, table, at) for where, table, at, _ in found]
                case = (table, column, seq, value, other)
                if column == "run_id":
                    assert (uids[run], "transitions", max(seq, 1)) in told, (case, found)
                elif column == "seq" and table == "transitions":
                    assert {(uids[run], table, seq), (uids[run], table, other)} & set(told), (case, found)
                elif column == "seq":
                    assert told == [(uids[run], table, other)], (case, found)
                else:
                    assert told == [(uids[run], table, seq)], (case, found)
        assert audited(engine) == []
