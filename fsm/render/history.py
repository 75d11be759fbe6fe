"""A ledger as rows of a table and as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from fsm.model.run import Artifact, Transition
from fsm.render.instants import lasting, local, utc
from fsm.render.table import Column, Table, filled
from fsm.render.terminal import safe

COLUMNS = (
    Column("SEQ"),
    Column("TIME", spare=4),
    Column("SOURCE", least=8, spare=2),
    Column("EVENT", least=10),
    Column("TARGET", least=8),
    Column("STATUS", spare=3),
    Column("TRY", spare=5),
    Column("DETAIL", least=12, spare=1),
)
_INDENT = "    "
_GIVEN = "    given "
_READ = "    read "

Told = tuple[Transition, Mapping[str, str] | None, Iterable[Artifact]]
"""A transition, what was read before it (None where nobody reads), and what it wrote; JSON texts."""


class Ledger:
    """A ledger as text, page by page, so that a long one is never in memory whole.

    Args:
        room: columns of the terminal, or None for as many as it takes.
        zone: of the times shown; None is the machine's own.
    """

    def __init__(self, room: int | None, zone: tzinfo | None, *, colour: bool = False) -> None:
        self._table = Table(COLUMNS, room)
        self._room = room
        self._zone = zone
        self._colour = colour
        self._is_begun = False

    def page(self, rows: Sequence[Told]) -> str:
        """Return more rows, each followed by what was read and written; the first page has the titles."""
        cells = [_cells(row, self._zone) for row, _, _ in rows]
        table = self._table
        lines = table.lines(cells) if self._is_begun else table.head(cells, colour=self._colour)
        shown = [] if self._is_begun else [lines.pop(0)]
        self._is_begun = True
        for line, (row, read, written) in zip(lines, rows, strict=True):
            lead = _GIVEN if row.seq == 1 else _READ
            shown += [line, *(self._value(lead, name, text) for name, text in (read or {}).items())]
            shown += [self._value(_INDENT, name, text) for name, text in written]
        return "\n".join(shown)

    def _value(self, lead: str, name: str, text: str | None) -> str:
        said = f"{name} has no value" if text is None else f"{name} = {text[: self._room]}"
        shown = safe(lead + said)
        return shown if self._room is None else filled(shown, self._room).rstrip()


def _cells(row: Transition, zone: tzinfo | None) -> tuple[str, ...]:
    return (
        str(row.seq), local(row.at, zone), row.source, row.event, row.target, row.status, str(row.attempt),
        told(row),
    )  # fmt: skip


def told(row: Transition) -> str:
    """Return in one line what else there is to say about a transition."""
    detail = row.detail or {}
    parts = []
    if "class" in detail:
        parts.append(f"{detail['class']}: {detail['message']}")
    elif row.event == "migrate":  # what ended the run before is no news of this row
        parts += [f"version {detail['from']['version']} → {detail['to']['version']}", detail.get("because", "")]
    elif said := detail.get("because") or detail.get("reason"):
        parts.append(str(said))
    if changed := detail.get("set"):
        parts.append(f"sets {', '.join(changed)}")
    if row.interrupted:
        parts.append("effect unknown")
    if row.actor:
        parts.append(f"by {row.actor}")
    if row.event == "fork":
        parts.append(f"of {detail.get('run')} at {row.of_seq}")
    elif row.of_seq:
        parts.append(f"of {row.of_seq}")
    if row.due_at is not None and row.event.startswith("retry:"):
        parts.append(f"again in {lasting(max(row.due_at - row.at, 0))}")
    return "; ".join(" ".join(part.split()) for part in parts if part)


def fields(
    row: Transition, read: Mapping[str, str] | None = None, written: Iterable[Artifact] | None = None
) -> dict[str, Any]:
    """Return a transition as JSON; instants are RFC 3339 in UTC.

    Args:
        row: of the ledger.
        read: what was read before it: for the first one the inputs; None leaves it out.
        written: the artifacts it wrote; None leaves them out. Names without a value, which a rewind took back or
            which were pruned, are listed apart.
    """
    found: dict[str, Any] = {
        "seq": row.seq,
        "at": utc(row.at),
        "source": row.source or None,
        "event": row.event,
        "target": row.target,
        "status": row.status,
        "visit": row.visit,
        "attempt": row.attempt,
        "epoch": row.epoch,
        "due_at": utc(row.due_at),
        "awaits": list(row.awaits),
        "interrupted": row.interrupted,
        "of_seq": row.of_seq,
        "actor": row.actor,
        "detail": row.detail,
        "hash": row.hash.hex(),
    }
    if read is not None:
        found["input" if row.seq == 1 else "read"] = {name: json.loads(text) for name, text in read.items()}
    if written is not None:
        artifacts = list(written)
        found["artifacts"] = {name: json.loads(text) for name, text in artifacts if text is not None}
        found["unwritten"] = [name for name, text in artifacts if text is None]
    return found
