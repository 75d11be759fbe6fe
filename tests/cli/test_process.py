"""The real command in a process of its own: exit codes, signals, pipes and terminals."""

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest

from fsm.cli.exits import Terminated, terminable
from tests.cli.conftest import FSM, Desk

WIDE = 120


def _asleep(process: subprocess.Popen[str]) -> None:
    """Return when the action of a started run says that it sleeps."""
    assert process.stderr is not None
    for line in process.stderr:
        if line == "asleep\n":
            return
    raise AssertionError("it never slept")


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_an_interrupted_run_says_how_to_go_on_and_does(desk: Desk, number: int, code: int, said: str) -> None:
    process = desk.begun("run", "greet", "-i", "name=sleeper")
    _asleep(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    (row,) = desk.fsm("ls", "--json").json
    assert (process.returncode, out) == (code, "")
    assert err == f"{said}; nothing that was committed is lost; to go on: fsm resume {row['id']}\n"
    assert (row["status"], row["interrupted"]) == ("ready", True)
    desk.write("awake", "")
    assert desk.process("resume", row["id"]).code == 4
    assert desk.fsm("ls", "--json").json[0]["state"] == "approve"


def test_a_second_sigterm_does_not_spoil_the_first() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with terminable():
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_killed_run_is_resumed(desk: Desk) -> None:
    process = desk.begun("run", "greet", "-i", "name=sleeper")
    _asleep(process)
    process.kill()
    process.communicate(timeout=30)
    desk.write("awake", "")
    code, out, _ = desk.process("resume", "--json")
    (row,) = json.loads(out)
    assert (code, row["state"], row["seq"]) == (4, "approve", 2)


def test_every_exit_code_is_met(desk: Desk) -> None:
    desk.write("text.db", "no database\n" * 100)
    desk.write("bad.yaml", "workflow: x\n")
    run_id = desk.process("run", "greet", "-i", "name=Ana", "--json").json["id"]
    assert desk.process("check", "definitions").code == 0
    assert desk.process("check", "bad.yaml").code == 1
    assert desk.process("check", "nowhere").code == 2
    assert desk.process("ls", "--store", "text.db").code == 3
    assert desk.process("resume", run_id).code == 4
    assert desk.process("signal", run_id, "skip").code == 0
    assert desk.process("resume", run_id).code == 0


def test_a_closed_pipe_is_silent(desk: Desk) -> None:
    run_id = desk.run()
    for words in (("ls",), ("history", run_id), ("--help",), ("check", "bad.yaml", "-q")):
        desk.write("bad.yaml", "workflow: x\n")
        reader, writer = os.pipe()
        os.close(reader)
        ended = subprocess.run(
            [FSM, *words], cwd=desk.folder, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
        )
        os.close(writer)
        expected = (1 if words[0] == "check" else 0, "")
        assert (ended.returncode, ended.stderr) == expected, "a verdict holds though nobody reads the findings"


def test_a_full_disk_behind_stdout_is_told(desk: Desk) -> None:
    desk.run()
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [FSM, "ls"], cwd=desk.folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ended.returncode, ended.stderr) == (3, "Error: No space left on device\n")


def test_output_survives_a_locale_that_cannot_show_it(desk: Desk) -> None:
    desk.process("run", "greet", "-i", "name=Zoë", "--key", "schlüssel")
    answer = desk.process("ls", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert answer.code == 0
    assert "schl\\xfcssel" in answer.out


def _on_terminal(desk: Desk, *words: str, **variables: str) -> tuple[int, str]:
    """Answer a command line on a terminal of its own; return what that was sent."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [FSM, *words], cwd=desk.folder, stdin=follower, stdout=follower, stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(WIDE), **variables},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65_536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(leader)
    return process.wait(timeout=30), shown.decode()


def test_a_terminal_shows_a_live_display_that_leaves_nothing_behind(desk: Desk) -> None:
    code, shown = _on_terminal(desk, "run", "greet", "-i", "name=flaky")
    assert code == 4
    assert re.search(r"greet@1 +[0-9A-Z]{26}", shown)
    assert "in approve · waiting" in shown
    assert "· 3 transitions" in shown
    assert "say --success--> approve" in shown
    assert shown.count("\x1b[2K") > 3, "it is drawn over"
    assert "saying to flaky" in shown
    assert shown.rstrip().splitlines()[-1].strip().startswith("fsm resume ")


def test_colours_are_for_terminals_that_want_them(desk: Desk) -> None:
    desk.run()
    assert "\x1b[1mID" in _on_terminal(desk, "ls")[1]
    assert "\x1b[" not in _on_terminal(desk, "ls", NO_COLOR="1")[1]
    assert "\x1b[" not in _on_terminal(desk, "ls", TERM="dumb")[1]
    assert "\x1b[" not in desk.process("ls").out


def test_a_dumb_terminal_gets_plain_lines(desk: Desk) -> None:
    shown = _on_terminal(desk, "run", "greet", "-i", "name=Ana", TERM="dumb")[1]
    assert "\x1b[" not in shown
    assert "say --success--> approve" in shown


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_tables_fit_their_terminal(desk: Desk, columns: int) -> None:
    run_id = desk.fsm("run", "greet", "-i", "name=flaky", "--key", "a rather long key " * 3, "--json").json["id"]
    for words in (("ls",), ("history", run_id, "--values")):
        shown = _on_terminal(desk, *words, COLUMNS=str(columns), NO_COLOR="1")[1]
        assert max(len(line) for line in shown.splitlines()) <= columns


def test_a_run_that_stays_to_its_end_is_moved_by_another_process(desk: Desk) -> None:
    process = desk.begun("run", "greet", "-i", "name=Ana", "--until", "end")
    assert process.stderr is not None
    for line in process.stderr:
        if "--> approve" in line:
            break
    (row,) = desk.fsm("ls", "--json").json
    assert desk.fsm("signal", row["id"], "skip").code == 0
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "Hello Ana\n")
