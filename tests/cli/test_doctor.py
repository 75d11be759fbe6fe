"""`doctor`: what is printed, and what the exit code says."""

import json
import sqlite3
from contextlib import closing

import pytest

from fsm.model.finding import KINDS
from tests.cli.conftest import Desk
from tests.readme import codes, rows


def damage(desk: Desk, statement: str) -> None:
    with closing(sqlite3.connect(desk.folder / "runs.db", isolation_level=None)) as sql:
        law = sql.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in law:
            sql.execute(f"DROP TRIGGER {name}")
        sql.execute(statement)
        for _, text in law:
            sql.execute(text)


def test_a_sound_store_says_so_and_prints_nothing(desk: Desk) -> None:
    for name in ("Ana", "Bo", "broken"):
        desk.run(name)
    said = "3 runs looked at: sound, and every live one has a reason to wake"
    assert desk.fsm("doctor") == (0, "", f"{said}; hash chains were not verified: --deep does that\n")
    assert desk.fsm("doctor", "--deep") == (0, "", f"{said}\n")
    code, out, err = desk.fsm("doctor", "--json", "--quiet")
    assert (code, json.loads(out), err) == (0, {"sound": True, "runs": 3, "counts": {}, "findings": []}, "")


def test_a_fault_is_printed_with_its_run_and_its_cure(desk: Desk) -> None:
    run_id = desk.run()
    damage(desk, "UPDATE runs SET due_at = NULL, awaits = '[]', attempt = 4")
    code, out, err = desk.fsm("doctor")
    assert code == 1
    assert out.splitlines() == [
        "fault: a run is not where its ledger says [ledger-differs]",
        f"  {run_id}: its ledger does not agree with it: attempt",
        "  what to do: `fsm audit RUN` tells which row was altered; keep a copy of the file, and restore a backup",
        "fault: nothing will ever wake a live run [no-reason]",
        f"  {run_id}: nothing will ever wake it: it waits for no instant, no signal and no person",
        f"    ends it where it stands: fsm cancel {run_id}",
        "  what to do: cancel it, and report how it came there",
    ]
    assert err == "1 run looked at: 2 faults\n"


def test_the_cure_of_a_run_that_nothing_wakes_works(desk: Desk) -> None:
    run_id = desk.run()
    damage(desk, "UPDATE runs SET due_at = NULL, awaits = '[]'")
    (finding,) = desk.fsm("doctor", "--json").json["findings"]
    assert (finding["kind"], finding["severity"], finding["run"]) == ("no-reason", "fault", run_id)
    assert finding["commands"] == [f"fsm cancel {run_id}"]
    assert desk.fsm("cancel", run_id).code == 0
    assert desk.fsm("doctor").code == 0


def test_a_note_is_no_fault(desk: Desk) -> None:
    desk.run()
    damage(desk, "UPDATE runs SET crashes = 2")
    code, out, err = desk.fsm("doctor")
    assert code == 0
    assert err.startswith("1 run looked at: sound, and every live one has a reason to wake; 1 note; ")
    assert out.startswith("note: runs crashed their process more than once [crashing]\n")


def test_a_value_that_was_altered_is_found_by_the_deep_look_alone(desk: Desk) -> None:
    run_id = desk.run()
    damage(desk, "UPDATE artifacts SET value = '\"Hello Eve\"' WHERE name = 'said'")
    assert desk.fsm("doctor").code == 0
    code, out, err = desk.fsm("doctor", "--deep")
    assert (code, err) == (1, "1 run looked at: 1 fault\n")
    assert out.startswith(f"fault: a row is not what was committed [altered]\n  {run_id}: artifacts 2 said: ")


def test_of_many_findings_some_are_printed_and_all_are_counted(desk: Desk) -> None:
    for name in ("Ana", "Bo", "Cy"):
        desk.run(name)
    damage(desk, "UPDATE runs SET attempt = 4")
    code, out, _ = desk.fsm("doctor", "--limit", "1")
    assert (code, out.splitlines()[2]) == (1, "  and 2 more")
    assert desk.fsm("doctor", "--limit", "1", "--json").json["counts"] == {"ledger-differs": 3}


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_may_be_found_is_told_with_its_cure(kind: str) -> None:
    told = {codes(row[0])[0]: row[1:] for row in rows("found", "how bad", "what it says")}
    assert list(told) == list(KINDS)
    assert told[kind] == [KINDS[kind].severity, KINDS[kind].what, KINDS[kind].cure]
