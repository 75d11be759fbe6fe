"""The processes in which the slices run, and the order that they run in."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

_ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 600
_QUIET = {"LANGSMITH_TRACING": "false", "BURR_TELEMETRY_ENABLED": "false"}
"""Engines that would tell somebody of their use do not."""

Name = TypeVar("Name")
Found = TypeVar("Found")


class Failed(Exception):
    """There is no figure; the message says why."""


def in_turn(names: Iterable[Name], repetitions: int, one: Callable[[Name], Found]) -> dict[Name, list[Found] | Failed]:
    """Measure each in turn, so many times, the order reversed every time; one that fails is not asked again."""
    found: dict[Name, list[Found] | Failed] = {name: [] for name in names}
    order = list(found)
    for _ in range(repetitions):
        for name in order:
            slices = found[name]
            if isinstance(slices, list):
                try:
                    slices.append(one(name))
                except Failed as failed:
                    found[name] = failed
        order.reverse()
    return found


def asked(engine: str, verb: str, folder: Path, number: int, variables: Mapping[str, str] | None = None) -> Any:
    """Return what a process of an engine answers; see `child`.

    Raises:
        Failed: it failed, died, or gave no answer in time.
    """
    done = _child(engine, verb, folder, number, variables or {})
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise Failed(f"exit code {done.returncode} and no answer; {_last(done)}") from None
    if isinstance(found, dict) and "failed" in found:
        raise Failed(found["failed"])
    return found


def halted(engine: str, folder: Path, steps: int) -> Path:
    """Let an engine's long run be killed after so many steps; return the folder with what it left."""
    folder.mkdir()
    done = _child(engine, "halt", folder, steps, {})
    if done.returncode != -signal.SIGKILL:
        raise Failed(f"exit code {done.returncode} where it was to be killed; {done.stdout or _last(done)}")
    return folder


def python(statements: str) -> None:
    """Let a new process do no more than these statements."""
    done = _run([sys.executable, "-c", statements], {})
    if done.returncode:
        raise Failed(_last(done))


def _child(
    engine: str, verb: str, folder: Path, number: int, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return _run([sys.executable, "-m", "benchmarks.peers.child", engine, verb, str(folder), str(number)], variables)


def _run(command: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **_QUIET, **variables}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # pip compiles what it installs; an editable checkout is its like
    try:
        return subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=_TIMEOUT_S)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failed(f"no answer within {_TIMEOUT_S} s") from None


def _last(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last that it said."""
    return next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it said nothing")
