"""`fsm replay`: what the ledger makes of a run beside what its row says."""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.cli.conftest import Desk


def lawless(desk: Desk, statement: str) -> None:
    with closing(sqlite3.connect(desk.folder / "runs.db")) as sql:
        for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            sql.execute(f"DROP TRIGGER {name}")
        assert sql.execute(statement).rowcount
        sql.commit()


def test_both_are_printed_side_by_side(desk: Desk) -> None:
    run_id = desk.run()
    code, out, err = desk.fsm("replay", run_id)
    assert (code, err) == (0, f"run {run_id}: the ledger and the row agree\n")
    title, *rows = out.splitlines()
    assert title.split() == ["FIELD", "LEDGER", "ROW"]
    told = {row.split()[0]: row.split()[1:] for row in rows}
    assert told["state"] == ["approve", "approve"]
    assert told["values.said"] == ['"Hello', 'Ana"'] * 2
    assert desk.fsm("replay", run_id, "-q").err == ""


def test_a_difference_is_marked_and_the_exit_code_says_so(desk: Desk) -> None:
    run_id = desk.run()
    lawless(desk, "UPDATE runs SET state = 'say'")
    code, out, err = desk.fsm("replay", run_id)
    assert (code, err) == (1, f"run {run_id}: 1 difference\n")
    assert [row.split() for row in out.splitlines() if row.endswith("differs")] == [
        ["state", "approve", "say", "differs"],
    ]  # fmt: skip


def test_as_json_it_is_both_and_where_they_differ(desk: Desk) -> None:
    run_id = desk.run()
    lawless(desk, "UPDATE runs SET due_at = due_at + 1000")
    code, out, _ = desk.fsm("replay", run_id, "--json")
    told = json.loads(out)
    assert (code, told["id"], told["ledger"]["state"], told["row"]["state"]) == (1, run_id, "approve", "approve")
    assert told["ledger"]["values"] == told["row"]["values"] == {"name": "Ana", "said": "Hello Ana", "times": 1}
    ((one),) = told["differences"]
    assert (one["field"], one["ledger"], one["row"]) == ("due_at", told["ledger"]["due_at"], told["row"]["due_at"])
    assert one["ledger"] < one["row"]


def test_a_part_of_the_ledger_shows_the_run_as_it_was_then(desk: Desk) -> None:
    run_id = desk.run()
    code, out, err = desk.fsm("replay", run_id, "--to", "1")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["FIELD", "LEDGER"]
    assert ["state", "say"] in [row.split() for row in out.splitlines()]
    told = desk.fsm("replay", run_id, "--to", "1", "--json").json
    assert (told.keys(), told["ledger"]["values"]) == ({"id", "ledger"}, {"name": "Ana", "times": 1})
    code, _, err = desk.fsm("replay", run_id, "--to", "3")
    assert (code, "has no transition 3; it has 1 to 2" in err) == (2, True)


def test_every_run_of_the_store_is_replayed(desk: Desk) -> None:
    desk.run()
    run_id = desk.run()
    assert desk.fsm("replay", "--all") == (0, "", "2 of 2 runs agree with their ledgers\n")
    assert desk.fsm("replay", "--all", "--json").json == []
    lawless(desk, f"UPDATE runs SET attempt = 2 WHERE uid = '{run_id}'")
    code, out, err = desk.fsm("replay", "--all")
    assert (code, err) == (1, "1 of 2 runs agree with their ledgers\n")
    assert [row.split() for row in out.splitlines()] == [
        ["RUN", "FIELD", "LEDGER", "ROW"], [run_id, "attempt", "1", "2"],
    ]  # fmt: skip
    assert desk.fsm("replay", "--all", "--json").json == [
        {"id": run_id, "differences": [{"field": "attempt", "ledger": 1, "row": 2}]},
    ]  # fmt: skip


@pytest.mark.parametrize("words", [(), ("01", "--all"), ("--all", "--to", "1")])
def test_it_is_one_run_or_every_one(desk: Desk, words: tuple[str, ...]) -> None:
    desk.run()
    code, _, err = desk.fsm("replay", *words)
    assert code == 2
    assert "name a RUN, or say --all" in err
