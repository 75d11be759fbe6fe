"""`fsm audit`: the rows that were altered, and an exit code that says so."""

from tests.cli.conftest import Desk
from tests.cli.test_replay import lawless


def test_a_store_that_is_whole(desk: Desk) -> None:
    run_id = desk.run()
    desk.run()
    assert desk.fsm("audit") == (0, "", "2 runs with 4 transitions: nothing altered\n")
    assert desk.fsm("audit", run_id) == (0, "", "1 run with 2 transitions: nothing altered\n")
    assert desk.fsm("audit", "-q") == (0, "", "")
    assert desk.fsm("audit", "--json").json == []


def test_a_row_that_was_altered_is_named(desk: Desk) -> None:
    run_id = desk.run()
    other = desk.run()
    lawless(desk, "UPDATE artifacts SET value = '\"Good bye\"' WHERE name = 'said' AND run_id = 1")
    code, out, err = desk.fsm("audit")
    assert (code, err) == (1, "2 runs with 4 transitions: 1 row altered\n")
    title, row = out.splitlines()
    assert title.split() == ["RUN", "SEQ", "TABLE", "NAME", "WHAT", "IS", "WRONG"]
    assert row.split(maxsplit=4) == [run_id, "2", "artifacts", "said", "its value is not what was committed"]
    assert desk.fsm("audit", other).code == 0
    code, _, _ = answer = desk.fsm("audit", run_id, "--json")
    assert (code, answer.json) == (1, [
        {"run": run_id, "seq": 2, "table": "artifacts", "name": "said", "what": "its value is not what was committed"},
    ])  # fmt: skip


def test_a_run_whose_last_row_cannot_be_read_is_audited_and_listed(desk: Desk) -> None:
    run_id = desk.run("broken")
    lawless(desk, "UPDATE transitions SET detail = '{' WHERE seq = 2")
    code, out, _ = desk.fsm("audit", run_id)
    assert (code, "cannot be read" in out) == (1, True)
    assert f"`fsm audit {run_id}`" in desk.fsm("ls", "--json").json[0]["reason"]


def test_a_run_that_is_not_there(desk: Desk) -> None:
    desk.run()
    code, _, err = desk.fsm("audit", "ZZZ")
    assert (code, err) == (2, f'Error: no run "ZZZ" in {desk.folder}/runs.db; `fsm ls` lists those there are\n')
