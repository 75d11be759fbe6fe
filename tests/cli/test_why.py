"""`why`: the exact reason that a run is where it is, and the command that moves it."""

import shlex
import signal

from tests.cli.conftest import Desk


def kinds(desk: Desk, run_id: str) -> list[str]:
    return [reason["kind"] for reason in desk.fsm("why", run_id, "--json").json["reasons"]]


def test_a_run_that_waits_for_a_signal_says_so_and_its_command_works(desk: Desk) -> None:
    run_id = desk.run()
    code, out, _ = desk.fsm("why", run_id[:-1].lower())
    assert code == 0
    first, waits, accept, *_ = out.splitlines()
    assert first.startswith(f'run {run_id} (greet@1) is waiting in "approve", since ')
    assert waits.startswith("  waits for a signal, until ")
    assert accept == "    accept to done, with by: str, level: int | null"
    (reason,) = desk.fsm("why", run_id, "--json").json["reasons"]
    assert [cure["does"] for cure in reason["cures"]] == ["sends accept", "sends refuse", "sends skip"]
    for line in reason["cures"][2]["commands"]:
        assert desk.fsm(*shlex.split(line)[1:]).code == 0
    (ended,) = desk.fsm("why", run_id, "--json").json["reasons"]
    assert (ended["kind"], ended["facts"]["status"]) == ("ended", "succeeded")


def test_the_commands_name_the_store_that_was_named(desk: Desk) -> None:
    desk.fsm("run", "greet", "-i", "name=Ana", "--detach", "--store", "other.db")
    (listed,) = desk.fsm("ls", "--store", "other.db", "--json").json
    out = desk.fsm("why", listed["id"], "--store", "other.db").out
    assert f"fsm resume --store other.db {listed['id']}" in out


def test_a_missing_action_is_named_when_actions_are_given(desk: Desk) -> None:
    run_id = desk.fsm("run", "greet", "-i", "name=Ana", "--detach").out.strip()
    assert kinds(desk, run_id) == ["queue"]
    desk.write("fsm.toml", 'actions = ["actions/pay.py"]\n')
    assert kinds(desk, run_id) == ["action", "queue"]
    assert 'no action "greet.say" is registered here; ' in desk.fsm("why", run_id).out
    desk.write("fsm.toml", "")
    assert kinds(desk, run_id) == ["queue"]


def test_actions_that_can_not_be_imported_are_in_nobodys_way(desk: Desk) -> None:
    run_id = desk.fsm("run", "greet", "-i", "name=Ana", "--detach").out.strip()
    desk.write("fsm.toml", 'actions = ["nowhere.py"]\n')
    code, out, err = desk.fsm("why", run_id)
    assert (code, "no worker is there to take it" in out) == (0, True)
    assert err.startswith("actions were not looked at: ")
    assert desk.fsm("why", run_id, "--quiet").err == ""


def test_a_paused_run_says_who_and_why_before_what_else_it_waits_for(desk: Desk) -> None:
    run_id = desk.run()
    desk.fsm("pause", "--workflow", "greet", "--actor", "ana", "--reason", "down")
    out = desk.fsm("why", run_id).out.splitlines()
    assert out[1].startswith('  paused by ana: down (workflow "greet", since ')
    assert out[2] == "    ends it: fsm unpause --workflow greet"
    assert out[3].startswith("  waits for a signal, until ")


def test_a_retry_and_a_failure_say_what_went_wrong(desk: Desk) -> None:
    desk.write("definitions/greet.yaml", (desk.folder / "definitions/greet.yaml").read_text().replace("1ms", "1m"))
    dead = desk.run("broken")
    assert 'dead: "say" failed with ValueError: no such name' in desk.fsm("why", dead).out
    driver = desk.begun("run", "greet", "-i", "name=flaky", "--key", "k")
    assert driver.stderr
    while "retry" not in driver.stderr.readline():
        assert driver.poll() is None
    run_id = next(run["id"] for run in desk.fsm("ls", "--json").json if run["key"] == "k")
    out = desk.fsm("why", run_id).out
    assert "attempt 2 of 2 follows at " in out
    assert "after Unavailable: line is busy" in out


def test_a_run_says_which_process_drives_it_and_that_it_died(desk: Desk) -> None:
    driver = desk.begun("run", "greet", "-i", "name=sleeper", "--key", "k")
    assert driver.stderr
    while "asleep" not in driver.stderr.readline():
        assert driver.poll() is None
    (run,) = desk.fsm("ls", "--json").json
    (reason,) = desk.fsm("why", run["id"], "--json").json["reasons"]
    assert (reason["kind"], reason["facts"]["pid"], reason["facts"]["action"]) == ("held", driver.pid, "greet.say")
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    (reason,) = desk.fsm("why", run["id"], "--json").json["reasons"]
    assert (reason["kind"], reason["facts"]["pid"]) == ("left_behind", driver.pid)
    assert reason["cures"][0]["commands"] == [f"fsm resume {run['id']}"]


def test_there_is_no_reason_for_what_is_not_there(desk: Desk) -> None:
    desk.run()
    code, out, err = desk.fsm("why", "zzz")
    assert (code, out) == (2, "")
    assert 'no run "ZZZ" in ' in err
