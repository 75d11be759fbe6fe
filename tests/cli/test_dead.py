"""`fsm dead ls|show|redrive|drop`."""

import json
import re
from typing import Any

import pytest

from fsm import operations
from fsm.engine.engine import Engine
from fsm.model.run import Run
from tests.cli.conftest import Desk


def broken(desk: Desk, *names: str) -> list[str]:
    """Start greetings of people who cannot be greeted, and return the runs' ids."""
    return [desk.run(name) for name in names or ["broken"]]


def states(desk: Desk) -> dict[str, str]:
    return {row["id"]: row["status"] for row in desk.fsm("ls", "--json").json}


class TestLs:
    def test_it_lists_dead_runs_with_what_failed_in_them(self, desk: Desk) -> None:
        desk.run()
        (run_id,) = broken(desk)
        code, out, err = desk.fsm("dead", "ls")
        assert (code, err) == (0, "")
        title, row = out.splitlines()
        assert title.split() == ["ID", "WORKFLOW", "FAILED", "IN", "ERROR", "MESSAGE", "TRY", "KEY", "DIED"]
        assert re.fullmatch(rf"{run_id}  greet@1 +say +ValueError +no such name +1 +.*", row)

    def test_as_json_it_tells_the_error_whole(self, desk: Desk) -> None:
        broken(desk)
        (row,) = desk.fsm("dead", "ls", "--json").json
        failed = row["failed"]
        assert (row["status"], failed["state"], failed["class"]) == ("dead", "say", "ValueError")
        assert (failed["attempt"], failed["interrupted"]) == (1, False)
        assert failed["traceback"].endswith("ValueError: no such name\n")

    def test_it_pages(self, desk: Desk) -> None:
        first, second = broken(desk, "broken", "broken")
        _, out, err = desk.fsm("dead", "ls", "--limit", "1")
        assert second in out
        assert f"the next page: --before {second}" in err
        assert first in desk.fsm("dead", "ls", "--before", second).out

    def test_it_chooses_by_workflow_and_failed_state(self, desk: Desk) -> None:
        (run_id,) = broken(desk)
        for words, there in ((("--state", "say"), True), (("--state", "dead"), False), (("--workflow", "pay"), False)):
            assert (run_id in desk.fsm("dead", "ls", *words).out) is there

    def test_failed_runs_are_listed_where_asked_for(self, desk: Desk) -> None:
        refused = desk.run()
        desk.fsm("signal", refused, "refuse")
        assert desk.fsm("dead", "ls") == (0, "", "no dead runs\n")
        assert refused in desk.fsm("dead", "ls", "--failed").out


class TestShow:
    def test_it_prints_everything_and_the_commands_that_move_it(self, desk: Desk) -> None:
        (run_id,) = broken(desk)
        code, out, _ = desk.fsm("--store", "runs.db", "dead", "show", run_id[:20])
        assert code == 0
        for said in (
            f'run {run_id} (greet@1) is dead in "dead"',
            '"say" failed at attempt 1 of visit 1\n  ValueError: no such name\n',
            'input\n  name = "broken"\n  times = 1\n',
            "  Traceback (most recent call last):\n",
            f"  try again:          fsm redrive --store runs.db {run_id} && fsm resume --store runs.db {run_id}\n",
            f"fsm dead --store runs.db redrive {run_id} --at STATE",
            f"fsm dead --store runs.db drop {run_id}\n",
        ):
            assert said in out

    def test_every_command_that_it_prints_is_one(self, desk: Desk) -> None:
        (run_id,) = broken(desk)
        ways = desk.fsm("--store", "runs.db", "dead", "show", run_id, "--json").json["commands"]
        for line in ways.values():
            words = line.partition(" && ")[0].split()[1:]
            assert desk.fsm(*words, "--help").code == 0, line

    def test_the_attempts_of_the_visit_that_failed_are_listed(self, desk: Desk) -> None:
        desk.write("actions/greet.py", (desk.folder / "actions/greet.py").read_text().replace("ctx.attempt == 1", "1"))
        (run_id,) = broken(desk, "flaky")
        desk.fsm("redrive", run_id)
        desk.fsm("resume")
        shown = desk.fsm("dead", "show", run_id, "--json").json
        assert [(one["attempt"], one["class"]) for one in shown["attempts"]] == [
            (1, "Unavailable"), (2, "Unavailable"), (1, "Unavailable"), (2, "Unavailable"),
        ]  # fmt: skip
        assert "  2    " in desk.fsm("dead", "show", run_id).out

    def test_a_run_without_an_error_behind_it_says_so(self, desk: Desk) -> None:
        run_id = desk.run()
        desk.fsm("signal", run_id, "refuse")
        out = desk.fsm("dead", "show", run_id).out
        assert "no error lies behind it\n  refused\n" in out
        assert "try again" not in out
        assert "--at STATE" in out

    def test_what_is_no_dead_letter_is_refused(self, desk: Desk) -> None:
        code, _, err = desk.fsm("dead", "show", desk.run())
        assert code == 2
        assert "is waiting, no dead letter; `fsm history" in err


class TestRedrive:
    def test_one_run_goes_back_to_another_state(self, desk: Desk) -> None:
        run_id = desk.run()
        desk.fsm("signal", run_id, "refuse")
        code, _, err = desk.fsm("dead", "redrive", run_id, "--at", "say", "--actor", "ana", "--reason", "again")
        assert code == 0
        assert f'is ready in "say"; this drives it on:\n  fsm resume {run_id}' in err
        *_, last = desk.fsm("history", run_id, "--json").out.splitlines()
        assert json.loads(last)["event"] == "redrive"
        assert (json.loads(last)["of_seq"], json.loads(last)["actor"]) == (1, "ana")

    def test_values_are_typed_as_the_workflow_declares_them(self, desk: Desk) -> None:
        (run_id,) = broken(desk)
        assert desk.fsm("dead", "redrive", run_id, "--set", "name=7", "--set", "times=2", "-q").code == 0
        desk.fsm("resume")
        assert '"Hello 7Hello 7"' in desk.fsm("history", run_id, "--values", "--json").out
        out = desk.fsm("history", run_id, "--values").out
        assert "sets name, times" in out
        assert out.index('name = "broken"') < out.index('name = "7"')

    def test_a_value_that_does_not_fit_is_refused(self, desk: Desk) -> None:
        (run_id,) = broken(desk)
        code, _, err = desk.fsm("dead", "redrive", run_id, "--set", "times=many")
        assert code == 2
        assert '"times" must be int' in err
        assert states(desk) == {run_id: "dead"}

    def test_all_of_a_state_are_redriven_and_the_rest_left(self, desk: Desk) -> None:
        runs = broken(desk, "broken", "broken")
        refused = desk.run()
        desk.fsm("signal", refused, "refuse")
        code, out, err = desk.fsm("dead", "redrive", "--workflow", "greet", "--state", "say", "--set", "name=Bo")
        assert (code, out.splitlines()) == (0, [f'{run_id}  goes on in "say"' for run_id in reversed(runs)])
        assert err == "2 redriven\nthis drives them on: fsm resume\n"
        assert states(desk) == {refused: "failed", **dict.fromkeys(runs, "ready")}

    def test_repeating_it_does_nothing_more(self, desk: Desk) -> None:
        broken(desk, "broken", "broken")
        assert desk.fsm("dead", "redrive", "--all", "-q").code == 0
        assert desk.fsm("dead", "redrive", "--all") == (0, "", "0 redriven\n")

    def test_a_run_that_refuses_stops_no_other(self, desk: Desk) -> None:
        (dead,) = broken(desk)
        refused = desk.run()
        desk.fsm("signal", refused, "refuse")
        code, out, err = desk.fsm("dead", "redrive", "--all", "--failed", "--json")
        assert code == 1
        first, second = json.loads(out)
        assert (first["id"], first["done"]) == (refused, False)
        assert "no error lies behind it" in first["said"]
        assert second == {"id": dead, "done": True, "said": 'goes on in "say"'}
        assert err.startswith("1 redriven, 1 refused\n")

    def test_a_dry_run_says_what_would_be_done_and_does_nothing(self, desk: Desk) -> None:
        runs = broken(desk, "broken", "broken")
        code, out, err = desk.fsm("dead", "redrive", "--all", "--dry-run")
        assert (code, out.count('would go on in "say"'), err) == (0, 2, "2 would be redriven\n")
        code, out, err = desk.fsm("dead", "redrive", runs[0], "--dry-run", "--at", "approve")
        assert (code, err) == (1, "0 would be redriven, 1 refused\n")
        assert 'not been in "approve"' in out
        assert states(desk) == dict.fromkeys(runs, "dead")

    @pytest.mark.parametrize(
        "words",
        [(), ("--all", "--workflow", "greet"), ("01ABC", "--all"), ("--state", "say"), ("01ABC", "--state", "a")],
    )
    def test_which_runs_are_meant_must_be_clear(self, desk: Desk, words: tuple[str, ...]) -> None:
        broken(desk)
        code, _, err = desk.fsm("dead", "redrive", *words)
        assert code == 2
        assert "name one RUN, or --workflow NAME" in err or "--state goes with --workflow" in err

    def test_an_interruption_keeps_what_was_done_and_says_how_far_it_came(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runs = broken(desk, "broken", "broken")
        redrive = operations.redrive

        def interrupted(engine: Engine, run_id: str, **more: Any) -> Run:
            if run_id == runs[0]:
                raise KeyboardInterrupt
            return redrive(engine, run_id, **more)

        monkeypatch.setattr(operations, "redrive", interrupted)
        code, out, err = desk.fsm("dead", "redrive", "--all", "--json")
        assert (code, [one["id"] for one in json.loads(out)]) == (130, [runs[1]])
        assert "interrupted after 1 of 2; what was done stays done: repeat it for the rest" in err
        assert states(desk) == {runs[0]: "dead", runs[1]: "ready"}


class TestDrop:
    def test_it_asks_first_and_without_a_terminal_does_nothing(self, desk: Desk) -> None:
        (run_id,) = broken(desk)
        code, _, err = desk.fsm("dead", "drop", run_id)
        assert code == 2
        assert f"Drop run {run_id} with everything in it?" in err
        assert "--yes" in err
        assert states(desk) == {run_id: "dead"}

    def test_what_is_dropped_is_gone_and_who_did_it_is_told(self, desk: Desk) -> None:
        (run_id,) = broken(desk)
        code, out, err = desk.fsm("dead", "drop", run_id, "--yes", "--actor", "ana", "--reason", "a test")
        assert (code, out, err) == (0, f"{run_id}  dropped\n", "1 dropped\n")
        assert states(desk) == {}
        code, _, err = desk.fsm("dead", "show", run_id)
        assert code == 2
        assert re.search(rf"run {run_id} was dropped at 2.*Z by ana: a test", err)

    def test_a_live_run_is_refused_before_anybody_is_asked(self, desk: Desk) -> None:
        code, _, err = desk.fsm("dead", "drop", desk.run())
        assert code == 2
        assert "the run is waiting; cancel it first" in err

    def test_all_dead_runs_go_and_the_others_stay(self, desk: Desk) -> None:
        kept = desk.run()
        broken(desk, "broken", "broken")
        assert desk.fsm("dead", "drop", "--all", "--dry-run").out.count("would be dropped") == 2
        assert desk.fsm("dead", "drop", "--all", "-y").err == "2 dropped\n"
        assert desk.fsm("dead", "drop", "--all", "-y") == (0, "", "0 dropped\n")
        assert states(desk) == {kept: "waiting"}


def test_the_group_says_what_it_holds(desk: Desk) -> None:
    code, out, _ = desk.fsm("dead", "--help")
    assert code == 0
    assert [line.split()[0] for line in out.partition("Commands:\n")[2].splitlines()] == [
        "drop", "ls", "redrive", "show",
    ]  # fmt: skip
