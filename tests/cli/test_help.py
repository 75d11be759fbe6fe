"""The list of commands, and what it costs."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from fsm.cli.face import COMMANDS
from tests.cli.conftest import Desk

SLOW = {"pydantic", "yaml", "transitions", "sqlite_utils", "sqlite3", "rich", "asyncio", "fsm.model", "fsm.cli.run"}


def test_the_help_says_what_it_said(desk: Desk) -> None:
    expected = Path(__file__).with_name("help.out").read_text()
    assert desk.fsm("--help") == (0, expected, "")


def _imported_by(command: str, folder: Path) -> set[str]:
    """Return the modules that a process has imported after answering a command line."""
    code = f"import sys; from fsm.cli import main; main([{command!r}]); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return set(ended.stdout.splitlines()[-1].split())


def test_the_help_imports_nothing_slow(tmp_path: Path) -> None:
    assert not _imported_by("--help", tmp_path) & SLOW


def test_listing_runs_imports_no_display_and_no_event_loop(desk: Desk) -> None:
    desk.run()
    assert not _imported_by("ls", desk.folder) & {"rich", "asyncio", "sqlite_utils"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_the_same_of_itself_as_the_list(name: str, desk: Desk) -> None:
    command = import_module(f"fsm.cli.{name}").command
    assert command.name == name
    assert command.help.splitlines()[0] == COMMANDS[name]
    assert desk.fsm(name, "--help").code == 0


def test_an_unknown_command_is_refused_with_the_nearest_one(desk: Desk) -> None:
    code, out, err = desk.fsm("histroy")
    assert (code, out) == (2, "")
    assert "no command 'histroy'; did you mean 'history'?" in err


def test_the_version_is_printed(desk: Desk) -> None:
    assert desk.fsm("--version").out.startswith("fsm ")


def test_the_module_is_the_same_command(desk: Desk) -> None:
    ended = subprocess.run([sys.executable, "-m", "fsm", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout == desk.fsm("--version").out


def test_shared_options_stand_before_or_after_the_command(desk: Desk) -> None:
    desk.run()
    (desk.folder / "runs.db").rename(desk.folder / "other.db")
    before = desk.fsm("--store", "other.db", "--json", "ls")
    after = desk.fsm("ls", "--json", "--store", "other.db")
    assert before.code == after.code == 0
    assert before.json == after.json
    assert len(after.json) == 1


def test_options_win_over_variables_and_variables_over_files(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("fsm.toml", 'store = "of_file.db"\n')
    assert "no store at of_file.db" in desk.fsm("ls").err or "of_file.db" in desk.fsm("ls").err
    monkeypatch.setenv("FSM_STORE", "of_variable.db")
    assert "no store at of_variable.db" in desk.fsm("ls").err
    assert "no store at of_option.db" in desk.fsm("ls", "--store", "of_option.db").err
