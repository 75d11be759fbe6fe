"""`signal`, `cancel`, `redrive`, `complete`, `resume`: moving a run from outside."""

import json

from tests.cli.conftest import Desk


def test_a_signal_crosses_its_edge_and_carries_typed_fields(desk: Desk) -> None:
    run_id = desk.run()
    code, out, err = desk.fsm("signal", run_id, "accept", "-p", "by=7", "-p", "level=2", "--actor", "ana")
    assert (code, out) == (0, "")
    assert 'succeeded in "done"' in err
    *_, last = desk.fsm("history", run_id, "--values", "--json").out.splitlines()
    assert json.loads(last)["artifacts"] == {"approve": {"by": "7", "level": 2}}
    assert json.loads(last)["actor"] == "ana"


def test_a_signal_that_is_not_declared_is_refused_with_those_that_are(desk: Desk) -> None:
    code, _, err = desk.fsm("signal", desk.run(), "acept")
    assert code == 2
    assert (
        "legal here: error:else, signal:accept, signal:refuse, signal:skip" in err
        or "signal:accept, signal:refuse, signal:skip" in err
    )


def test_a_payload_that_does_not_fit_is_refused(desk: Desk) -> None:
    run_id = desk.run()
    for words in (
        (),
        ("-p", "level=2"),
        ("--payload", '{"by": 3}'),
        ("-p", "by=a", "-p", "who=b"),
        ("--payload", "[", "-p", "by=a"),
    ):
        code, _, err = desk.fsm("signal", run_id, "accept", *words)
        assert (code, err.count("\n")) == (2, 1)


def test_a_signal_for_a_state_ahead_is_kept(desk: Desk) -> None:
    run_id = desk.fsm("run", "greet", "-i", "name=Ana", "--detach").out.strip()
    assert 'signal "skip" is kept' in desk.fsm("signal", run_id, "skip").err
    assert desk.fsm("resume", run_id).code == 0


def test_a_message_is_consumed_once_however_often_it_is_sent(desk: Desk) -> None:
    run_id = desk.run()
    assert desk.fsm("signal", run_id, "skip", "--id", "m1").code == 0
    assert desk.fsm("signal", run_id, "skip", "--id", "m1").code == 0
    assert desk.fsm("signal", run_id, "refuse", "--id", "m1").code == 2


def test_a_cancelled_run_stays_cancelled(desk: Desk) -> None:
    run_id = desk.run()
    code, out, err = desk.fsm("cancel", run_id, "--actor", "ana", "--reason", "wrong name", "--json")
    assert (code, json.loads(out)["status"], json.loads(out)["reason"]) == (0, "cancelled", "wrong name")
    assert desk.fsm("resume", run_id).code == 1
    code, _, err = desk.fsm("cancel", run_id)
    assert code == 2
    assert "the run has ended, cancelled" in err


def test_a_dead_run_is_redriven_from_the_state_that_failed(desk: Desk) -> None:
    run_id = desk.run("broken")
    code, _, err = desk.fsm("redrive", run_id, "--actor", "ana", "--reason", "mended")
    assert code == 0
    assert f'is ready in "say"; this drives it on:\n  fsm resume {run_id}\n' in err
    assert desk.fsm("resume", run_id).code == 4
    assert [json.loads(line)["event"] for line in desk.fsm("history", run_id, "--json").out.splitlines()] == [
        "start", "error:else", "redrive", "error:else",
    ]  # fmt: skip


def test_a_run_that_asks_a_person_is_completed(desk: Desk) -> None:
    code, _, err = desk.fsm("run", "pay")
    (row,) = desk.fsm("ls", "--json").json
    assert code == 4
    assert f"it did:     fsm complete {row['id']} --actor NAME --value JSON && fsm resume {row['id']}" in err
    assert f"it did not: fsm redrive {row['id']} && fsm resume {row['id']}" in err
    assert row["waits_for"] == "a person: complete or redrive"
    code, out, _ = desk.fsm(
        "complete", row["id"], "--value", "12", "--actor", "ana", "--reason", "the bank said so", "--json"
    )
    assert (code, json.loads(out)["status"], json.loads(out)["output"]) == (0, "succeeded", 12)


def test_completing_needs_somebody_and_something_to_vouch_for(desk: Desk) -> None:
    run_id = desk.run()
    code, _, err = desk.fsm("complete", run_id)
    assert code == 2
    assert "--actor" in err
    code, _, err = desk.fsm("complete", run_id, "--actor", "ana")
    assert code == 2
    assert "asks nobody" in err


def test_resume_drives_everything_that_can_go_on(desk: Desk) -> None:
    ids = [desk.fsm("run", "greet", "-i", f"name={name}", "--detach").out.strip() for name in ("Ana", "broken", "Bo")]
    code, out, err = desk.fsm("resume")
    assert code == 4
    assert [row.split()[0] for row in out.splitlines()[1:]] == ids
    assert f"{ids[2]} say --success--> approve" in err
    assert desk.fsm("resume") == (0, "", "nothing to resume\n")


def test_resume_as_json_is_a_list_of_runs(desk: Desk) -> None:
    run_id = desk.fsm("run", "greet", "-i", "name=Ana", "--detach").out.strip()
    code, out, _ = desk.fsm("resume", "--json")
    assert (code, [row["id"] for row in json.loads(out)]) == (4, [run_id])
    assert desk.fsm("resume", "--json").json == []


def test_resume_needs_no_definitions(desk: Desk) -> None:
    run_id = desk.fsm("run", "greet", "-i", "name=Ana", "--detach").out.strip()
    (desk.folder / "definitions").rename(desk.folder / "gone")
    assert desk.fsm("resume", run_id).code == 4


def test_resume_leaves_runs_whose_actions_are_missing(desk: Desk) -> None:
    greeting = desk.fsm("run", "greet", "-i", "name=Ana", "--detach").out.strip()
    paying = desk.fsm("run", "pay", "--detach").out.strip()
    desk.write("fsm.toml", 'actions = ["actions/pay.py"]\n')
    code, out, err = desk.fsm("resume")
    assert code == 2
    assert paying in out
    assert greeting not in out
    assert "1 run could not go on for want of an action" in err
    code, _, err = desk.fsm("resume", greeting)
    assert code == 2
    assert 'no action "greet.say" is registered; name the module' in err
    assert desk.fsm("ls", "--status", "ready", "--json").json[0]["id"] == greeting
