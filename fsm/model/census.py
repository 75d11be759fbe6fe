"""What there is in a store and what happened in it lately, in numbers. Instants are UTC milliseconds."""

from typing import Literal, NamedTuple

from fsm.model.run import FINAL, Status


class Count(NamedTuple):
    """How many runs of one version of a workflow are in a state with a status; `paused` of them are held back."""

    workflow: str
    version: int
    state: str
    status: Status
    runs: int
    paused: int = 0


class Stuck(NamedTuple):
    """A run that could go on, and that nobody drives.

    Attributes:
        why: its instant is past, it is ready for long, or whoever held it died or lost it.
        since: when it became so: its instant, or its last transition.
    """

    run_id: str
    workflow: str
    version: int
    state: str
    status: Status
    why: Literal["due", "ready", "left behind"]
    since: int


class Crew(NamedTuple):
    """A process that drives runs, or died with some.

    Attributes:
        at: when it began to.
        runs: how many it holds.
        expires_at: until when its claims hold without another sign; None for as long as it lives.
        lives: whether it shows its sign of life.
    """

    worker: int
    host: str
    pid: int
    at: int
    runs: int
    expires_at: int | None
    lives: bool


class Present(NamedTuple):
    """What there is now.

    Attributes:
        counts: of live and dead runs; those that ended well or badly are too many to count.
        stuck: the longest first, as many as were asked for; `stuck_runs` is how many there are.
        ready_since: the last transition of the oldest ready run that nothing holds back, or None.
        due_at: the next instant at which a waiting run goes on, or the oldest past one; None for none.
        last: the number of the newest row of the ledger, of all runs; it grows by one with each.
    """

    counts: tuple[Count, ...]
    stuck: tuple[Stuck, ...]
    stuck_runs: int
    crew: tuple[Crew, ...]
    ready_since: int | None
    due_at: int | None
    last: int


class Crossed(NamedTuple):
    """How often an edge was crossed, or an operator moved a run."""

    workflow: str
    version: int
    source: str
    event: str
    target: str
    status: Status
    times: int


class Trouble(NamedTuple):
    """How often an error was retried in a state, or led out of it. `error` is the class that was raised."""

    workflow: str
    state: str
    kind: Literal["retry", "error"]
    error: str
    times: int


class Stay(NamedTuple):
    """How long visits of a state lasted, from the entry, or the latest redrive, to the edge that left it."""

    workflow: str
    state: str
    visits: int
    p50_ms: int
    p95_ms: int
    p99_ms: int


class Deaths(NamedTuple):
    """How many runs came to a dead letter, and how many left one, from an instant until the next."""

    at: int
    entered: int
    left: int


class Lately(NamedTuple):
    """What happened in a window of the ledger.

    Attributes:
        since: when it begins.
        rows: how many rows it has.
        is_cut: it begins later than was asked for, since more rows than that were too many.
        crossed: every edge and move, summed up.
        ended: runs that ended in the window and stand where they ended then.
    """

    since: int
    rows: int
    is_cut: bool
    crossed: tuple[Crossed, ...]
    ended: tuple[Count, ...]
    troubles: tuple[Trouble, ...]
    stays: tuple[Stay, ...]
    deaths: tuple[Deaths, ...]

    @property
    def transitions(self) -> int:
        """How many rows of the ledger were written."""
        return sum(edge.times for edge in self.crossed)

    @property
    def begun(self) -> int:
        """How many runs were started, forks among them."""
        return sum(edge.times for edge in self.crossed if edge.event in ("start", "fork"))

    @property
    def finished(self) -> int:
        """How often a run came to an end, of whatever kind; one that was redriven may come to several."""
        return sum(edge.times for edge in self.crossed if edge.status in FINAL and edge.event != "migrate")
