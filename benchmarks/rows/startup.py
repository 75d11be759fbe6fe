"""What it costs to import the package and to ask the command line for help: whole processes."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figures import Figure, Scale, Slice, Stopwatch, Target, interleaved, spread
from benchmarks.machine import say

_ROW = "startup"
_LATER = (
    "asyncio", "click", "fsm.cli", "http", "psycopg", "pydantic", "rich", "socketserver", "sqlite3", "sqlite_utils",
    "transitions", "uvicorn", "yaml",
)  # fmt: skip
"""What `import fsm` must leave to those who use it: the command line, servers, other stores, and what is slow."""


def measure(scale: Scale) -> Iterator[Figure]:
    say(f"{scale.processes} processes each")
    python = [sys.executable]
    yield _process("import fsm", [*python, "-c", "import fsm"], scale, Target("at most", 100))
    yield _process("fsm --help", [*_command(), "--help"], scale, Target("at most", 200))
    yield _process("from fsm import Engine, on first use", [*python, "-c", "from fsm import Engine"], scale, None)
    found = imported()
    yield Figure(_ROW, "modules that import fsm should leave alone", "", len(found), target=Target("at most", 0),
                 note=f"found: {', '.join(found)}" if found else f"none of {', '.join(_LATER)}")  # fmt: skip


def imported() -> list[str]:
    """Return which of the modules that are for later `import fsm` loads."""
    done = subprocess.run([sys.executable, "-c", "import fsm, json, sys; print(json.dumps(sorted(sys.modules)))"],
                          stdout=subprocess.PIPE, check=True)  # fmt: skip
    return sorted(set(_LATER) & set(json.loads(done.stdout)))


def _command() -> list[str]:
    """Return the installed command, or the package as a module where there is none."""
    installed = Path(sys.executable).with_name("fsm")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "fsm"]


def _process(what: str, command: Sequence[str], scale: Scale, target: Target | None) -> Figure:
    python = [sys.executable, "-c", "pass"]
    compared = interleaved(lambda: _started(python), lambda: _started(command), scale.processes)
    ours_ms, raw_ms = compared.ours_s * 1e3, compared.raw_s * 1e3
    note = f"raw: python itself; {spread([one.wall_s * 1e3 for one in compared.ours], '.0f')}; {compared.cpu('ms')}"
    return Figure(_ROW, f"{what}, a whole process", "ms", ours_ms, raw_ms, compared.slowdown, target, note)


def _started(command: Sequence[str]) -> Slice:
    watch, cpu_s = Stopwatch(), _children_cpu_s()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return watch.per(1)._replace(cpu_s=_children_cpu_s() - cpu_s)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
