"""A screen of its own that is drawn anew at every interval, until somebody has seen enough."""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.live import Live
from rich.text import Text

_ENDS = {"q", "Q", "\x03", "\x04", ""}
"""The keys that end it; nothing at all is the end of what is typed."""


def drawn(look: Callable[[], Sequence[str]], interval_s: float) -> None:
    """Draw what `look` returns at every interval, until q or Ctrl-C; leave the terminal as it was."""
    console = Console(highlight=False)
    try:
        with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                due_s = time.monotonic() + interval_s
                live.update(_fitted(look(), console), refresh=True)
                while (left_s := due_s - time.monotonic()) > 0:
                    if pressed(left_s) in _ENDS:
                        return
    except KeyboardInterrupt:
        return


def _fitted(lines: Sequence[str], console: Console) -> Text:
    """Return the lines that there is room for; the last one says that there are more."""
    height = console.size.height
    shown = list(lines) if len(lines) <= height else [*lines[: height - 1], f"… {len(lines) - height + 1} more lines"]
    return Text.from_ansi("\n".join(shown), no_wrap=True, overflow="ellipsis")


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str | None]]:
    """Give what waits for a key that long and returns it, or None; without a keyboard it only waits."""
    if not sys.stdin or not sys.stdin.isatty():
        yield _no_key
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)

    def pressed(wait_s: float) -> str | None:
        ready, _, _ = select.select([fd], [], [], wait_s)
        return os.read(fd, 1).decode("latin-1") if ready else None

    try:
        tty.setcbreak(fd)
        yield pressed
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _no_key(wait_s: float) -> None:
    time.sleep(wait_s)
