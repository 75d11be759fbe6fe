"""Where output goes: data to stdout, everything else to stderr; neither ever fails because nobody reads it."""

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO


def prepare() -> None:
    """Let both streams take any text, whatever the locale can encode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def emit(text: str) -> bool:
    """Write data with a newline; return whether anybody still reads it."""
    if sys.stdout is None:
        return False
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        let_go()
        return False
    return True


def stream(parts: Iterable[str]) -> None:
    """Write data as it comes, until nobody reads it any more."""
    for part in parts:
        if not emit(part):
            return


def tell(text: str) -> None:
    """Write what is no data, with a newline."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def as_json(value: Any, *, indent: int | None = 2) -> str:
    """Return JSON text; on one line where `indent` is None."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def flushed() -> bool:
    """Write out what stdout still holds, and return whether it could be written or nobody wants it any more."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        let_go()
    except (OSError, ValueError) as fault:
        tell(f"Error: stdout cannot be written: {fault}")
        let_go()
        return False
    return True


def let_go() -> None:
    """Send the rest of stdout nowhere: its reader is gone, and closing it must not fail either."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def is_terminal(target: TextIO | None) -> bool:
    """Return whether a stream leads to a terminal that can move its cursor."""
    return target is not None and target.isatty() and os.environ.get("TERM") != "dumb"


def colours(target: TextIO | None) -> bool:
    """Return whether a stream is to be coloured."""
    return is_terminal(target) and not os.environ.get("NO_COLOR")


def room() -> int | None:
    """Return the columns of the terminal that stdout leads to, or None."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


@contextlib.contextmanager
def kept_clean() -> Iterator[None]:
    """Lead what user code prints to stderr for a block, so that stdout holds data only."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
