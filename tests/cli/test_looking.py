"""`ls`, `history`, `show` and `graph`: looking changes nothing."""

import json

import pytest

from tests.cli.conftest import GREET, Desk


@pytest.mark.parametrize(
    "words",
    [("ls",), ("history", "01"), ("graph", "--run", "01"), ("show", "--run", "01"), ("cancel", "01"), ("resume",),
     ("signal", "01", "x"), ("redrive", "01"), ("complete", "01", "--actor", "ana"), ("prune",), ("backup", "copy.db")],
)  # fmt: skip
def test_no_store_is_made_by_a_command_that_needs_one(desk: Desk, words: tuple[str, ...]) -> None:
    code, out, err = desk.fsm(*words)
    assert (code, out, err.splitlines()[-1]) == (2, "", "Error: no store at runs.db; `fsm run` creates it")
    assert not list(desk.folder.glob("runs.db*"))


def test_runs_are_listed_newest_first(desk: Desk) -> None:
    ids = [desk.run(name) for name in ("Ana", "Bo", "broken")]
    title, *rows = desk.fsm("ls").out.splitlines()
    assert title.split()[:4] == ["ID", "WORKFLOW", "STATE", "STATUS"]
    assert [row.split()[0] for row in rows] == ids[::-1]
    assert rows[0].endswith("a person: redrive or complete")
    assert "greet@1   approve  waiting" in rows[1]
    assert "signal accept or refuse or skip, until " in rows[1]


def test_the_list_is_filtered_and_paged(desk: Desk) -> None:
    ids = [desk.run(name) for name in ("Ana", "Bo", "broken")]
    assert [row["id"] for row in desk.fsm("ls", "--status", "dead", "--json").json] == ids[2:]
    assert [row["id"] for row in desk.fsm("ls", "--state", "approve", "--json").json] == [ids[1], ids[0]]
    assert desk.fsm("ls", "--workflow", "pay") == (0, "", "no runs\n")
    code, out, err = desk.fsm("ls", "--limit", "2", "--json")
    assert ([row["id"] for row in json.loads(out)], code) == (ids[:0:-1], 0)
    assert f"--before {ids[1]}" in err
    assert [row["id"] for row in desk.fsm("ls", "--before", ids[1], "--json").json] == ids[:1]


def test_history_tells_each_transition_in_order(desk: Desk) -> None:
    title, *rows = desk.fsm("history", desk.run("flaky")).out.splitlines()
    assert title.split() == ["SEQ", "TIME", "SOURCE", "EVENT", "TARGET", "STATUS", "TRY", "DETAIL"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert "Unavailable: line is busy; again in 1 ms" in rows[1]
    assert "success" in rows[2]


def test_history_as_json_is_a_document_for_each_line(desk: Desk) -> None:
    rows = [json.loads(line) for line in desk.fsm("history", desk.run("broken"), "--json").out.splitlines()]
    assert [(row["source"], row["event"], row["target"]) for row in rows] == [
        (None, "start", "say"), ("say", "error:else", "dead"),
    ]  # fmt: skip
    assert rows[1]["detail"]["class"] == "ValueError"
    assert all(len(row["hash"]) == 64 and row["at"].endswith("Z") for row in rows)
    assert "artifacts" not in rows[0]


def test_history_shows_values_when_asked(desk: Desk) -> None:
    run_id = desk.run()
    out = desk.fsm("history", run_id, "--values").out
    assert '    given name = "Ana"\n    given times = 1\n' in out
    assert '    read name = "Ana"\n    read times = 1\n    said = "Hello Ana"\n' in out
    rows = [json.loads(line) for line in desk.fsm("history", run_id, "--values", "--json").out.splitlines()]
    assert [row["artifacts"] for row in rows] == [{}, {"said": "Hello Ana"}]
    assert [row.get("input") for row in rows] == [{"name": "Ana", "times": 1}, None]
    assert [row.get("read") for row in rows] == [None, {"name": "Ana", "times": 1}]


@pytest.mark.parametrize("broken", ['["nowhere.py"]', '["actions/greet.py", "actions/again.py"]'])
def test_values_are_shown_without_the_actions_as_far_as_the_definition_tells(desk: Desk, broken: str) -> None:
    run_id = desk.run()
    desk.write("actions/again.py", "import fsm\n@fsm.action('greet.say')\ndef other() -> None: ...\n")
    desk.write("fsm.toml", f"actions = {broken}\n")
    code, out, err = desk.fsm("history", run_id, "--values", "--json")
    assert code == 0
    assert [json.loads(line).get("read") for line in out.splitlines()] == [None, {}]
    assert "without the actions, values are shown as read only where the definition says so" in err
    assert desk.fsm("history", run_id).err == ""


def test_inputs_are_shown_as_they_were_given_and_what_was_read_as_it_was_then(desk: Desk) -> None:
    run_id = desk.run()
    desk.fsm("rewind", run_id, "--to", "1", "--yes")
    new = desk.fsm("fork", run_id, "--at", "1", "--set", "name=Eva").out.strip()
    desk.fsm("resume")
    rows = [json.loads(line) for line in desk.fsm("history", new, "--values", "--json").out.splitlines()]
    assert [(row["event"], row.get("input"), row.get("read")) for row in rows] == [
        ("fork", {"name": "Eva", "times": 1}, None), ("success", None, {"name": "Eva", "times": 1}),
    ]  # fmt: skip
    rows = [json.loads(line) for line in desk.fsm("history", run_id, "--values", "--json").out.splitlines()]
    assert [(row["event"], row.get("input"), row.get("read")) for row in rows] == [
        ("start", {"name": "Ana", "times": 1}, None), ("success", None, {"name": "Ana", "times": 1}),
        ("rewind", None, None), ("success", None, {"name": "Ana", "times": 1}),
    ]  # fmt: skip


def test_a_run_is_named_by_the_beginning_of_its_id(desk: Desk) -> None:
    run_id = desk.run()
    assert desk.fsm("history", run_id.lower()).code == 0
    assert desk.fsm("history", run_id[:20].lower()).out == desk.fsm("history", run_id).out
    desk.run()
    code, _, err = desk.fsm("history", run_id[:2])
    assert code == 2
    assert "several runs begin with" in err


def test_looking_needs_neither_definitions_nor_actions(desk: Desk) -> None:
    run_id = desk.run()
    (desk.folder / "definitions").rename(desk.folder / "gone")
    desk.write("fsm.toml", 'actions = ["nowhere.py"]\n')
    for words in (
        ("ls",),
        ("history", run_id),
        ("graph", "--run", run_id),
        ("show", "--run", run_id),
        ("signal", run_id, "skip"),
    ):
        assert desk.fsm(*words).code == 0


def test_show_writes_every_default_out(desk: Desk) -> None:
    code, out, err = desk.fsm("show", "greet")
    assert (code, err) == (0, "")
    assert "max_delay: 1m" in out
    assert "timeout: 1m" in out
    assert "defaults:" not in out
    shown = desk.write("shown.yaml", out)
    assert desk.fsm("check", str(shown)).code == 0
    assert desk.fsm("show", "greet", "--json").json["definition"]["states"]["say"]["success"] == "approve"


def test_show_of_an_unsound_definition_shows_its_errors(desk: Desk) -> None:
    desk.write("definitions/greet.yaml", GREET.replace("success: approve}", "success: aprove}"))
    code, out, err = desk.fsm("show", "greet")
    assert (code, out) == (1, "")
    assert "FSM301" in err


def test_show_of_an_unknown_workflow_names_the_nearest(desk: Desk) -> None:
    code, _, err = desk.fsm("show", "great")
    assert (code, err) == (2, 'Error: no workflow "great"; did you mean "greet"?\n')


def test_a_graph_marks_where_a_run_is_and_what_it_passed(desk: Desk) -> None:
    run_id = desk.run()
    plain = desk.fsm("graph", "greet").out
    assert plain.startswith("flowchart TD\n")
    assert "linkStyle" not in plain
    marked = desk.fsm("graph", "greet", "--run", run_id)
    assert "classDef here" in marked.out
    assert "linkStyle 0,1 " in marked.out
    assert marked.out == desk.fsm("graph", "--run", run_id).out
    assert desk.fsm("graph", "--run", run_id, "--format", "dot").out.startswith('digraph "greet" {')


def test_a_graph_as_json_says_which_edges_were_passed(desk: Desk) -> None:
    run_id = desk.run()
    document = desk.fsm("graph", "--run", run_id, "--json").json
    assert [edge["event"] for edge in document["edges"] if edge["passed"]] == ["start", "success"]
    assert document["run"]["state"] == "approve"


def test_a_graph_shows_the_edge_that_a_person_vouched_for(desk: Desk) -> None:
    run_id = desk.run("broken")
    desk.fsm("complete", run_id, "--actor", "ana", "--value", '"Hello"')
    document = desk.fsm("graph", "--run", run_id, "--json").json
    assert {"source": "say", "event": "success", "target": "approve", "ends": None, "passed": True} in document["edges"]


def test_a_run_of_another_workflow_is_no_part_of_a_graph(desk: Desk) -> None:
    code, _, err = desk.fsm("graph", "pay", "--run", desk.run())
    assert code == 2
    assert 'one of "greet", not of "pay"' in err


def test_a_broken_workflow_is_drawn_as_far_as_it_can_be_read(desk: Desk) -> None:
    desk.write("definitions/greet.yaml", GREET.replace("success: approve}", "success: aprove}"))
    code, out, err = desk.fsm("graph", "greet")
    assert code == 1
    assert "aprove" in out
    assert "FSM301" in err
