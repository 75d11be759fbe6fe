"""What a store answers with, and how much it reads or deletes at once."""

from typing import NamedTuple

from fsm.model.run import Artifact, Run, Status, Transition

ROWS_STORED_MAX = 500
"""How many rows of a ledger are read at once; a read that lasts keeps a checkpoint waiting."""

ROWS_DELETED_MAX = 1_000
"""How much one transaction deletes by default; other writers wait no longer than that takes."""


class Written(NamedTuple):
    """One row of a run's ledger with the artifacts it wrote, as JSON text; None for a name taken back or pruned."""

    transition: Transition
    artifacts: tuple[Artifact, ...]


class Dropped(NamedTuple):
    """What is left of a run that was dropped: who did it, when and why. `run_id` is empty before it is stored."""

    at: int
    actor: str | None
    reason: str | None
    run_id: str = ""


class Aged(NamedTuple):
    """As much of a run as tells whether it has grown too old.

    Attributes:
        row: the store's own number for it.
        idle_since: its last transition, or the end of a pause that held it back.
        resting: it is ready, or waits for somebody with no instant at which it goes on by itself.
        paused: an operator holds it where it is.
    """

    id: str
    row: int
    workflow: str
    state: str
    status: Status
    seq: int
    started_at: int
    updated_at: int
    idle_since: int
    resting: bool
    paused: bool


class Deleted(NamedTuple):
    """What one transaction deleted: runs, and rows in all. `is_whole` says that nothing is left to a later one."""

    ids: tuple[str, ...]
    rows: int
    is_whole: bool


class Claimed(NamedTuple):
    """What a worker was given to drive.

    Attributes:
        runs: claimed; the worker drives them.
        suspects: whether runs that crashed their process before wait for a worker that drives nothing else.
        last: the workflow that was served last, from where the next turn goes on.
    """

    runs: list[Run]
    suspects: bool
    last: str
