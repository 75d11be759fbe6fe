"""Between rows and nouns."""

import json
from collections.abc import Mapping
from typing import Any

from fsm.model.run import Run, Transition

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

RUN_COLUMNS = (
    "id, uid, workflow_id, name, key, state, status, seq, head, visit, entered_at, attempt, tries, visits, due_at, "
    "awaits, epoch, crashes, interrupted, started_at, updated_at, forked_from, "
    "priority, trace"
)
TRANSITION_COLUMNS = (
    "seq, epoch, source, event, target, status, visit, attempt, tries, visits, due_at, awaits, interrupted, of_seq, "
    "at, actor, detail, hash"
)


def run_of(row: tuple[Any, ...], pinned: Mapping[int, tuple[int, str]]) -> Run:
    """Return the run of a row of RUN_COLUMNS; `pinned` gives version and digest by workflow id."""
    (number, uid, workflow_id, name, key, state, status, seq, head, visit, entered_at, attempt, tries, visits, due_at,
     awaits, epoch, crashes, interrupted, started_at, updated_at, forked_from, priority, trace) = row  # fmt: skip
    version, digest = pinned[workflow_id]
    return Run(
        id=uid, workflow=name, version=version, digest=digest, key=key, state=state, status=status, seq=seq, head=head,
        visit=visit, entered_at=entered_at, attempt=attempt, tries=_read(tries) or {}, visits=_read(visits) or {},
        due_at=due_at, awaits=tuple(_read(awaits) or ()), epoch=epoch, crashes=crashes, interrupted=bool(interrupted),
        started_at=started_at, updated_at=updated_at, forked_from=forked_from, priority=priority, trace=trace,
        row=number,
    )  # fmt: skip


def transition_of(row: tuple[Any, ...]) -> Transition:
    """Return the transition of a row of TRANSITION_COLUMNS."""
    (seq, epoch, source, event, target, status, visit, attempt, tries, visits, due_at, awaits, interrupted, of_seq, at,
     actor, detail, link) = row  # fmt: skip
    return Transition(
        seq=seq, epoch=epoch, source=source, event=event, target=target, status=status, visit=visit, attempt=attempt,
        tries=_read(tries) or {}, visits=_read(visits), due_at=due_at, awaits=tuple(_read(awaits) or ()),
        interrupted=bool(interrupted), of_seq=of_seq, at=at, actor=actor, detail=_read(detail), hash=link,
    )  # fmt: skip


def columns_of(row: Transition) -> tuple[str | int | None, ...]:
    """Return a ledger row as it is stored: TRANSITION_COLUMNS without the hash."""
    return (
        row.seq, row.epoch, row.source, row.event, row.target, row.status, row.visit, row.attempt, _counts(row.tries),
        None if row.visits is None else _counts(row.visits) or "{}",  # says that a rewind went back to no visits
        row.due_at, _text(row.awaits), int(row.interrupted), row.of_seq, row.at,
        row.actor and str.__str__(row.actor),  # of an Enum that is text: the text, as it is stored
        _text(row.detail),
    )  # fmt: skip


def _read(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _counts(counts: Mapping[str, int]) -> str | None:
    """Return numbers by name as JSON, or None for no names; names of a definition need no escapes."""
    return "{" + ",".join([f'"{name}":{count}' for name, count in counts.items()]) + "}" if counts else None


def _text(value: Any) -> str | None:
    return _encode(value) if value else None
