"""What a rewind leaves undone, as rows of a table and as JSON."""

from collections.abc import Iterable
from typing import Protocol

from fsm.render.table import Column, Table

COLUMNS = (
    Column("STATE", least=8),
    Column("ACTION", least=8, spare=2),
    Column("VISIT", spare=3),
    Column("RESULT"),
    Column("KEY", least=12, spare=1),
)


class Told(Protocol):
    """What is shown of a visit; see `fsm.operations.effects.Effect`."""

    @property
    def state(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def visit(self) -> int: ...
    @property
    def key(self) -> str | None: ...
    @property
    def result(self) -> str: ...


def listed(effects: Iterable[Told], room: int | None, *, colour: bool = False) -> str:
    """Return effects as a table.

    Args:
        effects: in the order to show them.
        room: columns of the terminal, or None for as many as it takes.
        colour: whether to use ANSI colours.
    """
    rows = [(one.state, one.action, str(one.visit), one.result, one.key or "no value") for one in effects]
    return "\n".join(Table(COLUMNS, room).head(rows, colour=colour))


def fields(effect: Told) -> dict[str, str | int | None]:
    """Return an effect as JSON."""
    return {"state": effect.state, "action": effect.action, "visit": effect.visit, "key": effect.key,
            "result": effect.result}  # fmt: skip
