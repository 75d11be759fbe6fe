"""A disk whose syncs take a fixed time and are counted: a C library in front of `fsync`, in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import has_memory

_SOURCE = Path(__file__).with_name("sync.c")


class Unavailable(Exception):
    """It cannot be had here; the message says why."""


def measured(folder: Path, module: str, *arguments: object, sync_us: int) -> Any:
    """Run a module of this package with the library loaded; return the JSON that it prints.

    Raises:
        Unavailable: there is no C compiler, no tmpfs, or another system than Linux.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=_SOURCE.parents[1], env={**os.environ, **loaded(folder, sync_us=sync_us)},
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def loaded(folder: Path, *, sync_us: int) -> dict[str, str]:
    """Return the variables of a process that has the library loaded, built into the folder.

    Raises:
        Unavailable: as above.
    """
    return {"LD_PRELOAD": str(_compiled(folder)), "SYNC_US": str(sync_us)}


def _compiled(folder: Path) -> Path:
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux"):
        raise Unavailable("LD_PRELOAD is Linux's own")
    if not has_memory():
        raise Unavailable("no tmpfs, so a sync cannot be given a latency")
    if compiler is None:
        raise Unavailable("no C compiler (cc) for the library that gives syncs a latency")
    library = folder / "sync.so"
    built = subprocess.run([compiler, "-O2", "-shared", "-fPIC", str(_SOURCE), "-o", str(library)],
                           capture_output=True, check=False)  # fmt: skip
    if built.returncode:
        raise Unavailable("cc could not build the library that gives syncs a latency")
    return library
