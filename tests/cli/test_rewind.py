"""`fsm rewind`: it names what it cannot undo, and asks."""

import json
import os
import pty
from pathlib import Path

import pytest

from tests.cli.conftest import FSM, Desk

KEY = r"[0-9a-f]{64}"


def said(desk: Desk, name: str = "Ana") -> str:
    """Return a run that has greeted and was approved."""
    run_id = desk.run(name)
    desk.fsm("signal", run_id, "skip")
    return run_id


def test_a_run_goes_back_when_the_command_line_says_yes(desk: Desk) -> None:
    run_id = said(desk)
    code, out, err = desk.fsm("rewind", run_id, "--to", "1", "--yes", "--actor", "ana", "--reason", "typo")
    assert (code, out) == (0, "")
    assert f"run {run_id} stands at 3; going back to 1 does not undo what these did:\n" in err
    assert f'is ready in "say"; this drives it on:\n  fsm resume {run_id}\n' in err
    *_, last = desk.fsm("history", run_id, "--values", "--json").out.splitlines()
    row = json.loads(last)
    assert (row["event"], row["of_seq"], row["actor"], row["detail"]) == ("rewind", 1, "ana", {"reason": "typo"})
    assert (row["artifacts"], row["unwritten"]) == ({}, ["approve", "said"])
    assert "    approve has no value\n    said has no value\n" in desk.fsm("history", run_id, "--values").out
    assert desk.fsm("resume", run_id).code == 4


def test_without_a_terminal_and_a_yes_it_names_what_it_cannot_undo_and_refuses(desk: Desk) -> None:
    run_id = said(desk)
    code, out, err = desk.fsm("rewind", run_id, "--to", "1")
    assert (code, out) == (2, "")
    title, row, *_ = err.splitlines()[1:]
    assert title.split() == ["STATE", "ACTION", "VISIT", "RESULT", "KEY"]
    assert row.split()[:4] == ["say", "greet.say", "1", "succeeded"]
    assert "--yes" in err.splitlines()[-1]
    assert desk.fsm("ls", "--json").json[0]["status"] == "succeeded"


def test_where_nothing_was_called_nobody_is_asked(desk: Desk) -> None:
    run_id = said(desk)
    code, _, err = desk.fsm("rewind", run_id, "--to", "2")
    assert code == 0
    assert "does not undo" not in err
    assert desk.fsm("resume", run_id).code == 4


def test_a_dry_run_only_prints(desk: Desk) -> None:
    run_id = said(desk)
    code, out, err = desk.fsm("rewind", run_id, "--to", "1", "--dry-run")
    assert (code, err) == (0, "")
    assert "greet.say" in out
    code, out, _ = desk.fsm("rewind", run_id, "--to", "1", "--dry-run", "--json")
    told = json.loads(out)
    assert (told["id"], told["seq"], told["to"]) == (run_id, 3, 1)
    ((effect),) = told["effects"]
    assert effect | {"key": ""} == {
        "state": "say", "action": "greet.say", "visit": 1, "result": "succeeded", "key": "",
    }  # fmt: skip
    assert len(effect["key"]) == 64
    assert desk.fsm("rewind", run_id, "--to", "2", "--dry-run").out == (
        f"run {run_id} stands at 3; no action was called since 2\n"
    )
    assert desk.fsm("ls", "--json").json[0]["seq"] == 3


def test_as_json_it_is_the_run_as_it_stands_then(desk: Desk) -> None:
    code, out, _ = desk.fsm("rewind", said(desk), "--to", "1", "--yes", "--json")
    row = json.loads(out)
    assert (code, row["state"], row["status"], row["visit"], row["output"]) == (0, "say", "ready", 4, None)


def test_with_yes_and_quiet_nothing_is_said(desk: Desk) -> None:
    assert desk.fsm("rewind", said(desk), "--to", "1", "-y", "-q") == (0, "", "")


@pytest.mark.parametrize(
    ("words", "said_so"),
    [
        (("--to", "3"), 'transition 3 led to "done", where a run ends; name an earlier one'),
        (("--to", "9"), "has no transition 9; it has 1 to 3"),
        (("--to", "0"), "0 is not in the range"),
        ((), "Missing option '--to'"),
    ],
)
def test_where_there_is_no_way_back_it_says_why(desk: Desk, words: tuple[str, ...], said_so: str) -> None:
    code, _, err = desk.fsm("rewind", said(desk), "--yes", *words)
    assert code == 2
    assert said_so in err


def on_terminal(folder: Path, answer: str, *words: str) -> tuple[int, str]:
    """Answer a command line on a terminal; return its exit code and what the terminal showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execv(FSM, [FSM, *words])
    shown = b""
    try:
        while b"[y/N]" not in shown:
            shown += os.read(terminal, 1_000)
        os.write(terminal, answer.encode())
        while part := os.read(terminal, 1_000):
            shown += part
    except OSError:  # the other side of a terminal closes with an error
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.mark.parametrize(
    ("answer", "code", "status"), [("y\n", 0, "ready"), ("n\n", 2, "succeeded"), ("\n", 2, "succeeded")]
)
def test_on_a_terminal_it_asks(desk: Desk, answer: str, code: int, status: str) -> None:
    run_id = said(desk)
    ended, shown = on_terminal(desk.folder, answer, "rewind", run_id, "--to", "1")
    assert "Go back to 1 all the same? [y/N]" in shown
    assert shown.index("greet.say") < shown.index("[y/N]")
    assert (ended, desk.fsm("ls", "--json").json[0]["status"]) == (code, status)
