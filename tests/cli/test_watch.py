"""`fsm watch` and `fsm stats`: looking at all of it."""

import json
import signal

import pytest

from tests.cli.conftest import Desk
from tests.cli.screens import Screen

SHOWN = ["runs.db · ", "oldest ready: none", "", "WORKFLOW  STATE    STATUS   RUNS", "greet@1   approve  waiting  1",
         "", "no process drives runs"]  # fmt: skip


def test_without_a_terminal_it_is_printed_once(desk: Desk) -> None:
    desk.run()
    for words in ((), ("--once",)):
        code, out, err = desk.fsm("watch", *words)
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert [line[: len(shown)] for line, shown in zip(lines, SHOWN, strict=True)] == SHOWN


def test_json_once_is_one_object_on_one_line(desk: Desk) -> None:
    desk.run()
    code, out, _ = desk.fsm("watch", "--once", "--json")
    assert (code, out.count("\n")) == (0, 1)
    assert json.loads(out)["runs"] == [
        {"workflow": "greet", "version": 1, "state": "approve", "status": "waiting", "runs": 1, "paused": 0}
    ]


def test_json_is_an_object_for_every_look_until_it_is_interrupted(desk: Desk) -> None:
    desk.run()
    watching = desk.begun("watch", "--json", "--interval", "100ms")
    assert watching.stdout is not None
    first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
    assert (first["edges_per_second"], second["edges_per_second"]) == (None, 0.0)
    desk.run("Bo")
    while True:
        look = json.loads(watching.stdout.readline())
        if look["runs"][0]["runs"] == 2:
            break
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=60)
    assert (watching.returncode, err) == (0, "")


def test_it_ends_when_nobody_reads_it_any_more(desk: Desk) -> None:
    desk.run()
    watching = desk.begun("watch", "--json", "--interval", "100ms")
    assert watching.stdout is not None
    assert watching.stderr is not None
    watching.stdout.readline()
    watching.stdout.close()
    assert (watching.wait(60), watching.stderr.read()) == (0, "")
    watching.stderr.close()


@pytest.mark.parametrize("end", ["q", "\x03"])
def test_on_a_terminal_it_is_drawn_until_q_or_ctrl_c(desk: Desk, end: str) -> None:
    desk.run()
    with Screen(desk.folder, "watch", "--interval", "100ms") as screen:
        screen.shows("approve")
        screen.shows("edges/s")
        desk.run("broken")
        screen.shows("greet@1   dead     dead")
        assert screen.settings() != screen.before
        screen.press("x")
        screen.shows("edges/s")
        screen.press(end)
        assert screen.ended() == 0
        assert screen.settings() == screen.before
        assert "Traceback" not in screen.drawn


def test_a_terminal_that_is_too_low_shows_what_there_is_room_for(desk: Desk) -> None:
    desk.run()
    with Screen(desk.folder, "watch", rows=4) as screen:
        screen.shows("oldest ready")
        screen.shows("… 4 more lines")
        screen.press("q")
        assert screen.ended() == 0


def test_an_interval_that_is_too_short_is_refused(desk: Desk) -> None:
    desk.run()
    code, _, err = desk.fsm("watch", "--interval", "1ms")
    assert code == 2
    assert "--interval: at least 100ms" in err


@pytest.mark.parametrize("command", ["watch", "stats"])
def test_an_unknown_workflow_is_refused_with_the_nearest_one(desk: Desk, command: str) -> None:
    desk.run()
    code, _, err = desk.fsm(command, "--workflow", "gret")
    assert (code, err) == (2, 'Error: no workflow "gret" has runs here; did you mean "greet"?\n')


def test_stats_tell_what_there_is_and_what_happened(desk: Desk) -> None:
    desk.run()
    desk.run("broken")
    desk.fsm("signal", desk.run("flaky"), "skip")
    code, out, err = desk.fsm("stats")
    assert code == 0
    assert err.startswith("looked at 8 rows of the ledger since ")
    assert err.endswith(", and at 2 runs live or dead\n")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in (
        "Live and dead runs", "greet@1 approve waiting 1", "greet@1 dead dead 1", "Ended in the last 1 d",
        "greet@1 done succeeded 1", "greet say retry Unavailable 1", "greet say error ValueError 1",
        "In the last 1 d: 8 transitions (0.01/min), 3 starts (0.00/min), 2 ends (0.00/min)",
    ):  # fmt: skip
        assert line in lines


def test_stats_as_json_have_the_same_numbers(desk: Desk) -> None:
    desk.run()
    found = desk.fsm("stats", "--json", "--since", "1h", "--workflow", "greet").json
    assert found["scanned"]["ledger_rows"] == 2
    assert [(stay["state"], stay["visits"]) for stay in found["durations"]] == [("say", 1)]
    assert found["rates"]["transitions"]["count"] == 2


def test_on_a_terminal_short_work_says_only_what_came_of_it(desk: Desk) -> None:
    desk.fsm("signal", desk.run(), "skip")
    with Screen(desk.folder, "prune", "--older-than", "0s") as screen:
        screen.shows("deleted 1 run")
        assert screen.ended() == 0
