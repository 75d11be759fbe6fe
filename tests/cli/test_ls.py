"""`ls`: runs by what they are, paused ones told apart, and lists that were cut short."""

import sys

import pytest

from fsm.store.sqlite import listing
from tests.cli.conftest import Desk


def ids_of(desk: Desk, *words: str) -> list[str]:
    return [row["id"] for row in desk.fsm("ls", *words, "--json").json]


def test_the_list_takes_several_statuses_a_key_and_an_age(desk: Desk) -> None:
    ids = [desk.run(name) for name in ("Ana", "broken")]
    ids.append(desk.fsm("run", "greet", "-i", "name=Bo", "--key", "week-7/bo", "--detach").out.strip())
    assert ids_of(desk, "--status", "dead", "--status", "ready") == [ids[2], ids[1]]
    assert ids_of(desk, "--key", "week-7/") == ids_of(desk, "--workflow", "greet", "--key", "w") == ids[2:]
    assert ids_of(desk, "--key", "week_7") == []
    assert ids_of(desk, "--newer-than", "1h") == ids[::-1]
    assert ids_of(desk, "--older-than", "1h") == []
    code, _, err = desk.fsm("ls", "--newer-than", "soon")
    assert (code, "soon" in err) == (2, True)


def test_what_is_paused_is_listed_and_says_so(desk: Desk) -> None:
    ids = [desk.run(name) for name in ("Ana", "Bo", "broken")]
    assert ids_of(desk, "--paused") == []
    desk.fsm("pause", "--workflow", "greet", "--state", "approve", "--actor", "ana", "--reason", "down")
    ready = desk.fsm("run", "greet", "-i", "name=Bo", "--detach").out.strip()
    assert ids_of(desk, "--paused") == [ids[1], ids[0]]
    code, out, err = desk.fsm("ls")
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0
    assert "unpause, then signal accept or refuse or skip, until " in rows[ids[0]]
    assert rows[ready].endswith("resume")
    assert err.startswith('paused by ana: down (state "approve" of "greet", since ')
    assert desk.fsm("ls", "--paused", "--json").json[0]["waits_for"].startswith("unpause, then signal")


def test_only_what_a_process_drives_is_held(desk: Desk) -> None:
    desk.run()
    assert ids_of(desk, "--held") == []
    driver = desk.begun("run", "greet", "-i", "name=sleeper", "--key", "k")
    assert driver.stderr
    while "asleep" not in driver.stderr.readline():
        assert driver.poll() is None
    (held,) = ids_of(desk, "--held")
    driver.kill()
    driver.wait()
    assert ids_of(desk, "--held") == []
    assert ids_of(desk, "--status", "running") == [held]


def test_a_list_that_was_cut_short_says_how_to_go_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [desk.run(name) for name in ("broken", "Ana", "Bo")]
    monkeypatch.setattr(listing, "_STEP", 2)
    assert ids_of(desk, "--state", "dead") == ids[:1]
    monkeypatch.setattr(sys.modules["fsm.operations.listing"], "_STEPS_MAX", 1)  # the name is the function
    code, out, err = desk.fsm("ls", "--state", "dead")
    assert (code, out, err) == (0, "", f"older runs were not looked at; to go on: --before {ids[1]}\n")
    assert ids_of(desk, "--state", "dead", "--before", ids[1]) == ids[:1]
