"""A run, what may happen to it, and what one transaction commits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Status = Literal["ready", "running", "waiting", "succeeded", "failed", "dead", "cancelled"]

LIVE: frozenset[Status] = frozenset({"ready", "running", "waiting"})
FINAL: frozenset[Status] = frozenset({"succeeded", "failed", "dead", "cancelled"})

PERSON = ("complete", "redrive")
"""What a run that waits for a person awaits: the operator moves that answer it."""


class Run(NamedTuple):
    """One execution of one workflow, as of its transition `seq`.

    Attributes:
        id: 26 characters, sorts by the instant of the start.
        workflow, version, digest: what it is pinned to.
        key: the caller's name for it, unique per workflow name; or None.
        state: where it is; empty before `start`.
        seq: the number of its last transition, from 1.
        head: hash of that transition; it covers all before it.
        visit: the seq that opened the present stay in `state`.
        entered_at: when that visit, or its latest redrive, began; `deadline` counts from here.
        attempt: of the visit's action, from 1.
        tries: retries taken in this visit, by retry clause.
        visits: entries so far into each state that has `max_visits`.
        due_at: when a waiting run goes on by itself; None for never.
        awaits: the signals, or operator moves, that a waiting run goes on by.
        epoch: the fencing number; grows with every claim.
        crashes: claims of this visit whose predecessor died in mid-action.
        interrupted: an earlier attempt of this visit may have had its effect.
        started_at, updated_at: first and last transition.
        output, reason: what an ended run leaves behind; None otherwise.
        forked_from: the id of the run that it branched off, or None.
        priority: workers take a run of a higher one first, among those of its workflow.
        trace: the trace that it belongs to, as W3C's traceparent has it, or None.
        row: the store's own number for it; 0 before it is stored.

    Instants are UTC in milliseconds since 1970.
    """

    id: str
    workflow: str
    version: int
    digest: str
    key: str | None
    state: str
    status: Status
    seq: int
    head: bytes
    visit: int
    entered_at: int
    attempt: int
    tries: Mapping[str, int]
    visits: Mapping[str, int]
    due_at: int | None
    awaits: tuple[str, ...]
    epoch: int
    crashes: int
    interrupted: bool
    started_at: int
    updated_at: int
    output: Any = None
    reason: str | None = None
    forked_from: str | None = None
    priority: int = 0
    trace: str | None = None
    row: int = 0

    @property
    def is_final(self) -> bool:
        """Whether no edge leads on from here."""
        return self.status in FINAL


class Transition(NamedTuple):
    """One row of the ledger: an edge that was crossed, or an operator move.

    `visit`, `attempt`, `tries`, `due_at` and `awaits` are those of the run afterwards. `visits` is set where it
    changed: on entry into a state with `max_visits`. `interrupted` says that what went before this row may have had
    its effect all the same: for a retry the attempt that it closes, for an error any attempt of the visit that it
    leaves, and a redrive hands that on. `of_seq` is the earlier row that an operator move refers to.
    """

    seq: int
    epoch: int
    source: str
    event: str
    target: str
    status: Status
    visit: int
    attempt: int
    tries: Mapping[str, int]
    visits: Mapping[str, int] | None
    due_at: int | None
    awaits: tuple[str, ...]
    interrupted: bool
    of_seq: int | None
    at: int
    actor: str | None
    detail: Mapping[str, Any] | None
    hash: bytes = b""


class Artifact(NamedTuple):
    """A named JSON value that a transition wrote.

    `value` is its JSON text. It is None where a rewind takes the name back to before it was written, which leaves it
    unwritten again, and in a ledger also where the value was pruned.
    """

    name: str
    value: str | None


class Moment(NamedTuple):
    """What a run was right after one of its transitions.

    Attributes:
        transition: that row of the ledger.
        digest: of the workflow that the run was pinned to.
        version: of that workflow.
        visits: entries so far into each state with `max_visits`.
        written: for every name written so far the digest of its newest value; None where that was taken back.
    """

    transition: Transition
    digest: str
    version: int
    visits: Mapping[str, int]
    written: Mapping[str, bytes | None]


class Kept(NamedTuple):
    """A signal in the inbox; `id` is 0 for one that is not stored yet."""

    id: int
    name: str
    actor: str | None
    payload: Any
    at: int
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in an attempt, as data.

    Attributes:
        name: the class that was raised, or the engine's verdict.
        names: every name it answers to: the classes of its MRO and its classification.
        verdict: concluded by the engine, so `Exception` does not match it.
        interrupted: whether the attempt took effect is unknown.
        retry_after_ms: the wait that the other side asked for.
        value: what the error carries for its edge, JSON.
    """

    name: str
    message: str
    names: frozenset[str] = frozenset()
    verdict: bool = False
    interrupted: bool = False
    retry_after_ms: int | None = None
    value: Any = None
    traceback: str | None = None

    @classmethod
    def of_verdict(cls, name: str, message: str, *, value: Any = None, interrupted: bool = False) -> "Failure":
        return cls(name, message, frozenset({name}), verdict=True, value=value, interrupted=interrupted)


class Succeeded(NamedTuple):
    """The action returned: its outcome, and its value as JSON text."""

    outcome: str
    value: str


class Failed(NamedTuple):
    """The attempt failed."""

    failure: Failure


class Chose(NamedTuple):
    """A switch chose its rule `place` (from 1), or `else` when None."""

    place: int | None


class Elapsed(NamedTuple):
    """A wait is over."""


class Received(NamedTuple):
    """A signal arrived; `ids` are the inbox rows it consumes, `payload` is JSON text."""

    name: str
    payload: str
    ids: tuple[int, ...]
    actor: str | None


class Rest(NamedTuple):
    """Nothing to do until `due_at`, one of `awaits`, or both; signals up to id `seen` were looked at."""

    due_at: int | None
    awaits: tuple[str, ...] = ()
    seen: int = 0
    refused: tuple[int, ...] = ()


Result = Succeeded | Failed | Chose | Elapsed | Received | Rest


class Decision(NamedTuple):
    """What one transaction commits, whole.

    Attributes:
        run: as it will be.
        transition: the ledger row; None when the run only comes to rest.
        artifacts: what the transition writes.
        signals: inbox rows that it consumes.
        fresh: a signal that was not in the inbox before; it is stored as consumed.
        refused: inbox rows that were looked at and cannot be taken here.
        seen: signals up to this id are known; a later one keeps the run from resting.
        takes: an operator's move: it takes the run from whoever holds it, by an epoch of its own.
    """

    run: Run
    transition: Transition | None
    artifacts: tuple[Artifact, ...] = ()
    signals: tuple[int, ...] = ()
    fresh: Kept | None = None
    refused: tuple[int, ...] = ()
    seen: int = 0
    takes: bool = False
