"""How far a run is, while it is driven: a line for each transition, or a few lines that are drawn over and over."""

from collections import deque
from dataclasses import dataclass, field
from datetime import tzinfo

from fsm.model.run import Run, Transition
from fsm.render.history import told
from fsm.render.instants import lasting, time_of_day
from fsm.render.terminal import safe

LAST_EDGES = 5


def crossing(row: Transition, zone: tzinfo | None, *, run_id: str | None = None) -> str:
    """Return a transition as one line: `12:01:03 fetch --success--> ocr`.

    Args:
        row: of the ledger.
        zone: of the time shown; None is the machine's own.
        run_id: of its run, where several are told of together.
    """
    parts = [time_of_day(row.at, zone)]
    parts += [run_id] if run_id else []
    parts += [row.source] if row.source else []
    parts += [f"--{row.event}-->", row.target]
    more = told(row)
    return safe(" ".join(parts) + (f" ({more})" if more else ""))


@dataclass
class Trail:
    """What a live display shows of the run that moved last.

    Attributes:
        run: as of its last transition; None before the first.
        crossed: transitions seen, of all runs.
        last: the newest ones, oldest first.
    """

    run: Run | None = None
    crossed: int = 0
    last: deque[Transition] = field(default_factory=lambda: deque(maxlen=LAST_EDGES))

    def add(self, run: Run, row: Transition) -> None:
        """Take a transition in."""
        if self.run is not None and self.run.id != run.id:
            self.last.clear()
        self.run = run
        self.crossed += 1
        self.last.append(row)

    def lines(self, elapsed_ms: int, zone: tzinfo | None) -> list[str]:
        """Return the display's lines: where the run is first, then the edges that led there."""
        if self.run is None:
            return ["starting …"]
        run = self.run
        attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
        count = f"{self.crossed} transition{'' if self.crossed == 1 else 's'}"
        return [
            safe(f"{run.workflow}@{run.version}  {run.id}"),
            safe(f"in {run.state}{attempt} · {run.status} · {lasting(elapsed_ms)} · {count}"),
            *(f"  {crossing(row, zone)}" for row in self.last),
        ]
