"""Telling how far runs are while they are driven: live on a terminal, else a line for each transition."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fsm.cli.output import is_terminal, tell
from fsm.model.run import Run, Transition
from fsm.render.progress import Trail, crossing

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

REFRESHES_PER_SECOND = 4


class Silent:
    """Watches without a word.

    Attributes:
        run: the run that moved last, or None.
    """

    def __init__(self) -> None:
        self.run: Run | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def watch(self, run: Run, row: Transition) -> None:
        """Take a transition in that was just committed."""
        del row
        self.run = run


class Lines(Silent):
    """Writes a line on stderr for each transition.

    Args:
        several: whether several runs may move, so that each line must say which.
    """

    def __init__(self, *, several: bool) -> None:
        super().__init__()
        self._several = several

    def watch(self, run: Run, row: Transition) -> None:
        super().watch(run, row)
        tell(crossing(row, None, run_id=run.id if self._several else None))


class Display(Silent):
    """Draws on the terminal behind stderr where the run is and how it got there; leaves nothing behind."""

    def __init__(self) -> None:
        super().__init__()
        self._trail = Trail()
        self._begun_s = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415 - slow, and only where it is drawn
        from rich.live import Live  # noqa: PLC0415

        self._live = Live(
            get_renderable=self._drawn,
            console=Console(stderr=True),
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
        )
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def watch(self, run: Run, row: Transition) -> None:
        super().watch(run, row)
        self._trail.add(run, row)

    def _drawn(self) -> "Text":
        from rich.text import Text  # noqa: PLC0415

        elapsed_ms = int((time.monotonic() - self._begun_s) * 1_000)
        title, *lines = self._trail.lines(elapsed_ms, None)
        drawn = Text(title, style="bold", no_wrap=True, overflow="ellipsis")
        return drawn.append("".join(f"\n{line}" for line in lines), style="not bold")


def progress(*, quiet: bool, several: bool) -> Silent:
    """Return what is to tell of progress on this command line."""
    if quiet:
        return Silent()
    return Display() if is_terminal(sys.stderr) else Lines(several=several)
