"""`fsm check`."""

import json

import pytest

from tests.cli.conftest import GREET, Desk

BROKEN = GREET.replace("success: approve}", "success: aprove}")


def test_sound_definitions_are_fine(desk: Desk) -> None:
    code, out, err = desk.fsm("check", "definitions/greet.yaml", "--format", "concise")
    assert (code, out, err) == (0, "", "no findings in 1 file\n")


def test_findings_go_to_stdout_and_the_summary_to_stderr(desk: Desk) -> None:
    desk.write("definitions/greet.yaml", BROKEN)
    code, out, err = desk.fsm("check")
    assert code == 1
    assert 'definitions/greet.yaml:7:69: error[FSM301]: no state "aprove"' in out
    assert 'did you mean "approve"?' in out
    assert err == "1 error in 2 files\n"


def test_json_holds_the_same_findings_however_it_is_asked_for(desk: Desk) -> None:
    desk.write("bad.yaml", BROKEN)
    by_format = desk.fsm("check", "bad.yaml", "--format", "json")
    assert by_format.out == desk.fsm("check", "bad.yaml", "--json").out
    assert "FSM301" in {found["code"] for found in by_format.json}


def test_warnings_fail_only_where_they_are_to(desk: Desk) -> None:
    desk.write("warned.yaml", GREET.replace("    deadline: 5d\n", ""))
    assert desk.fsm("check", "warned.yaml").code == 0
    assert desk.fsm("check", "warned.yaml", "--strict").code == 1


def test_actions_are_checked_only_when_asked(desk: Desk) -> None:
    desk.write("definitions/greet.yaml", GREET.replace("greet.say", "greet.sey"))
    assert desk.fsm("check").code == 0
    code, out, err = desk.fsm("check", "--actions")
    assert code == 1
    assert 'no action "greet.sey" is registered' in out
    assert "imported" in err


def test_checking_actions_without_any_is_refused(desk: Desk) -> None:
    desk.write("fsm.toml", "")
    code, _, err = desk.fsm("check", "--actions")
    assert code == 2
    assert "--import" in err


def test_a_place_that_does_not_exist_is_refused(desk: Desk) -> None:
    assert desk.fsm("check", "nowhere.yaml")[::2] == (
        2,
        "Error: nowhere.yaml does not exist; name a definition file or a folder of them\n",
    )


def test_without_definitions_nothing_is_proved(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSM_DEFINITIONS", "empty")
    (desk.folder / "empty").mkdir()
    code, _, err = desk.fsm("check")
    assert code == 2
    assert "empty holds no definition" in err


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"[" * 5_000, b"a: &a [*a]", b"\x00"])
def test_whatever_a_file_holds_is_answered_with_findings(desk: Desk, content: bytes) -> None:
    (desk.folder / "odd.yaml").write_bytes(content)
    code, out, _ = desk.fsm("check", "odd.yaml", "--json")
    assert code == 1
    assert json.loads(out)
