"""`fsm migrate`, and `fsm dead redrive` under a repaired version."""

import json

import pytest

from tests.cli.conftest import GREET, Desk

SECOND = GREET.replace("version: 1", "version: 2").replace("  say:", "  speak:").replace("start: say", "start: speak")
MAP = ("--map", "say=speak")
FROM_TO = ("--from", "1", "--to", "2")


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """The desk with a second version of the greeting, whose first state has another name."""
    desk.write("definitions/greet2.yaml", SECOND)
    return desk


def greet(desk: Desk, name: str = "Ana") -> str:
    return str(desk.fsm("run", "greet", "--version", "1", "-i", f"name={name}", "--json").json["id"])


def versions(desk: Desk) -> dict[str, int]:
    return {row["id"]: row["version"] for row in desk.fsm("ls", "--json").json}


def migrated(desk: Desk, *words: str) -> tuple[int, str, str]:
    return desk.fsm("migrate", "greet", *FROM_TO, *words)


class TestMigrate:
    def test_a_dry_run_shows_the_edges_that_differ_and_which_runs_can_go(self, desk: Desk) -> None:
        waiting, dead = greet(desk), greet(desk, "broken")
        code, out, err = migrated(desk, "--dry-run")
        assert (code, err) == (1, "")
        assert "greet: version 1 → 2\n- --start--> say\n- say --success--> approve\n" in out
        assert "+ speak --success--> approve\n" in out
        assert "fault" not in out
        rows = [line.split() for line in out.splitlines()]
        assert ["STATE", "BECOMES", "STATUS", "RUNS", "CAN", "CANNOT"] in rows
        assert ["approve", "approve", "live", "1", "1"] in rows
        assert ["say", "dead", "1", "0", "1"] in rows
        assert f'1 run: version 2 drops "say"; map it to another state\n  {dead}\n' in out
        assert versions(desk) == {waiting: 1, dead: 1}

    def test_as_json_it_tells_of_each_run(self, desk: Desk) -> None:
        waiting, dead = greet(desk), greet(desk, "broken")
        code, out, _ = migrated(desk, "--dry-run", "--json")
        plan = json.loads(out)
        assert (code, plan["workflow"], plan["from"], plan["to"]) == (1, "greet", 1, 2)
        assert plan["map"]["approve"] == "approve"
        assert {"source": "say", "event": "success", "target": "approve"} in plan["edges"]["gone"]
        first, second = plan["runs"]
        assert (first["id"], first["becomes"], first["can"], first["obstacles"]) == (waiting, "approve", True, [])
        assert (second["id"], second["state"], second["status"], second["can"]) == (dead, "say", "dead", False)
        assert second["obstacles"][0]["code"] == "FSM902"

    def test_runs_are_moved_once_somebody_said_yes(self, desk: Desk) -> None:
        waiting, dead = greet(desk), greet(desk, "broken")
        code, _, err = migrated(desk, *MAP)
        assert code == 2
        assert "Move 2 runs to version 2?" in err
        assert versions(desk) == {waiting: 1, dead: 1}
        code, out, err = migrated(desk, *MAP, "--yes", "--actor", "ana", "--reason", "renamed")
        assert (code, out) == (0, f'{waiting}  version 2, ready in "approve"\n{dead}  version 2, dead in "dead"\n')
        assert "no edge differs" in err
        assert err.endswith("2 moved\n")
        *_, last = desk.fsm("history", dead, "--json").out.splitlines()
        row = json.loads(last)
        assert (row["event"], row["actor"], row["detail"]["because"]) == ("migrate", "ana", "renamed")
        assert "version 1 → 2; renamed; by ana" in desk.fsm("history", dead).out

    def test_if_one_cannot_be_moved_none_is_unless_that_is_enough(self, desk: Desk) -> None:
        waiting, dead = greet(desk), greet(desk, "broken")
        code, out, err = migrated(desk, "--yes")
        assert (code, out) == (1, "")
        assert "Error: 1 run cannot be moved, so none was; --where-possible leaves them" in err
        assert versions(desk) == {waiting: 1, dead: 1}
        code, out, err = migrated(desk, "--yes", "--where-possible")
        assert code == 1
        assert f'{dead}  refused: version 2 drops "say" (map it to another state)' in out
        assert err.endswith("1 moved, 1 refused\n")
        assert versions(desk) == {waiting: 2, dead: 1}

    def test_one_run_is_moved_by_its_id(self, desk: Desk) -> None:
        first, second = greet(desk), greet(desk)
        assert migrated(desk, "--yes", "--run", second[:-1] + second[-1])[0] == 0
        assert versions(desk) == {first: 1, second: 2}

    def test_repeating_it_does_nothing_more(self, desk: Desk) -> None:
        greet(desk)
        assert migrated(desk, "-y")[0] == 0
        assert migrated(desk, "-y") == (0, "", "0 moved\n")

    def test_failed_runs_are_moved_where_asked_for(self, desk: Desk) -> None:
        run_id = greet(desk)
        desk.fsm("signal", run_id, "refuse")
        assert migrated(desk, "-y")[2].endswith("0 moved\n")
        assert migrated(desk, "-y", "--failed")[2].endswith("1 moved\n")
        assert desk.fsm("ls", "--json").json[0]["reason"] == "refused"

    def test_what_actions_read_is_checked_only_where_they_are_known(self, desk: Desk) -> None:
        greet(desk)
        desk.write("fsm.toml", "")
        assert "was not checked: name their modules with --import" in migrated(desk, "--dry-run")[2]
        code, _, err = desk.fsm("migrate", "greet", *FROM_TO, "--dry-run", "--import", "actions/greet.py")
        assert (code, err) == (0, "")

    def test_the_new_version_may_be_in_a_file_elsewhere_or_in_the_store(self, desk: Desk) -> None:
        (desk.folder / "definitions/greet2.yaml").rename(desk.folder / "later.yaml")
        run_id = greet(desk)
        code, _, err = migrated(desk, "-y")
        assert code == 2
        assert 'the store has no version 2 of "greet"; it has 1' in err
        assert desk.fsm("migrate", "later.yaml", *FROM_TO, "-y").code == 0
        (desk.folder / "later.yaml").unlink()
        assert desk.fsm("migrate", "greet", "--from", "2", "--to", "1", "-y").code == 0
        assert versions(desk) == {run_id: 1}

    def test_a_map_must_lead_from_state_to_state(self, desk: Desk) -> None:
        greet(desk)
        for words, said in (
            (("--map", "say"), "--map 'say' is not name=value"),
            (("--map", "sai=speak"), 'no state of version 1; did you mean "say"?'),
            (("--map", "say=speek"), 'no state of version 2; did you mean "speak"?'),
        ):
            code, _, err = migrated(desk, *words)
            assert code == 2
            assert said in err


class TestRedriveUnderARepairedVersion:
    def repaired(self, desk: Desk) -> str:
        """Write the second version elsewhere, and mend what the actions break on."""
        (desk.folder / "definitions/greet2.yaml").unlink()
        desk.write("repaired.yaml", SECOND)
        return "repaired.yaml"

    def test_it_is_shown_and_checked_first_then_done(self, desk: Desk) -> None:
        file, run_id = self.repaired(desk), greet(desk, "broken")
        words = ("dead", "redrive", run_id, "--definition", file)
        code, _, err = desk.fsm(*words, "--yes")
        assert code == 2
        assert 'Error: version 2 drops "say" (map it to another state)' in err
        assert versions(desk) == {run_id: 1}
        code, _, err = desk.fsm(*words, *MAP)
        assert code == 2
        assert "Redrive 1 run under that version?" in err
        code, _, err = desk.fsm(*words, *MAP, "--yes", "--set", "name=Bo", "--actor", "ana")
        assert code == 0
        assert 'is ready in "speak"' in err
        events = [json.loads(line) for line in desk.fsm("history", run_id, "--json").out.splitlines()]
        assert [row["event"] for row in events] == ["start", "error:else", "migrate", "redrive"]
        assert [row["visit"] for row in events] == [1, 2, 2, 1]
        assert desk.fsm("resume", run_id).code == 4
        assert '"Hello Bo"' in desk.fsm("history", run_id, "--values", "--json").out

    def test_many_are_redriven_under_a_configured_version(self, desk: Desk) -> None:
        runs = [greet(desk, "broken") for _ in range(2)]
        words = ("dead", "redrive", "--workflow", "greet", "--version", "2", *MAP)
        code, out, err = desk.fsm(*words, "--dry-run")
        assert (code, out.count('would go on in "speak"')) == (0, 2)
        assert "greet: version 1 → 2" in err
        assert versions(desk) == dict.fromkeys(runs, 1)
        code, out, err = desk.fsm(*words, "--yes", "--set", "name=Bo")
        assert (code, out.count('goes on in "speak"')) == (0, 2)
        assert versions(desk) == dict.fromkeys(runs, 2)
        assert desk.fsm(*words, "--yes") == (0, "", "0 redriven\n")

    def test_it_may_go_on_from_another_state_of_the_repaired_version(self, desk: Desk) -> None:
        file, run_id = self.repaired(desk), greet(desk)
        desk.fsm("signal", run_id, "refuse")
        words = ("dead", "redrive", run_id, "--definition", file, *MAP, "--yes")
        code, _, err = desk.fsm(*words, "--at", "dead")
        assert code == 2
        assert 'the run has not been in "dead"' in err
        assert versions(desk) == {run_id: 1}
        assert 'is ready in "speak"' in desk.fsm(*words, "--at", "speak").err

    def test_what_cannot_be_set_is_refused_before_anything_is_done(self, desk: Desk) -> None:
        file, run_id = self.repaired(desk), greet(desk, "broken")
        code, _, err = desk.fsm("dead", "redrive", run_id, "--definition", file, *MAP, "--yes", "--set", "nam=Bo")
        assert code == 2
        assert 'did you mean "name"?' in err
        assert versions(desk) == {run_id: 1}

    def test_runs_that_cannot_take_it_are_refused_one_by_one(self, desk: Desk) -> None:
        greet(desk, "broken")
        code, out, err = desk.fsm("dead", "redrive", "--workflow", "greet", "--version", "2")
        assert code == 1
        assert 'refused: version 2 drops "say"' in out
        assert err.endswith("0 redriven, 1 refused\n")

    def test_a_version_belongs_to_one_workflow_and_a_map_to_a_version(self, desk: Desk) -> None:
        greet(desk, "broken")
        desk.fsm("run", "pay")
        (paying,) = [row["id"] for row in desk.fsm("ls", "--workflow", "pay", "--json").json]
        desk.write("actions/pay.py", 'import fsm\n\n@fsm.action("pay.pay")\ndef pay() -> int:\n    raise ValueError\n')
        while not desk.fsm("ls", "--workflow", "pay", "--status", "dead", "--json").json:
            desk.fsm("redrive", paying)  # it may take longer than its timeout, and ask again
            assert desk.process("resume", paying).code == 4
        code, _, err = desk.fsm("dead", "redrive", "--all", "--version", "2")
        assert code == 2
        assert "these runs are of greet, pay" in err
        code, _, err = desk.fsm("dead", "redrive", "--all", *MAP)
        assert code == 2
        assert "--map goes with --version or --definition" in err
