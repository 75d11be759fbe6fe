"""Runs as rows of a table and as JSON, and what each of them waits for."""

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Any

from fsm.model.pause import Pause, covering
from fsm.model.run import PERSON, Run
from fsm.render.instants import ago, local, utc
from fsm.render.table import Column, Table

COLUMNS = (
    Column("ID"),
    Column("WORKFLOW", least=8, spare=2),
    Column("STATE", least=8, spare=1),
    Column("STATUS"),
    Column("KEY", least=6, spare=4),
    Column("TRY", spare=6),
    Column("UPDATED", spare=5),
    Column("WAITS FOR", least=12, spare=3),
)


def listed(
    runs: Iterable[Run], now_ms: int, room: int | None, zone: tzinfo | None, *, colour: bool = False,
    pauses: Sequence[Pause] = (),
) -> str:  # fmt: skip
    """Return runs as a table.

    Args:
        runs: in the order to show them.
        now_ms: UTC milliseconds; ages are counted from it.
        room: columns of the terminal, or None for as many as it takes.
        zone: of the times shown; None is the machine's own.
        colour: whether to use ANSI colours.
        pauses: what is paused; a run that one covers says so.
    """
    rows = [
        (run.id, f"{run.workflow}@{run.version}", run.state, run.status, run.key or "", str(run.attempt),
         ago(run.updated_at, now_ms), waits_for(run, zone, pauses))
        for run in runs
    ]  # fmt: skip
    return "\n".join(Table(COLUMNS, room).head(rows, colour=colour))


def waits_for(run: Run, zone: tzinfo | None, pauses: Sequence[Pause] = ()) -> str:
    """Return what would move a run on, in few words; empty for one that moves or is done."""
    if covering(pauses, run):
        then = "" if run.status == "ready" else waits_for(run, zone)
        return "unpause" + (f", then {then}" if then else "")
    due = "" if run.due_at is None else local(run.due_at, zone)
    if run.status == "ready":
        return "resume"
    if run.status == "dead":
        return "a person: redrive or complete"
    if run.status != "waiting":
        return ""
    if run.awaits == PERSON:
        return "a person: complete or redrive" + (f", until {due}" if due else "")
    if run.awaits:
        return f"signal {' or '.join(run.awaits)}" + (f", until {due}" if due else "")
    return f"retry at {due}" if run.attempt > 1 else due


def fields(run: Run, zone: tzinfo | None = None, pauses: Sequence[Pause] = ()) -> dict[str, Any]:
    """Return a run as JSON; instants are RFC 3339 in UTC.

    Args:
        run: as it stands now.
        zone: of the times in `waits_for`, which is for people.
        pauses: what is paused.
    """
    return {
        "id": run.id,
        "workflow": run.workflow,
        "version": run.version,
        "digest": run.digest,
        "key": run.key,
        "forked_from": run.forked_from,
        "priority": run.priority,
        "state": run.state,
        "status": run.status,
        "seq": run.seq,
        "visit": run.visit,
        "attempt": run.attempt,
        "crashes": run.crashes,
        "interrupted": run.interrupted,
        "due_at": utc(run.due_at),
        "awaits": list(run.awaits),
        "waits_for": waits_for(run, zone, pauses) or None,
        "started_at": utc(run.started_at),
        "entered_at": utc(run.entered_at),
        "updated_at": utc(run.updated_at),
        "output": run.output,
        "reason": run.reason,
    }
