"""Why a run is where it is: what the store knows of it, and the reasons that follow."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from fsm.model.pause import Pause
from fsm.model.run import Kept, Run, Transition

Kind = Literal[
    "held", "left_behind", "pause", "timer", "retry", "signal", "person", "action", "queue", "suspect", "ended",
    "unreadable", "nothing",
]  # fmt: skip
"""What keeps a run where it is: whom or what it waits for. `nothing` is a fault of the store."""


class Holder(NamedTuple):
    """Who claimed a run.

    Attributes:
        worker: the number that the store gave it.
        started_at: when it began to work on the store.
        expires_at: when its lease is over unless it gives a sign of life; None for as long as its process lives.
        is_alive: whether it still drives the run.
    """

    worker: int
    host: str
    pid: int
    started_at: int
    expires_at: int | None
    is_alive: bool


class Standing(NamedTuple):
    """A run, and everything that the store knows about why it is where it is, as of one moment.

    Attributes:
        holder: who claimed it, if it is `running`.
        pauses: those that cover it.
        kept: signals in its inbox that are neither consumed nor refused.
        last: the last row of its ledger; one without is broken.
        failure: the error row behind it; None where there is none.
        beat_at: the last heartbeat of this visit.
        ahead: how many runs of its workflow that are ready, or due, are taken before it.
        suspects: how many other runs wait to be driven alone; a worker takes nothing else meanwhile.
        workers: how many live workers take up runs by themselves.
    """

    run: Run
    holder: Holder | None
    pauses: tuple[Pause, ...]
    kept: tuple[Kept, ...]
    last: Transition | None
    failure: Transition | None
    beat_at: int | None
    ahead: int
    suspects: int
    workers: int


class Cure(NamedTuple):
    """Commands, one after another, that move a run on, each as its words; and what they do."""

    does: str
    commands: tuple[tuple[str, ...], ...]


class Reason(NamedTuple):
    """One thing that a run waits for, or that keeps it from moving; all of its reasons have to pass.

    Attributes:
        facts: by name, JSON; those that end in `_at` are UTC milliseconds, in `_ms` durations.
        cures: what would move it, the likeliest first; empty where time or its process does.
    """

    kind: Kind
    facts: Mapping[str, Any]
    cures: tuple[Cure, ...] = ()
