"""Pauses as people and programs read them."""

from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

from fsm.model.pause import PastPause, Pause
from fsm.render.instants import local, utc
from fsm.render.table import Column, Table

COLUMNS = (
    Column("WORKFLOW", least=8),
    Column("STATE", least=8),
    Column("IN FLIGHT", spare=3),
    Column("SINCE", spare=2),
    Column("UNTIL", spare=4),
    Column("BY", least=6, spare=1),
    Column("REASON", least=12),
)


def listed(
    pauses: Iterable[Pause], past: Iterable[PastPause], room: int | None, zone: tzinfo | None, *, colour: bool = False
) -> str:
    """Return pauses as a table, those that are over below those that hold.

    Args:
        room: columns of the terminal, or None for as many as it takes.
        zone: of the times shown; None is the machine's own.
    """
    rows = [_cells(pause, "", zone) for pause in pauses]
    rows += [_cells(over.pause, local(over.ended_at, zone), zone) for over in past]
    return "\n".join(Table(COLUMNS, room).head(rows, colour=colour))


def _cells(pause: Pause, until: str, zone: tzinfo | None) -> tuple[str, ...]:
    in_flight = "cancelled" if pause.stops_actions else "ends"
    return (
        pause.workflow or "all", pause.state or "all", in_flight, local(pause.at, zone), until, pause.actor or "",
        pause.reason or "",
    )  # fmt: skip


def told(pause: Pause, zone: tzinfo | None) -> str:
    """Return in one line who paused what, and why."""
    said = "paused" + (f" by {pause.actor}" if pause.actor else "") + (f": {pause.reason}" if pause.reason else "")
    return f"{said} ({pause.subject}, since {local(pause.at, zone)})"


def fields(pause: Pause, over: PastPause | None = None) -> dict[str, Any]:
    """Return a pause as JSON, with its end where it is over; instants are RFC 3339 in UTC."""
    found = {
        "workflow": pause.workflow or None,
        "state": pause.state or None,
        "stops_actions": pause.stops_actions,
        "actor": pause.actor,
        "reason": pause.reason,
        "at": utc(pause.at),
    }
    if over is not None:
        found |= {"ended_at": utc(over.ended_at), "ended_actor": over.actor, "ended_reason": over.reason}
    return found
