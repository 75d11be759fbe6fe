"""A line that says how far a long piece of work is, while it lasts: on a terminal only."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fsm.cli.output import is_terminal
from fsm.render.terminal import safe

if TYPE_CHECKING:
    from rich.live import Live

REFRESHES_PER_SECOND = 4
PATIENCE_S = 0.5
"""What takes less is done before anybody has asked how far it is."""


class Meter:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, line: str) -> None:
        """Take the place of the line before."""


class Drawn(Meter):
    """Draws its line on the terminal behind stderr once the work has lasted a while; leaves nothing behind."""

    def __init__(self) -> None:
        self._begun_s = time.monotonic()
        self._live: Live | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, line: str) -> None:
        if time.monotonic() - self._begun_s < PATIENCE_S:
            return
        from rich.text import Text  # noqa: PLC0415 - slow, and only where it is drawn

        self._live = self._live or _started()
        self._live.update(Text(safe(line), no_wrap=True, overflow="ellipsis"))


def _started() -> "Live":
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.live import Live  # noqa: PLC0415

    live = Live(console=Console(stderr=True), refresh_per_second=REFRESHES_PER_SECOND, transient=True)
    live.start()
    return live


def meter(*, quiet: bool) -> Meter:
    """Return what shows the line on this command line."""
    return Drawn() if not quiet and is_terminal(sys.stderr) else Meter()
