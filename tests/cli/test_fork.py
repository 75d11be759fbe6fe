"""`fsm fork`: a new run where another one was."""

import json

import pytest

from tests.cli.conftest import Desk


def test_a_fork_s_id_goes_to_stdout_and_the_old_run_is_left_alone(desk: Desk) -> None:
    run_id = desk.run()
    old = desk.fsm("ls", "--json").json
    code, out, err = desk.fsm("fork", run_id, "--at", "1", "--actor", "ana", "--reason", "again")
    new = out.strip()
    assert (code, len(new)) == (0, 26)
    assert f'run {new} (greet@1) is ready in "say"; this drives it on:\n  fsm resume {new}\n' in err
    assert desk.fsm("resume", new).code == 4
    forked, *others = desk.fsm("ls", "--json").json
    assert (others, forked["id"], forked["forked_from"]) == (old, new, run_id)
    assert old[0]["forked_from"] is None
    row, *_ = desk.fsm("history", new).out.splitlines()[1:]
    assert f"again; by ana; of {run_id} at 1" in row


def test_values_are_text_where_text_is_declared_and_json_otherwise(desk: Desk) -> None:
    run_id = desk.run()
    code, out, _ = desk.fsm(
        "fork", run_id, "--at", "2", "--key", "k", "--set", "name=7", "--set", "times=2", "--set", 'said={"a": [1]}',
        "--json",
    )  # fmt: skip
    new = json.loads(out)
    assert (code, new["state"], new["key"], new["forked_from"]) == (0, "approve", "k", run_id)
    (row,) = [json.loads(line) for line in desk.fsm("history", new["id"], "--values", "--json").out.splitlines()]
    assert (row["input"], row["artifacts"]) == ({"name": "7", "times": 2}, {"said": {"a": [1]}})
    (row,) = [
        json.loads(line)
        for line in desk.fsm(
            "history", desk.fsm("fork", run_id, "--at", "2", "--unset", "said").out.strip(), "--values", "--json"
        ).out.splitlines()
    ]
    assert (row["input"], row["artifacts"]) == ({"name": "Ana", "times": 1}, {})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--at", "9"), "has no transition 9; it has 1 to 2"),
        (("--at", "1", "--set", "times=x"), '"times" must be int'),
        (("--at", "1", "--set", "times"), "--set 'times' is not name=value"),
        (("--at", "1", "--set", "nmae=x"), 'did you mean "name"'),
        (("--at", "1", "--unset", "said"), '"said" is not written there'),
        ((), "Missing option '--at'"),
    ],
)
def test_what_cannot_be_is_refused_and_begins_nothing(desk: Desk, words: tuple[str, ...], said: str) -> None:
    code, out, err = desk.fsm("fork", desk.run(), *words)
    assert (code, out) == (2, "")
    assert said in err
    assert len(desk.fsm("ls", "--json").json) == 1
