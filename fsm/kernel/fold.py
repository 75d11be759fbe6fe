"""The ledger alone tells what a run is: fold its rows, from the first to the last.

Between two rows a run is claimed, let go and laid to rest, which no row tells. So what the ledger gives is the run as
its last transition left it; `differences` knows what may have become of that since.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fsm.model.run import FINAL, LIVE, Artifact, Run, Status, Transition


class Folded(NamedTuple):
    """A run as its ledger has it; the attributes are those of `Run`, as the transition `seq` left them.

    Attributes:
        event: of that transition.
        head: its hash.
        values: the newest value of each name, JSON text.
    """

    event: str
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
    interrupted: bool
    epoch: int
    updated_at: int
    output: Any
    reason: str | None
    values: Mapping[str, str]


class Difference(NamedTuple):
    """Something that the ledger and the row tell differently.

    Attributes:
        field: of `Run`, or `values.` and the name of a value.
        ledger, row: what each says; None where it says nothing.
    """

    field: str
    ledger: Any
    row: Any


def unborn(inputs: Mapping[str, str]) -> Folded:
    """Return a run before its first transition."""
    return Folded(
        event="", state="", status="ready", seq=0, head=b"", visit=0, entered_at=0, attempt=1, tries={}, visits={},
        due_at=None, awaits=(), interrupted=False, epoch=0, updated_at=0, output=None, reason=None, values=dict(inputs),
    )  # fmt: skip


def fold(inputs: Mapping[str, str], rows: Iterable[tuple[Transition, Iterable[Artifact]]]) -> Folded:
    """Return a run as the rows of its ledger make it.

    Args:
        inputs: what it was started with, JSON texts.
        rows: from its first transition on, each with what it wrote.
    """
    folded = unborn(inputs)
    for row, written in rows:
        folded = step(folded, row, written)
    return folded


def step(before: Folded, row: Transition, written: Iterable[Artifact]) -> Folded:
    """Return a run as one more transition leaves it."""
    detail = row.detail if row.detail and row.status in FINAL else {}
    return Folded(
        event=row.event, state=row.target, status=row.status, seq=row.seq, head=row.hash, visit=row.visit,
        entered_at=_entered_at(before, row), attempt=row.attempt, tries=row.tries,
        visits=before.visits if row.visits is None else row.visits, due_at=row.due_at, awaits=row.awaits,
        interrupted=_interrupted(before, row), epoch=row.epoch, updated_at=row.at, output=detail.get("output"),
        reason=detail.get("reason"), values=_values(before, written),
    )  # fmt: skip


def _values(before: Folded, written: Iterable[Artifact]) -> Mapping[str, str]:
    """Return the newest value of each name: one without a value takes its name back."""
    newest: dict[str, str | None] = {artifact.name: artifact.value for artifact in written}
    if not newest:
        return before.values
    return {name: text for name, text in {**before.values, **newest}.items() if text is not None}


def _entered_at(before: Folded, row: Transition) -> int:
    return before.entered_at if row.visit == before.visit and row.event != "redrive" else row.at


def _interrupted(before: Folded, row: Transition) -> bool:
    """Return whether an attempt of the visit that the run is in now may have had its effect."""
    if row.event == "redrive":
        return row.interrupted
    if row.event == "fault":
        return before.interrupted
    stays = row.visit == before.visit and (row.event.startswith("retry:") or row.event == "migrate")
    return stays and (before.interrupted or row.interrupted)


def differences(folded: Folded, run: Run, values: Mapping[str, str]) -> list[Difference]:
    """Return what a run's row and its newest values say otherwise than its ledger; nothing where all is well.

    Args:
        run: as its row has it.
        values: the newest value of each name, JSON text.
    """
    found = [
        Difference(field, ledger, row)
        for field, ledger, row in (
            (field, getattr(folded, field), getattr(run, field)) for field in _compared(folded, run)
        )
        if ledger != row
    ]
    if not _may_follow(folded, run):
        found.append(Difference("status", folded.status, run.status))
    if run.epoch < folded.epoch:
        found.append(Difference("epoch", folded.epoch, run.epoch))
    names = sorted({*folded.values, *values})
    return found + [
        Difference(f"values.{name}", folded.values.get(name), values.get(name))
        for name in names
        if folded.values.get(name) != values.get(name)
    ]


_ALWAYS = (
    "state",
    "seq",
    "head",
    "visit",
    "entered_at",
    "attempt",
    "tries",
    "visits",
    "updated_at",
    "output",
    "reason",
)
"""What only a transition changes."""


def _compared(folded: Folded, run: Run) -> tuple[str, ...]:
    """Return the fields that have to be as the last transition left them."""
    if not _rests(folded, run):
        return _ALWAYS
    # What claims before it found out about earlier attempts of the same visit, a transition inside the visit keeps.
    keeps = folded.event.startswith("retry:") or folded.event in ("migrate", "fault")
    return (*_ALWAYS, "due_at", "awaits", *(() if keeps else ("interrupted",)))


def _rests(folded: Folded, run: Run) -> bool:
    """Return whether a run was left at rest by its last transition and has not been claimed since."""
    return folded.status in FINAL or (folded.status != "running" and run.epoch == folded.epoch)


def _may_follow(folded: Folded, run: Run) -> bool:
    """Return whether a run may have the status that it has: one that waits may have been woken, or claimed since."""
    if folded.status in FINAL or run.status in FINAL:
        return run.status == folded.status
    if not _rests(folded, run) or run.status == folded.status:
        return run.status in LIVE
    return (folded.status, run.status) == ("waiting", "ready")
