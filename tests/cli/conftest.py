"""A folder with one workflow and its actions, and the command line in it, in this process or one of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fsm.cli import main

FSM = str(Path(sys.executable).with_name("fsm"))

GREET = """\
workflow: greet
version: 1
start: say
input: {name: str, times: {type: int, default: 1}}
defaults: {timeout: 60s, retry: {attempts: 2, delay: 1ms, jitter: none}, error: dead}
states:
  say: {action: greet.say, idempotent: true, writes: said, success: approve}
  approve:
    signal: {accept: {to: done, payload: {by: str, level: int | null}}, refuse: refused, skip: done}
    deadline: 5d
    error: refused
  done: {end: success, output: said}
  refused: {end: failure, reason: "'refused'"}
  dead: {end: dead_letter}
"""

ACTIONS = """\
import pathlib, sys, time
import fsm

print("imported")

@fsm.action("greet.say")
def say(name: str, times: int, ctx: fsm.Context) -> str:
    print(f"saying to {name}")
    if name == "broken":
        raise ValueError("no such name")
    if name == "flaky" and ctx.attempt == 1:
        raise fsm.Unavailable("line is busy")
    if name == "quitter":
        sys.exit(7)
    if name == "sleeper" and not pathlib.Path("awake").exists():
        print("asleep")
        time.sleep(60)
    return f"Hello {name}" * times
"""

PAY = """\
workflow: pay
version: 1
start: pay
defaults: {retry: never, error: dead}
states:
  pay:
    action: pay.pay
    idempotent: false
    interrupted: ask
    timeout: 1ms
    success: done
  done: {end: success, output: pay}
  dead: {end: dead_letter}
"""

PAY_ACTIONS = """\
import threading
import fsm

@fsm.action("pay.pay")
def pay() -> int:
    threading.Event().wait(0.2)
    return 1
"""


class Answer(NamedTuple):
    """What a command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Desk:
    """A working directory with definitions, actions and settings in it."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def fsm(self, *words: str) -> Answer:
        """Answer a command line in this process."""
        self.capture.readouterr()
        code = main(words)
        out, err = self.capture.readouterr()
        return Answer(code, out, err)

    def process(self, *words: str, **more: Any) -> Answer:
        """Answer a command line in a process of its own."""
        ended = subprocess.run(
            [FSM, *words], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False, **more
        )
        return Answer(ended.returncode, ended.stdout, ended.stderr)

    def begun(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """Begin a process and return it while it runs."""
        pipe = subprocess.PIPE
        self.processes.append(
            subprocess.Popen([FSM, *words], cwd=self.folder, stdout=pipe, stderr=pipe, text=True, **more)
        )
        return self.processes[-1]

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, name: str = "Ana") -> str:
        """Start a greeting, which comes to wait for approval, and return the run's id."""
        return str(self.fsm("run", "greet", "-i", f"name={name}", "--json").json["id"])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    for name in [name for name in os.environ if name.startswith("FSM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    found = Desk(tmp_path, capsys)
    found.write("definitions/greet.yaml", GREET)
    found.write("definitions/pay.yaml", PAY)
    found.write("actions/greet.py", ACTIONS)
    found.write("actions/pay.py", PAY_ACTIONS)
    found.write("fsm.toml", 'actions = ["actions/greet.py", "actions/pay.py"]\n')
    before = set(sys.modules)
    yield found
    for process in found.processes:
        process.kill()
        if process.stdout and not process.stdout.closed:
            process.communicate()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
