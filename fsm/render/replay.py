"""What a ledger makes of a run beside what the run's row says, as a table and as JSON."""

import json
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any

from fsm.kernel.fold import Difference, Folded
from fsm.model.run import Run
from fsm.render.instants import local, utc
from fsm.render.table import Column, Table

_FIELDS = (
    "state", "status", "seq", "visit", "entered_at", "attempt", "tries", "visits", "due_at", "awaits", "interrupted",
    "output", "reason", "head",
)  # fmt: skip
_INSTANTS = ("entered_at", "due_at", "updated_at")
_FIELD = Column("FIELD")
_MARK = "differs"


def compared(
    folded: Folded, run: Run, values: Mapping[str, str], found: Iterable[Difference], room: int | None,
    zone: tzinfo | None, *, colour: bool = False,
) -> str:  # fmt: skip
    """Return both tellings of a run side by side, field by field, then value by value.

    Args:
        folded: the run as its ledger makes it.
        run: as its row has it.
        values: the newest value of each name, JSON texts.
        found: where they differ.
        room: columns of the terminal, or None for as many as it takes.
        zone: of the times shown; None is the machine's own.
        colour: whether to use ANSI colours.
    """
    differing = {one.field for one in found}
    fields = (*_FIELDS, *(name for name in ("updated_at", "epoch") if name in differing))
    told = [(name, _text(name, getattr(folded, name), zone), _text(name, getattr(run, name), zone)) for name in fields]
    names = sorted({*folded.values, *values})
    told += [(f"values.{name}", folded.values.get(name, "-"), values.get(name, "-")) for name in names]
    rows = [(*row, _MARK if row[0] in differing else "") for row in told]
    columns = (_FIELD, Column("LEDGER", least=12), Column("ROW", least=12), Column(""))
    return "\n".join(Table(columns, room).head(rows, colour=colour))


def alone(folded: Folded, room: int | None, zone: tzinfo | None, *, colour: bool = False) -> str:
    """Return what a ledger makes of a run up to one of its transitions."""
    rows = [(name, _text(name, getattr(folded, name), zone)) for name in _FIELDS]
    rows += [(f"values.{name}", text) for name, text in sorted(folded.values.items())]
    return "\n".join(Table((_FIELD, Column("LEDGER", least=12)), room).head(rows, colour=colour))


def differing(
    found: Iterable[tuple[Run, Iterable[Difference]]], room: int | None, zone: tzinfo | None, *, colour: bool = False
) -> str:
    """Return where runs and their ledgers differ, one line for each."""
    columns = (Column("RUN"), _FIELD, Column("LEDGER", least=12), Column("ROW", least=12))
    rows = [(run.id, one.field, _text(one.field, one.ledger, zone), _text(one.field, one.row, zone))
            for run, several in found for one in several]  # fmt: skip
    return "\n".join(Table(columns, room).head(rows, colour=colour))


def fields(told: Folded | Run, values: Mapping[str, str]) -> dict[str, Any]:
    """Return one telling of a run as JSON; instants are RFC 3339 in UTC."""
    found = {name: _plain(name, getattr(told, name)) for name in _FIELDS}
    return found | {"values": {name: json.loads(text) for name, text in sorted(values.items())}}


def difference(one: Difference) -> dict[str, Any]:
    """Return a difference as JSON."""
    return {"field": one.field, "ledger": _plain(one.field, one.ledger), "row": _plain(one.field, one.row)}


def _plain(name: str, value: Any) -> Any:
    if name in _INSTANTS:
        return utc(value)
    if isinstance(value, bytes):
        return value.hex()
    return list(value) if isinstance(value, tuple) else value


def _text(name: str, value: Any, zone: tzinfo | None) -> str:
    if value is None:
        return "-"
    if name in _INSTANTS:
        return local(value, zone)
    plain = _plain(name, value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
