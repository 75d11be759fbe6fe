"""`pause` and `unpause`: the kill switch from the command line, and what other commands say under it."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import ACTIONS, Desk

HELD = """
@fsm.action("greet.held")
def held() -> str:
    print("inside", flush=True)
    while not pathlib.Path("go").exists():
        time.sleep(0.005)
    return "done"
"""
TWICE = """\
workflow: twice
version: 1
start: first
defaults: {timeout: 60s, retry: never, error: dead}
states:
  first: {action: greet.held, idempotent: true, success: second}
  second: {action: greet.held, idempotent: true, success: done}
  done: {end: success, output: "[first, second]"}
  dead: {end: dead_letter}
"""


def test_a_pause_is_told_with_the_command_that_ends_it(desk: Desk) -> None:
    desk.run()
    code, out, err = desk.fsm("pause", "--workflow", "greet", "--state", "say", "--actor", "ana", "--reason", "down")
    assert (code, out) == (0, "")
    assert err.startswith('paused by ana: down (state "say" of "greet", since ')
    assert err.endswith("; this ends it:\n  fsm unpause --workflow greet --state say\n")


def test_a_run_under_a_pause_is_stored_and_says_so(desk: Desk) -> None:
    desk.run()
    desk.fsm("pause", "--workflow", "greet", "--actor", "ana", "--reason", "down")
    code, out, err = desk.fsm("run", "greet", "-i", "name=Bo", "--key", "bo", "--quiet", "--json")
    run = json.loads(out)
    assert (code, run["status"], run["state"], err) == (4, "ready", "say", "")
    code, _, err = desk.fsm("run", "greet", "-i", "name=Bo", "--key", "bo")
    assert code == 4
    assert f'run {run["id"]} (greet@1) is paused in "say"\n  paused by ana: down (workflow "greet", since ' in err
    assert f"  fsm unpause --workflow greet && fsm resume {run['id']}\n" in err
    code, _, again = desk.fsm("resume", run["id"])
    assert (code, again) == (4, err)


def test_resume_says_what_is_paused(desk: Desk) -> None:
    desk.fsm("run", "greet", "-i", "name=Bo", "--detach")
    desk.fsm("pause", "--reason", "down")
    code, out, err = desk.fsm("resume")
    assert (code, out) == (4, "")
    assert err.startswith("nothing to resume\nheld back: 1 run\n  paused: down (everything, since ")
    assert err.endswith("; this ends it:\n  fsm unpause\n")
    assert desk.fsm("unpause").code == 0
    assert desk.fsm("resume").out.splitlines()[1].split()[2] == "approve"


def test_a_signal_to_a_paused_run_is_kept_and_taken_afterwards(desk: Desk) -> None:
    run_id = desk.run()
    desk.fsm("pause")
    code, _, err = desk.fsm("signal", run_id, "accept", "-p", "by=ana")
    assert code == 0
    assert 'signal "accept" is kept\n' in err
    assert "  signals are kept meanwhile; this ends the pause:\n  fsm unpause\n" in err
    assert desk.fsm("unpause", "--actor", "bo", "--reason", "mended").code == 0
    assert desk.fsm("resume", run_id).out == "Hello Ana\n"


def test_pauses_are_listed_and_those_that_are_over_when_asked(desk: Desk) -> None:
    desk.run()
    assert desk.fsm("pause", "--list") == (0, "", "nothing is paused\n")
    desk.fsm("pause", "--workflow", "greet", "--now", "--actor", "ana", "--reason", "down")
    desk.fsm("pause")
    title, first, second = desk.fsm("pause", "--list").out.splitlines()
    assert title.split() == ["WORKFLOW", "STATE", "IN", "FLIGHT", "SINCE", "UNTIL", "BY", "REASON"]
    assert first.split()[:3] == ["all", "all", "ends"]
    assert second.split()[:3] == ["greet", "all", "cancelled"]
    assert second.split()[-2:] == ["ana", "down"]
    desk.fsm("unpause", "--actor", "bo", "--reason", "mended")
    (listed,) = desk.fsm("pause", "--list", "--json").json
    assert (listed["workflow"], listed["state"], listed["stops_actions"]) == ("greet", None, True)
    assert len(desk.fsm("pause", "--list", "--past").out.splitlines()) == 3
    over = desk.fsm("pause", "--list", "--past", "--json").json[1]
    assert (over["workflow"], over["ended_actor"], over["ended_reason"]) == (None, "bo", "mended")


def test_the_end_of_a_pause_tells_what_still_is_paused(desk: Desk) -> None:
    desk.run()
    desk.fsm("pause", "--workflow", "greet")
    desk.fsm("pause")
    code, out, err = desk.fsm("unpause", "--json")
    assert (code, json.loads(out)["workflow"]) == (0, None)
    assert err.startswith("no more paused (everything, since ")
    assert 'still paused (workflow "greet", since ' in err
    assert err.endswith("this ends it:\n  fsm unpause --workflow greet\n")
    code, out, err = desk.fsm("unpause")
    assert (code, out, err) == (2, "", 'Error: everything is not paused; paused: workflow "greet"\n')


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--workflow", "great"), 'no workflow "great" in the store or the definitions; did you mean "greet"?'),
        (("--workflow", "greet", "--state", "sy"), 'no version of "greet" has a state "sy"; did you mean "say"?'),
        (("--state", "say"), 'state "say" belongs to a workflow; name that, too'),
        (("--list", "--now"), "--list pauses nothing, and takes no other option than --past"),
    ],
)
def test_a_slip_is_refused_and_pauses_nothing(desk: Desk, words: tuple[str, ...], said: str) -> None:
    desk.run()
    assert desk.fsm("pause", *words) == (2, "", f"Error: {said}\n")
    assert desk.fsm("pause", "--list", "--json").json == []


def test_a_workflow_that_only_the_definitions_know_can_be_paused(desk: Desk) -> None:
    desk.run()
    assert desk.fsm("pause", "--workflow", "pay", "--state", "pay").code == 0


def test_an_unsound_definition_is_in_nobodys_way(desk: Desk) -> None:
    desk.run()
    desk.write("definitions/greet.yaml", "workflow: greet\nstates: [")
    assert desk.fsm("pause", "--workflow", "greet", "--state", "approve").code == 0


def test_a_process_in_mid_action_commits_its_result_and_begins_nothing_more(desk: Desk) -> None:
    desk.write("definitions/twice.yaml", TWICE)
    desk.write("actions/greet.py", ACTIONS + HELD)
    driver = desk.begun("run", "twice", "--key", "k")
    assert driver.stderr
    while "inside" not in driver.stderr.readline():
        assert driver.poll() is None
    assert desk.process("pause", "--workflow", "twice", "--actor", "ana", "--reason", "down").code == 0
    Path("go").touch()
    out, err = driver.communicate(timeout=60)
    assert (driver.returncode, out) == (4, "")
    assert "inside" not in err
    assert 'is paused in "second"\n  paused by ana: down (workflow "twice", since ' in err
    assert desk.process("resume").code == 4
    assert desk.process("unpause", "--workflow", "twice").code == 0
    assert desk.process("run", "twice", "--key", "k", "--quiet").json == ["done", "done"]
