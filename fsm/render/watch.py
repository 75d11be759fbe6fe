"""One look at what there is in a store, as lines of a display and as JSON."""

from datetime import tzinfo
from typing import Any

from fsm.model.census import Crew, Present
from fsm.render.instants import ago, lasting, time_of_day, utc
from fsm.render.stats import run_cells, run_columns
from fsm.render.table import Column, Table
from fsm.render.terminal import safe

_CREW = (Column("HOST", least=6), Column("PID"), Column("RUNS"), Column("SINCE", spare=1), Column("LEASE"))


def lines(
    store: str, present: Present, at: int, edges_per_s: float | None, room: int | None, zone: tzinfo | None, *,
    colour: bool = False,
) -> list[str]:  # fmt: skip
    """Return the display: how fast it moves, what comes next, the runs, and who drives them.

    Args:
        store: what to call it.
        at: when this was looked at, UTC milliseconds.
        edges_per_s: transitions since the look before, or None.
        room: columns of the terminal, or None for as many as it takes.
        zone: of the time shown; None is the machine's own.
    """
    speed = "" if edges_per_s is None else f" · {edges_per_s:,.1f} edges/s"
    shown = [safe(f"{store} · {time_of_day(at, zone)}{speed}"), safe(" · ".join(_facts(present, at))), ""]
    if present.counts:
        shown += Table(run_columns(present.counts), room).head(run_cells(present.counts), colour=colour)
    else:
        shown.append("no live and no dead runs")
    shown.append("")
    if present.crew:
        shown += Table(_CREW, room).head([_crew(one, at) for one in present.crew], colour=colour)
    else:
        shown.append("no process drives runs")
    return shown


def fields(present: Present, at: int, edges_per_s: float | None) -> dict[str, Any]:
    """Return one look as JSON; instants are RFC 3339 in UTC."""
    return {
        "at": utc(at),
        "edges_per_second": None if edges_per_s is None else round(edges_per_s, 3),
        "runs": [count._asdict() for count in present.counts],
        "ready_since": utc(present.ready_since),
        "due_at": utc(present.due_at),
        "dead": _dead(present),
        "stuck": present.stuck_runs,
        "workers": [{**one._asdict(), "at": utc(one.at), "expires_at": utc(one.expires_at)} for one in present.crew],
    }


def _facts(present: Present, at: int) -> list[str]:
    oldest = "none" if present.ready_since is None else ago(present.ready_since, at)
    return [
        f"oldest ready: {oldest}",
        f"due next: {_until(present.due_at, at)}",
        f"dead letters: {_dead(present):,}",
        f"stuck: {present.stuck_runs:,}",
    ]


def _until(instant: int | None, at: int) -> str:
    if instant is None:
        return "nothing"
    return f"in {lasting(instant - at)}" if instant > at else f"{lasting(at - instant)} late"


def _crew(one: Crew, at: int) -> tuple[str, ...]:
    if not one.lives:
        lease = "dead"
    elif one.expires_at is None:
        lease = "while it lives"
    else:
        lease = (
            f"{lasting(one.expires_at - at)}" if one.expires_at > at else f"over since {lasting(at - one.expires_at)}"
        )
    return one.host, str(one.pid), f"{one.runs:,}", ago(one.at, at), lease


def _dead(present: Present) -> int:
    return sum(count.runs for count in present.counts if count.status == "dead")
