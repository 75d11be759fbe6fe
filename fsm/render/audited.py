"""What an audit found, as a table and as JSON."""

from collections.abc import Iterable
from typing import Protocol

from fsm.render.table import Column, Table

COLUMNS = (
    Column("RUN"),
    Column("SEQ"),
    Column("TABLE"),
    Column("NAME", least=6, spare=1),
    Column("WHAT IS WRONG", least=20),
)


class Found(Protocol):
    """What is shown of an altered row; see `fsm.operations.audit.Altered`."""

    @property
    def run(self) -> str | None: ...
    @property
    def table(self) -> str: ...
    @property
    def seq(self) -> int | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def said(self) -> str: ...


def listed(altered: Iterable[Found], room: int | None, *, colour: bool = False) -> str:
    """Return altered rows as a table, one line for each row of the store.

    Args:
        altered: in the order to show them.
        room: columns of the terminal, or None for as many as it takes.
        colour: whether to use ANSI colours.
    """
    rows = [
        (one.run or "-", "-" if one.seq is None else str(one.seq), one.table, one.name or "-", one.said)
        for one in altered
    ]
    return "\n".join(Table(COLUMNS, room).head(rows, colour=colour))


def fields(one: Found) -> dict[str, str | int | None]:
    """Return an altered row as JSON."""
    return {"run": one.run, "seq": one.seq, "table": one.table, "name": one.name,
            "what": one.said}  # fmt: skip


def summary(runs: int, transitions: int, altered: int) -> str:
    """Return in one line what was looked at and how much was found."""
    looked = f"{runs:,} run{'' if runs == 1 else 's'} with {transitions:,} transition{'' if transitions == 1 else 's'}"
    return f"{looked}: " + (f"{altered:,} row{'' if altered == 1 else 's'} altered" if altered else "nothing altered")
