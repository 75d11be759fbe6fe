"""`fsm check --store`: which runs in flight could take the version in a file."""

import json

from tests.cli.conftest import GREET, Desk

SECOND = GREET.replace("version: 1", "version: 2").replace("  say:", "  speak:").replace("start: say", "start: speak")


def test_it_says_what_is_in_the_way_and_of_which_runs(desk: Desk) -> None:
    desk.run()
    dead = desk.run("broken")
    desk.write("later.yaml", SECOND)
    code, out, err = desk.fsm("check", "later.yaml", "--store", "runs.db")
    assert code == 1
    assert 'later.yaml:6:1: error[FSM902]: version 2 drops "say", where 1 run stands under version 1' in out
    assert "greet: version 1 → 2\n" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["approve", "approve", "live", "1", "1"] in rows
    assert ["say", "dead", "1", "0", "1"] in rows
    assert f"  {dead}\n" in out
    assert (
        err
        == "what actions read by their parameters was not checked for these runs: --actions does\n1 error in 1 file\n"
    )


def test_without_a_path_the_configured_store_is_meant(desk: Desk) -> None:
    desk.run("broken")
    desk.write("later.yaml", SECOND)
    assert desk.fsm("check", "later.yaml").code == 0
    assert desk.fsm("check", "later.yaml", "--store").code == 1
    assert desk.fsm("check", "--store", "--quiet", "later.yaml").code == 1
    assert desk.fsm("--store", "runs.db", "check", "later.yaml").code == 1


def test_a_map_makes_room(desk: Desk) -> None:
    desk.run("broken")
    desk.write("later.yaml", SECOND)
    code, out, err = desk.fsm("check", "later.yaml", "--map", "say=speak", "--actions", "--store")
    assert (code, err.splitlines()[-1]) == (0, "no findings in 1 file")
    assert ["say", "speak", "dead", "1", "1"] in [line.split() for line in out.splitlines()]


def test_as_json_it_tells_of_each_run(desk: Desk) -> None:
    run_id = desk.run("broken")
    desk.write("later.yaml", SECOND)
    found = json.loads(desk.fsm("check", "later.yaml", "--json", "--store").out)
    assert [one["code"] for one in found["findings"]] == ["FSM902"]
    (version,) = found["versions"]
    assert (version["workflow"], version["from"], version["to"]) == ("greet", 1, 2)
    assert [(one["id"], one["can"]) for one in version["runs"]] == [(run_id, False)]


def test_what_asks_too_much_is_refused(desk: Desk) -> None:
    code, _, err = desk.fsm("check", "--store")
    assert code == 2
    assert "no store at runs.db" in err
    code, _, err = desk.fsm("check", "--map", "say=speak")
    assert code == 2
    assert "--map goes with --store" in err
