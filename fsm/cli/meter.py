"""A line that says how far a long piece of work is, while it lasts: on a terminal only."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fsm.cli.output import is_terminal
from fsm.render.terminal import safe

if TYPE_CHECKING:
    from rich.live import Live

REFRESHES_PER_SECOND = 4


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
    """Draws its line on the terminal behind stderr, and leaves nothing behind."""

    def __init__(self) -> None:
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415 - slow, and only where it is drawn
        from rich.live import Live  # noqa: PLC0415

        self._live = Live(console=Console(stderr=True), refresh_per_second=REFRESHES_PER_SECOND, transient=True)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, line: str) -> None:
        from rich.text import Text  # noqa: PLC0415

        if self._live:
            self._live.update(Text(safe(line), no_wrap=True, overflow="ellipsis"))


def meter(*, quiet: bool) -> Meter:
    """Return what shows the line on this command line."""
    return Drawn() if not quiet and is_terminal(sys.stderr) else Meter()
