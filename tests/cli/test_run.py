"""`fsm run`: what it starts, what it prints, how it ends."""

import json
import re

import pytest

from tests.cli.conftest import GREET, Desk

CROSSED = re.compile(r"^\d\d:\d\d:\d\d (.*)$", re.MULTILINE)


def test_a_run_that_waits_says_which_commands_move_it_on(desk: Desk) -> None:
    code, out, err = desk.fsm("run", "greet", "-i", "name=Ana")
    assert (code, out) == (4, "")
    (row,) = desk.fsm("ls", "--json").json
    assert 'waits in "approve" until ' in err
    assert f"fsm signal {row['id']} accept -p by=BY -p level=LEVEL && fsm resume {row['id']}" in err
    assert f"fsm signal {row['id']} refuse && fsm resume {row['id']}" in err


def test_a_plain_line_is_written_for_each_transition(desk: Desk) -> None:
    err = desk.fsm("run", "greet", "-i", "name=flaky").err
    crossed = CROSSED.findall(err)
    assert crossed == [
        "--start--> say",
        "say --retry:1--> say (Unavailable: line is busy; again in 1 ms)",
        "say --success--> approve",
    ]


def test_quiet_writes_no_progress_and_no_summary(desk: Desk) -> None:
    code, out, err = desk.fsm("run", "greet", "-i", "name=Ana", "--quiet")
    assert (code, out) == (4, "")
    assert err.splitlines() == ["imported", "saying to Ana"]


def test_the_output_of_a_run_is_what_stdout_holds(desk: Desk) -> None:
    run_id = desk.run()
    desk.fsm("signal", run_id, "skip")
    code, out, err = desk.fsm("resume", run_id)
    assert (code, out) == (0, "Hello Ana\n")
    assert 'succeeded in "done"' in err


def test_json_is_one_document_whatever_the_actions_print(desk: Desk) -> None:
    code, out, err = desk.fsm("run", "greet", "--input", '{"name": "Ana", "times": 2}', "--json")
    document = json.loads(out)
    assert code == 4
    assert (document["workflow"], document["state"], document["status"]) == ("greet", "approve", "waiting")
    assert document["awaits"] == ["accept", "refuse", "skip"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document["due_at"])
    assert "saying to Ana" in err


def test_a_failure_is_told_with_its_reason_and_its_cure(desk: Desk) -> None:
    code, _, err = desk.fsm("run", "greet", "-i", "name=broken")
    (row,) = desk.fsm("ls", "--json").json
    assert code == 4
    assert 'is dead in "dead"' in err
    assert "ValueError: no such name" in err
    assert f"fsm redrive {row['id']} && fsm resume {row['id']}" in err


def test_a_failed_run_is_exit_code_one(desk: Desk) -> None:
    run_id = desk.run()
    desk.fsm("signal", run_id, "refuse")
    code, _, err = desk.fsm("resume", run_id)
    assert code == 1
    assert "refused" in err
    assert "redrive" not in err, "no error is behind it, so there is nothing to redrive"


def test_single_inputs_are_read_by_their_declared_types(desk: Desk) -> None:
    run_id = desk.fsm("run", "greet", "-i", "name=12", "-i", "times=2", "--json").json["id"]
    first, *_ = desk.fsm("history", run_id, "--values", "--json").out.splitlines()
    assert json.loads(first)["input"] == {"name": "12", "times": 2}


def test_single_inputs_win_over_the_whole_one(desk: Desk) -> None:
    desk.write("input.json", '{"name": "Bo", "times": 3}')
    run_id = desk.fsm("run", "greet", "--input", "@input.json", "-i", "name=Ana", "--json").json["id"]
    first, *_ = desk.fsm("history", run_id, "--values", "--json").out.splitlines()
    assert json.loads(first)["input"] == {"name": "Ana", "times": 3}


def test_input_is_read_from_stdin(desk: Desk) -> None:
    answer = desk.process("run", "greet", "--input", "@-", "--detach", input='{"name": "Ana"}')
    assert answer.code == 0
    assert re.fullmatch(r"[0-9A-Z]{26}\n", answer.out)


def test_a_detached_run_is_started_and_not_driven(desk: Desk) -> None:
    code, out, err = desk.fsm("run", "greet", "-i", "name=Ana", "--detach")
    assert code == 0
    assert "saying" not in err
    assert desk.fsm("resume", out.strip()).code == 4


def test_the_same_key_finds_the_same_run(desk: Desk) -> None:
    first = desk.fsm("run", "greet", "-i", "name=Ana", "--key", "k", "--json").json
    again = desk.fsm("run", "greet", "-i", "name=Ana", "--key", "k", "--json").json
    assert first["id"] == again["id"]
    code, _, err = desk.fsm("run", "greet", "-i", "name=Bo", "--key", "k")
    assert code == 2
    assert "started with other input" in err


def test_a_file_is_run_as_well_as_a_name(desk: Desk) -> None:
    assert desk.fsm("run", "definitions/greet.yaml", "-i", "name=Ana").code == 4


def test_definitions_of_other_workflows_do_not_matter(desk: Desk) -> None:
    desk.write("definitions/pay.yaml", "workflow: pay\nstates: [")
    assert desk.fsm("run", "greet", "-i", "name=Ana").code == 4


def test_a_version_can_be_asked_for(desk: Desk) -> None:
    desk.write("definitions/greet2.yaml", GREET.replace("version: 1", "version: 2"))
    assert desk.fsm("run", "greet", "-i", "name=Ana", "--json").json["version"] == 2
    assert desk.fsm("run", "greet", "-i", "name=Ana", "--json", "--version", "1").json["version"] == 1
    code, _, err = desk.fsm("run", "greet", "-i", "name=Ana", "--version", "3")
    assert code == 2
    assert "versions: 1, 2" in err


def test_an_unsound_definition_is_shown_and_not_run(desk: Desk) -> None:
    desk.write("definitions/greet.yaml", GREET.replace("success: approve}", "success: aprove}"))
    code, out, err = desk.fsm("run", "greet", "-i", "name=Ana")
    assert (code, out) == (2, "")
    assert "error[FSM301]" in err
    assert "^^^^^^" in err
    assert not (desk.folder / "runs.db").exists()


def test_an_action_that_is_not_given_is_named_with_the_option_for_it(desk: Desk) -> None:
    desk.write("fsm.toml", "")
    code, _, err = desk.fsm("run", "greet", "-i", "name=Ana")
    assert code == 2
    assert 'no action "greet.say" is registered' in err
    assert "--import" in err
    assert desk.fsm("ls").err == "no runs\n"


def test_commands_to_go_on_carry_the_options_they_need(desk: Desk) -> None:
    desk.write("fsm.toml", "")
    err = desk.fsm("run", "greet", "-i", "name=Ana", "--import", "actions/greet.py", "--store", "my runs.db").err
    assert "fsm resume --store 'my runs.db' --import actions/greet.py " in err
    assert "fsm signal --store 'my runs.db' 0" in err


def test_an_action_that_ends_the_process_only_interrupts_its_run(desk: Desk) -> None:
    code, _, err = desk.fsm("run", "greet", "-i", "name=quitter")
    assert code == 1
    assert "an action ended the process with exit(7)" in err
    (row,) = desk.fsm("ls", "--json").json
    assert (row["status"], row["interrupted"]) == ("ready", True)


@pytest.mark.parametrize("words", [("greet",), ("definitions/greet.yaml",)])
def test_changed_content_under_the_same_version_is_refused(desk: Desk, words: tuple[str, ...]) -> None:
    desk.run()
    desk.write("definitions/greet.yaml", GREET.replace("5d", "6d"))
    code, _, err = desk.fsm("run", *words, "-i", "name=Ana")
    assert code == 2
    assert "version 2" in err


def test_a_priority_is_given_to_the_run_and_listed(desk: Desk) -> None:
    desk.fsm("run", "greet", "-i", "name=Ana", "--detach", "--priority", "7")
    desk.fsm("run", "greet", "-i", "name=Eva", "--priority", "-2")
    desk.fsm("run", "greet", "-i", "name=Ada", "--detach")
    assert [row["priority"] for row in desk.fsm("ls", "--json").json] == [0, -2, 7]
