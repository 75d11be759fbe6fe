"""`fsm backup`: what it writes, and what it says of it."""

import sqlite3
from contextlib import closing

from fsm.render.sizes import sized
from tests.cli.conftest import Desk


def test_the_copy_is_a_store_for_every_other_command(desk: Desk) -> None:
    run_id = desk.run()
    code, out, err = desk.fsm("backup", "copy.db")
    assert (code, out) == (0, "")
    size = (desk.folder / "copy.db").stat().st_size
    assert err.startswith("runs.db (")
    assert err.endswith(f") is copied to copy.db ({sized(size)}), checked\n")
    assert desk.fsm("ls", "--store", "copy.db").out == desk.fsm("ls").out
    assert desk.fsm("signal", run_id, "skip", "--store", "copy.db").code == 0
    assert desk.fsm("ls", "--json").json[0]["status"] == "waiting"
    with closing(sqlite3.connect("copy.db")) as sql:
        assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_json_gives_the_sizes(desk: Desk) -> None:
    desk.run()
    told = desk.fsm("backup", "copy.db", "--json").json
    assert told["path"] == "copy.db"
    assert told["size_bytes"] == (desk.folder / "copy.db").stat().st_size
    assert told["store_bytes"] > 0


def test_a_file_that_is_there_is_replaced_only_by_force(desk: Desk) -> None:
    desk.run()
    desk.write("copy.db", "my notes")
    code, _, err = desk.fsm("backup", "copy.db")
    assert code == 2
    assert "copy.db exists; name another file for the backup, or force it over this one" in err
    assert (desk.folder / "copy.db").read_text() == "my notes"
    assert desk.fsm("backup", "copy.db", "--force", "-q") == (0, "", "")
    assert desk.fsm("ls", "--store", "copy.db", "--json").json


def test_a_run_that_was_driven_is_resumed_from_the_copy_as_one_that_was_interrupted(desk: Desk) -> None:
    driven = desk.begun("run", "greet", "-i", "name=sleeper")
    assert driven.stderr is not None
    for line in driven.stderr:
        if line == "asleep\n":
            break
    assert desk.fsm("backup", "copy.db").code == 0
    desk.write("awake", "")
    ended = desk.process("resume", "--store", "copy.db", "--json")
    (run,) = ended.json
    assert (run["state"], run["status"], run["crashes"]) == ("approve", "waiting", 0)
    assert desk.fsm("ls", "--json").json[0]["status"] == "running"


def test_the_store_is_not_backed_up_into_itself(desk: Desk) -> None:
    desk.run()
    code, _, err = desk.fsm("backup", "runs.db", "--force")
    assert code == 2
    assert "runs.db belongs to the store itself" in err
    assert len(desk.fsm("ls", "--json").json) == 1
