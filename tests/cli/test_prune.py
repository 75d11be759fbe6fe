"""`fsm prune`: what it deletes, and what it says of it."""

from typing import Any

import pytest

from fsm.engine.engine import Engine
from tests.cli.conftest import GREET, Desk
from tests.engine.builders import NOW, Hand, named


def old_runs(desk: Desk) -> list[str]:
    """Make runs of 2023: one that succeeded, one that was refused, one dead, one that still waits to be started."""
    refused = GREET.replace("version: 1", "version: 2").replace("deadline: 5d", "deadline: 20d")
    desk.write("definitions/greet.yaml", refused)
    say = named("greet.say", lambda name, times: 1 // times)
    clock: Any = Hand(NOW)
    with Engine("runs.db", definitions="definitions/greet.yaml", actions=[say], clock=clock) as engine:
        runs = [engine.run("greet", {"name": name, "times": times}) for name, times in (("a", 1), ("b", 1), ("c", 0))]
        engine.signal(runs[0].id, "skip")
        engine.signal(runs[1].id, "refuse")
        runs.append(engine.start("greet", {"name": "d"}))
    return [run.id for run in runs]


def test_what_is_young_is_kept(desk: Desk) -> None:
    desk.fsm("signal", desk.run(), "skip")
    assert desk.fsm("prune") == (0, "", "nothing to prune\n")
    assert len(desk.fsm("ls", "--json").json) == 1


def test_it_deletes_what_is_old_and_cancels_what_was_abandoned(desk: Desk) -> None:
    _, _, dead, started = old_runs(desk)
    code, out, err = desk.fsm("prune")
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["WORKFLOW", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"], ["greet", "1", "1", "0", "1"],
    ]  # fmt: skip
    assert err == "deleted 2 runs (18 rows), cancelled 1 expired\n"
    left = {run["id"]: run for run in desk.fsm("ls", "--json").json}
    assert {run_id: run["status"] for run_id, run in left.items()} == {dead: "dead", started: "cancelled"}
    assert left[started]["reason"] == "expired: no transition for 90d or more"
    assert desk.fsm("prune") == (0, "", "nothing to prune\n")


def test_a_dry_run_says_what_it_would_do_and_does_nothing(desk: Desk) -> None:
    ids = old_runs(desk)
    assert desk.fsm("prune", "--dry-run", "--quiet").err == ""
    assert desk.fsm("prune", "--dry-run").err == "would delete 2 runs and cancel 1 expired\n"
    assert len(desk.fsm("ls", "--json").json) == len(ids)


def test_json_gives_the_same_numbers(desk: Desk) -> None:
    old_runs(desk)
    told = {"deleted": 2, "expired": 1, "workflows": [
        {"workflow": "greet", "succeeded": 1, "failed": 1, "cancelled": 0, "expired": 1}]}  # fmt: skip
    assert desk.fsm("prune", "--json", "--dry-run").json == told | {"dry_run": True, "rows": None}
    assert desk.fsm("prune", "--json").json == told | {"dry_run": False, "rows": 18}


def test_the_definitions_rule_that_are_given(desk: Desk) -> None:
    old_runs(desk)
    desk.write("other/greet.yaml", GREET.replace("version: 1", "version: 9\nretention: never\nexpires: never"))
    assert desk.fsm("prune", "--definitions", "other").err == "nothing to prune\n"


def test_without_definitions_those_in_the_store_rule(desk: Desk) -> None:
    old_runs(desk)
    (desk.folder / "definitions").rename(desk.folder / "away")
    assert desk.process("prune").err == "deleted 2 runs (18 rows), cancelled 1 expired\n"


def test_definitions_that_are_named_and_not_there_are_no_reason_to_delete_by_others(desk: Desk) -> None:
    old_runs(desk)
    code, out, err = desk.fsm("prune", "--definitions", "nowhere")
    assert (code, out) == (2, "")
    assert "nowhere does not exist" in err


def test_older_than_takes_a_duration_as_definitions_have_it(desk: Desk) -> None:
    desk.fsm("signal", desk.run(), "skip")
    assert desk.fsm("prune", "--older-than", "1h").err == "nothing to prune\n"
    assert desk.fsm("prune", "--older-than", "0s", "--workflow", "greet").err.startswith("deleted 1 run (")
    code, _, err = desk.fsm("prune", "--older-than", "2 days")
    assert code == 2
    assert '"2 days" is not a duration; 2d?' in err


def test_an_unknown_workflow_is_refused_with_the_nearest_one(desk: Desk) -> None:
    desk.run()
    code, _, err = desk.fsm("prune", "--workflow", "gret")
    assert (code, err) == (2, 'Error: no workflow "gret" has runs here; did you mean "greet"?\n')


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_on_a_store_without_runs_there_is_nothing_to_prune(desk: Desk, words: tuple[str, ...]) -> None:
    desk.fsm("run", "greet", "-i", "name=Ana", "--detach")
    run_id = desk.fsm("ls", "--json").json[0]["id"]
    desk.fsm("cancel", run_id)
    desk.fsm("prune", "--older-than", "0s")
    assert desk.fsm("prune", *words) == (0, "", "nothing to prune\n")
