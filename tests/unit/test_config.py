"""Settings: which file counts, what a variable overrides, and what a mistake is told."""

from pathlib import Path
from typing import Any

import pytest

from fsm.config import Config, load
from fsm.errors import UsageError


def write(place: Path, text: str) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def test_without_any_file_the_defaults_hold(tmp_path: Path) -> None:
    found = load(tmp_path, {})
    assert found == Config(store="runs.db", definitions=("definitions",), actions=())
    assert found.origin is None


def test_a_file_of_its_own_is_read(tmp_path: Path) -> None:
    file = write(
        tmp_path / "fsm.toml", 'store = "a.db"\ndefinitions = ["x", "y"]\nactions = ["shop.actions", "more.py"]'
    )
    found = load(tmp_path, {})
    assert found.store == str(tmp_path / "a.db")
    assert found.definitions == (str(tmp_path / "x"), str(tmp_path / "y"))
    assert found.actions == ("shop.actions", str(tmp_path / "more.py"))
    assert found.origin == file


def test_one_text_stands_for_a_list_of_one(tmp_path: Path) -> None:
    write(tmp_path / "fsm.toml", 'definitions = "x"\nactions = "shop.actions"')
    found = load(tmp_path, {})
    assert (found.definitions, found.actions) == ((str(tmp_path / "x"),), ("shop.actions",))


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    write(tmp_path / "fsm.toml", 'store = "/var/lib/runs.db"')
    assert load(tmp_path, {}).store == "/var/lib/runs.db"


def test_the_project_s_file_may_hold_them(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", '[project]\nname = "x"\n[tool.fsm]\nstore = "a.db"')
    assert load(tmp_path, {}).store == str(tmp_path / "a.db")


def test_a_file_of_its_own_goes_before_the_project_s(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", '[tool.fsm]\nstore = "project.db"\nactions = "p"')
    write(tmp_path / "fsm.toml", 'store = "own.db"')
    found = load(tmp_path, {})
    assert (found.store, found.actions) == (str(tmp_path / "own.db"), ())


def test_the_nearest_file_above_that_says_something_counts(tmp_path: Path) -> None:
    write(tmp_path / "fsm.toml", 'store = "far.db"')
    near = write(tmp_path / "a" / "pyproject.toml", '[tool.fsm]\nstore = "near.db"')
    write(tmp_path / "a" / "b" / "pyproject.toml", '[tool.other]\nstore = "not ours"')
    (tmp_path / "a" / "b" / "c").mkdir()
    found = load(tmp_path / "a" / "b" / "c", {})
    assert (found.store, found.origin) == (str(tmp_path / "a" / "near.db"), near)


def test_a_relative_folder_is_looked_above_of_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "fsm.toml", 'store = "a.db"')
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    assert load(Path(), {}).store == str(tmp_path / "a.db")


def test_variables_override_a_file_name_by_name(tmp_path: Path) -> None:
    write(tmp_path / "fsm.toml", 'store = "a.db"\ndefinitions = "x"')
    found = load(tmp_path, {"FSM_STORE": "b.db", "FSM_ACTIONS": "one:two.py:", "FSM_DEFINITIONS": ""})
    assert (found.store, found.actions, found.definitions) == ("b.db", ("one", "two.py"), (str(tmp_path / "x"),))


def test_the_process_s_own_variables_count_where_none_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSM_STORE", "from.env")
    assert load(tmp_path).store == "from.env"


def test_a_table_of_something_else_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "fsm.toml", 'store = "a.db"\n[check]\nFSM409 = "off"')
    assert load(tmp_path, {}).store == str(tmp_path / "a.db")


@pytest.mark.parametrize(("text", "said"), [
    ("stroe = 'a'", 'unknown setting "stroe"; did you mean "store"?'),
    ("origin = 'a'", 'unknown setting "origin"; known: actions, definitions, store'),
    ("store = 5", '"store" must be text'),
    ("store = ['a.db']", '"store" must be text'),
    ("store = []", '"store" must be text'),
    ("definitions = 5", '"definitions" must be text or a list of texts'),
    ("actions = ['a', 5]", '"actions" must be text or a list of texts'),
    ("store = ", "does not parse"),
])  # fmt: skip
def test_a_mistake_names_the_file_and_what_would_be_right(tmp_path: Path, text: str, said: str) -> None:
    file = write(tmp_path / "fsm.toml", text)
    with pytest.raises(UsageError) as caught:
        load(tmp_path, {})
    assert str(caught.value).startswith(str(file))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"), [("[tool]\nfsm = 3", "must be a table"), ("[tool.fsm]\nstore = 3", "must be text")]
)
def test_a_mistake_in_the_project_s_file_too(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path / "pyproject.toml", text)
    with pytest.raises(UsageError, match=said):
        load(tmp_path, {})


@pytest.mark.parametrize("text", ["tool = 3", "[project]", ""])
def test_a_project_s_file_without_a_word_of_ours_is_passed_by(tmp_path: Path, text: str) -> None:
    write(tmp_path / "pyproject.toml", text)
    assert load(tmp_path, {}).origin is None


@pytest.mark.parametrize("content", [b"store = '\xff'", b"\x00\x01"])
def test_a_file_that_is_no_text_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fsm.toml").write_bytes(content)
    with pytest.raises(UsageError, match="does not parse"):
        load(tmp_path, {})


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "fsm.toml", "")

    def refuse(*_: Any, **__: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        load(tmp_path, {})
