"""Whatever comes in, one clear message comes out."""

import sqlite3
import sys

import pytest

from tests.cli.conftest import Desk


def _refused(desk: Desk, *words: str, code: int = 2) -> str:
    answer = desk.fsm(*words)
    assert (answer.code, answer.out) == (code, "")
    assert "Traceback" not in answer.err
    return answer.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('{"name": "x",, }', "at line 1, column 14"),
        ('{"name": "x"\n "times": 2}', "at line 2, column 2"),
        ('{"name": "x"', "the text ends there"),
        ("", "at line 1, column 1"),
        ("[1]", "must be a JSON object"),
        ('{"name": NaN}', "NaN is not JSON"),
        ('{"name": ' + "9" * 5_000 + "}", "cannot be stored"),
        ("[" * 200_000, "nested too deeply"),
        ("@nowhere.json", "nowhere.json cannot be read: No such file"),
        ("@.", "cannot be read"),
        ('{"name": 3}', '"name" must be str'),
        ('{"nam": "x"}', 'did you mean "name"?'),
        ('{"name": "\\ud800"}', '"name" must be str'),
    ],
)
def test_an_input_that_cannot_be_is_refused_with_its_place(desk: Desk, given: str, said: str) -> None:
    assert said in _refused(desk, "run", "greet", "--input", given)
    if (desk.folder / "runs.db").exists():
        assert desk.fsm("ls").err == "no runs\n"


@pytest.mark.parametrize(
    ("given", "said"), [("name", "not name=value"), ("=x", "not name=value"), ("times=x", '"times" must be int')]
)
def test_a_single_input_that_cannot_be_is_refused(desk: Desk, given: str, said: str) -> None:
    assert said in _refused(desk, "run", "greet", "-i", given)


def test_an_input_given_twice_is_refused(desk: Desk) -> None:
    assert '"name" twice' in _refused(desk, "run", "greet", "-i", "name=a", "-i", "name=b")


def test_an_input_that_is_no_text_is_refused(desk: Desk) -> None:
    (desk.folder / "input").write_bytes(b"\xff\xff")
    assert "is not UTF-8 text" in _refused(desk, "run", "greet", "--input", "@input")
    assert "not UTF-8" in _refused(desk, "run", "greet", "-i", "name=\udcff")


def test_an_input_without_end_is_refused(desk: Desk) -> None:
    assert "larger than 64 MiB" in _refused(desk, "run", "greet", "--input", "@/dev/zero")


@pytest.mark.parametrize("run_id", ["", " ", "'; DROP TABLE runs; --", "\udcff", "é", "%", "0" * 27, "../x", "\x00"])
def test_an_odd_run_id_is_refused(desk: Desk, run_id: str) -> None:
    desk.run()
    assert "is no run" in _refused(desk, "history", run_id)


def test_an_unknown_run_is_refused(desk: Desk) -> None:
    desk.run()
    assert 'no run "ZZZZ"' in _refused(desk, "cancel", "zzzz")


@pytest.mark.parametrize("words", [("ls",), ("run", "greet", "-i", "name=Ana")])
def test_a_store_that_is_none_is_refused_and_left_alone(desk: Desk, words: tuple[str, ...]) -> None:
    foreign = desk.folder / "foreign.db"
    with sqlite3.connect(foreign) as other:
        other.execute("CREATE TABLE t(x)")
    other.close()
    text = desk.write("text.db", "not a database\n" * 400)
    before = foreign.read_bytes()
    assert "database of something else" in _refused(desk, *words, "--store", "foreign.db", code=3)
    assert "not an SQLite database" in _refused(desk, *words, "--store", "text.db", code=3)
    assert "is a folder" in _refused(desk, *words, "--store", ".", code=3)
    assert foreign.read_bytes() == before
    assert text.read_text().startswith("not a database")


def test_a_store_in_no_folder_is_refused(desk: Desk) -> None:
    said = _refused(desk, "run", "greet", "-i", "name=Ana", "--store", "nowhere/runs.db", code=3)
    assert "create the folder" in said
    assert "Traceback" not in _refused(desk, "run", "greet", "-i", "name=Ana", "--store", "/proc/runs.db", code=3)


def test_a_damaged_store_is_an_engine_fault(desk: Desk) -> None:
    desk.run()
    store = desk.folder / "runs.db"
    store.write_bytes(store.read_bytes()[:8_192] + b"\xa5" * 40_000)
    assert "restore a backup" in _refused(desk, "ls", code=3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("store = [", "does not parse"),
        ('stroe = "x"', 'did you mean "store"?'),
        ("store = 3", "must be text"),
        ('actions = ["nowhere.py"]', "does not exist"),
        ('actions = ["no.such.module"]', 'there is no module "no.such.module"'),
        ('definitions = "nowhere"', "nowhere does not exist"),
    ],
)
def test_bad_settings_are_refused(desk: Desk, settings: str, said: str) -> None:
    desk.write("fsm.toml", settings)
    assert said in _refused(desk, "run", "greet", "-i", "name=Ana")


@pytest.mark.parametrize(
    ("code", "line", "said"),
    [
        ("x = {}\n\ny = x['k']\n", 3, "KeyError: 'k'"),
        ("import fsm\nimport no_such_thing\n", 2, "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("def f(:\n", 1, "SyntaxError: "),
        ("import sys\nsys.exit('stop')\n", 2, "SystemExit: stop"),
        ("import json\njson.loads('{')\n", 2, "JSONDecodeError: "),
        ("import fsm\n@fsm.action('a b')\ndef f(): ...\n", 2, 'UsageError: "a b" is no name'),
    ],
)
def test_actions_that_fail_to_import_are_told_with_their_line(desk: Desk, code: str, line: int, said: str) -> None:
    broken = desk.write("broken_actions.py", code)
    for name in ("broken_actions.py", "broken_actions"):
        answer = _refused(desk, "run", "greet", "-i", "name=Ana", "--import", name)
        assert answer.startswith(f"Error: {broken}:{line}: {said}")


def test_a_module_without_actions_is_refused(desk: Desk) -> None:
    desk.write("plain.py", "x = 1\n")
    assert "has no actions" in _refused(desk, "run", "greet", "-i", "name=Ana", "--import", "plain")


def test_action_files_of_one_name_live_side_by_side(desk: Desk) -> None:
    desk.write("other/greet.py", "import fsm\n@fsm.action\ndef bow() -> int: return 1\n")
    desk.write("other/colorsys.py", "import fsm\n@fsm.action\ndef mix() -> int: return 1\n")
    code, _, err = desk.fsm(
        "run", "greet", "-i", "name=Ana", "--import", "other/greet.py", "--import", "other/colorsys.py"
    )
    assert code == 4, err
    standard = sys.modules.get("colorsys")
    assert not hasattr(standard, "mix"), "a file must not stand in for a module of the standard library"


def test_an_unforeseen_exception_is_one_line_unless_asked_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of\nall things")

    monkeypatch.setattr("fsm.cli.ls.session", fail)
    said = _refused(desk, "ls", code=3)
    assert said == "Error: unexpected ZeroDivisionError: of all things; please report it, with what FSM_DEBUG=1 prints"
    monkeypatch.setenv("FSM_DEBUG", "1")
    assert "Traceback" in desk.fsm("ls").err


@pytest.mark.parametrize(
    "words", [("ls", "--limit", "0"), ("ls", "--status", "sleeping"), ("run",), ("history",), ("--bogus",), ("graph",)]
)
def test_a_line_that_makes_no_sense_is_refused(desk: Desk, words: tuple[str, ...]) -> None:
    assert _refused(desk, *words).startswith("Error: ")
