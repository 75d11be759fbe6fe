"""Whole programs whose actions have processes of their own: how these find them, and how they end with the program."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import fsm
from tests.cell.conftest import Yard, all_gone, is_gone, pids_in
from tests.store.processes import Child, Line, children, eventually

FSM = str(Path(sys.executable).with_name("fsm"))

FLOW = """
workflow: sum
version: 1
start: work
input: {place: str}
defaults: {retry: never, error: failed}
states:
  work: {action: sums.work, interrupted: repeat, success: done}
  done: {end: success, output: work}
  failed: {end: failure}
"""

ACTION = """
import ctypes, os, subprocess
from pathlib import Path

import fsm


@fsm.action("sums.work", isolation="process")
def work(place: str, ctx: fsm.Context) -> list[object]:
    if place and not ctx.interrupted:
        child = subprocess.Popen(["sleep", "1000"])
        Path(place).with_suffix(".new").write_text(f"{os.getpid()} {child.pid} {os.getpgid(0)}")
        Path(place).with_suffix(".new").rename(place)
        ctypes.PyDLL(None).sleep(1_000)  # and Python's other threads have no turn
    return [__name__, os.getppid(), ctx.interrupted]
"""

MAIN = """
import sys


def main() -> None:
    with fsm.Engine("runs.db", definitions="flow.yaml", actions=[work]) as engine:
        print(engine.run("sum", {"place": sys.argv[1] if sys.argv[1:] else ""}, key="k").output)
"""

FORKING = """

if __name__ == "__main__":
    import signal, threading, time

    engine = fsm.Engine("runs.db", definitions="flow.yaml", actions=[work])
    threading.Thread(target=engine.run, args=("sum", {"place": "pids"}), daemon=True).start()
    while not Path("pids").exists():
        time.sleep(0.01)
    if os.fork() == 0:
        signal.pause()
    os.kill(os.getpid(), signal.SIGKILL)
"""

GUARDED = """

if __name__ == "__main__":
    main()
"""


class Folder:
    """A folder with a definition, and programs to run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("flow.yaml", FLOW)
        self._begun: list[subprocess.Popen[str]] = []

    def write(self, name: str, text: str) -> None:
        place = self.path / name
        place.parent.mkdir(exist_ok=True, parents=True)
        place.write_text(dedent(text))

    def runs(self, *words: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(words, cwd=self.path, capture_output=True, text=True, check=False, timeout=100, **more)

    def begins(self, *words: str) -> "subprocess.Popen[str]":
        begun = subprocess.Popen(
            words, cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self._begun.append(begun)
        return begun

    def close(self) -> None:
        for begun in self._begun:
            begun.kill()
            begun.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.close()


class TestFinding:
    def test_in_a_program_that_is_a_file(self, folder: Folder) -> None:
        folder.write("program", ACTION + MAIN + GUARDED)
        ended = folder.runs(sys.executable, "program")
        assert ended.stdout.startswith("['__mp_main__', "), ended.stderr

    def test_in_a_program_that_is_a_module(self, folder: Folder) -> None:
        folder.write("sums/__init__.py", "")
        folder.write("sums/program.py", ACTION + MAIN + GUARDED)
        ended = folder.runs(sys.executable, "-m", "sums.program")
        assert ended.stdout.startswith("['sums.program', "), ended.stderr

    @pytest.mark.parametrize("file", ["sums.py", "json.py", "deep/down/sums.py"])
    def test_in_a_file_that_the_command_line_imports(self, folder: Folder, file: str) -> None:
        folder.write(file, ACTION)
        ended = folder.runs(FSM, "run", "flow.yaml", "-i", "place=", "--import", file, "--json")
        assert ended.returncode == 0, ended.stderr
        assert '"status": "succeeded"' in ended.stdout

    def test_in_a_folder_that_only_the_program_knows(self, folder: Folder) -> None:
        folder.write("there/sums.py", ACTION)
        folder.write("program.py", "import sys; sys.path.append('there'); import fsm; from sums import work\n"
                     + MAIN + GUARDED)  # fmt: skip
        ended = folder.runs(sys.executable, "program.py")
        assert ended.stdout.startswith("['sums', "), ended.stderr

    def test_a_program_without_a_guard_is_told_to_have_one_and_no_run_is_made(self, folder: Folder) -> None:
        folder.write("program.py", ACTION + MAIN + "\n\nmain()\n")
        ended = folder.runs(sys.executable, "program.py")
        assert ended.returncode == 1
        last = ended.stderr.strip().splitlines()[-1]
        assert last.startswith(
            'fsm.errors.MissingAction: the process of action "sums.work" does not find it: UsageError: '
        )
        assert "program.py opens an engine whenever it is imported" in last
        assert 'open the engine under `if __name__ == "__main__":`' in last
        listed = folder.runs(FSM, "ls", "--json")
        assert listed.stdout.count('"id"') == 1
        assert '"status": "ready"' in listed.stdout

    def test_what_was_typed_in_is_refused(self, folder: Folder) -> None:
        ended = folder.runs(sys.executable, "-", input=ACTION + MAIN + GUARDED)
        assert ended.stderr.strip().splitlines()[-1] == (
            'fsm.errors.UsageError: action "sums.work" asks for a process of its own, which finds its function by '
            "name, but it was typed in, and stands in no file; define it with `def` at the top of a module"
        )

    def test_a_function_that_is_not_there_when_imported_is_missing(self, folder: Folder) -> None:
        folder.write("sums.py", ACTION + "\nimport sys\nif 'program.py' not in sys.orig_argv:\n    del work\n")
        folder.write("program.py", "import fsm; from sums import work\n" + MAIN + GUARDED)
        ended = folder.runs(sys.executable, "program.py")
        assert "has no function work when it is imported" in ended.stderr.strip().splitlines()[-1]


class TestEnding:
    def begun(self, folder: Folder) -> "tuple[subprocess.Popen[str], list[int]]":
        folder.write("sums.py", ACTION)
        begun = folder.begins(FSM, "run", "flow.yaml", "-i", "place=pids", "--key", "k", "--import", "sums.py")
        return begun, pids_in(folder.path / "pids")

    def test_a_program_killed_outright_takes_all_of_it_along(self, folder: Folder) -> None:
        begun, pids = self.begun(folder)
        begun.kill()
        all_gone(pids)
        ended = folder.runs(FSM, "resume", "--import", "sums.py")
        assert "succeeded" in ended.stdout

    def test_nobody_begins_anew_before_the_process_of_a_killed_program_has_ended(self, folder: Folder) -> None:
        """Its keeper is frozen, and so the process lives on; the run stays held until it does not."""
        begun, (pid, _, keeper) = self.begun(folder)
        os.kill(keeper, signal.SIGSTOP)
        begun.kill()
        begun.wait()
        with fsm.Engine(folder.path / "runs.db") as engine:
            (run,) = engine.runs()
            assert not is_gone(pid)
            assert engine.store.held(run.id)
            assert engine.store.claim(run.id, engine.clock.now()) is None
            os.kill(keeper, signal.SIGCONT)
            eventually(lambda: not engine.store.held(run.id))
            assert is_gone(pid)
            claimed = engine.store.claim(run.id, engine.clock.now())
            assert claimed is not None
            assert claimed.interrupted

    def test_a_process_forked_from_a_killed_program_keeps_nothing_of_it_alive(self, folder: Folder) -> None:
        folder.write("program.py", ACTION + FORKING)
        begun = folder.begins(sys.executable, "program.py")
        begun.wait()
        all_gone(pids_in(folder.path / "pids"))
        os.killpg(begun.pid, signal.SIGKILL)

    def test_a_program_killed_together_with_the_keeper_takes_the_process_along(self, folder: Folder) -> None:
        begun, (pid, child, keeper) = self.begun(folder)
        begun.send_signal(signal.SIGSTOP)  # so that it does not do it itself
        os.kill(keeper, signal.SIGKILL)
        begun.kill()
        all_gone([pid, keeper])
        os.kill(child, signal.SIGKILL)  # of two deaths at once only the process itself hears

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_an_interruption_of_the_program_kills_the_process_and_lets_the_run_go(
        self, folder: Folder, number: int, code: int
    ) -> None:
        begun, pids = self.begun(folder)
        os.killpg(begun.pid, number)  # as a terminal does
        assert begun.wait(timeout=60) == code
        assert is_gone(pids[0])
        all_gone(pids)
        with fsm.Engine(folder.path / "runs.db") as engine:
            (run,) = engine.runs()
            assert (run.status, run.interrupted, run.crashes) == ("ready", True, 0)

    def test_a_service_whose_processes_are_all_signalled_is_interrupted_not_failed(self, folder: Folder) -> None:
        begun, pids = self.begun(folder)
        os.killpg(pids[2], signal.SIGTERM)
        os.killpg(begun.pid, signal.SIGTERM)
        assert begun.wait(timeout=60) == 143
        with fsm.Engine(folder.path / "runs.db") as engine:
            (run,) = engine.runs()
            assert (run.status, run.interrupted) == ("ready", True)


def test_a_process_forked_from_the_program_leaves_its_cells_alone(yard: Yard) -> None:
    pid = yard.does("pid").output

    def work(line: Line) -> None:
        yard.engine._hosts._cells.close()
        line.send("closed")

    with children(work) as (child,):
        assert isinstance(child, Child)
        assert child.hears() == "closed"
        assert child.ended() == 0
        assert yard.again().output == pid
