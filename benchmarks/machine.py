"""The machine: what it is, without saying whose or where; and folders on its disk and in its memory."""

import contextlib
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - where a tmpfs is, if there is one
_SYNCLESS = {"tmpfs", "ramfs"}


def facts() -> dict[str, str]:
    """Return what the figures depend on."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": str(os.cpu_count()),
        "disk": file_system(Path(tempfile.gettempdir())),
        "memory": file_system(MEMORY) if has_memory() else "none",
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def is_busy() -> bool:
    """Return whether others use so much of the machine that figures by the clock say little."""
    return os.getloadavg()[0] > (os.cpu_count() or 1) / 2


def file_system(place: Path, mounts: str = "/proc/mounts") -> str:
    """Return the type of the file system that a place lies on, or "unknown"."""
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return "unknown"
    place = place.resolve()
    found = [(len(mounted), kind) for _, mounted, kind, *_ in map(str.split, lines) if place.is_relative_to(mounted)]
    return max(found, key=lambda one: one[0])[1] if found else "unknown"


def has_memory(size_bytes: int = 64 << 20) -> bool:
    """Return whether there is a tmpfs with that much room."""
    usable = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and file_system(MEMORY) in _SYNCLESS
    return usable and shutil.disk_usage(MEMORY).free >= size_bytes


def no_disk() -> str | None:
    """Return why the temporary folder does not stand for a disk, or None."""
    kind = file_system(Path(tempfile.gettempdir()))
    return f"the temporary folder is a {kind}; name one on a disk with TMPDIR" if kind in _SYNCLESS else None


@contextlib.contextmanager
def folder(*, in_memory: bool = False, size_bytes: int = 64 << 20) -> Iterator[Path]:
    """Lend a folder that is removed afterwards, in memory where that is asked for and can be had."""
    base = MEMORY if in_memory and has_memory(size_bytes) else None
    made = Path(tempfile.mkdtemp(prefix="fsm-bench-", dir=base))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def say(text: str) -> None:
    """Show progress."""
    print(f"  {text}", file=sys.stderr, flush=True)
