"""What there is in a store and what happened in it lately, as text and as JSON."""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from fsm.model.census import Count, Deaths, Lately, Present, Stay, Stuck, Trouble
from fsm.render.instants import ago, lasting, local, utc
from fsm.render.table import Column, Table

_RUNS = (Column("WORKFLOW", least=8), Column("STATE", least=8), Column("STATUS"), Column("RUNS"))
_STUCK = (Column("ID"), Column("WORKFLOW", least=8, spare=2), Column("STATE", least=8, spare=1), Column("STATUS"),
          Column("WHY", spare=3), Column("SINCE"))  # fmt: skip
_STAYS = (Column("WORKFLOW", least=8), Column("STATE", least=8), Column("VISITS"), Column("P50"), Column("P95"),
          Column("P99"))  # fmt: skip
_TROUBLES = (Column("WORKFLOW", least=8), Column("STATE", least=8), Column("WHAT"), Column("ERROR", least=8),
             Column("TIMES"))  # fmt: skip
_DEATHS = (Column("FROM"), Column("ENTERED"), Column("LEFT"))

_MINUTE_MS = 60_000
_MANY, _FEW = 100, 1


def told(
    present: Present, lately: Lately, at: int, late_ms: int, room: int | None, zone: tzinfo | None, *,
    colour: bool = False,
) -> str:  # fmt: skip
    """Return all of it as tables under headings; one that would be empty is left out.

    Args:
        at: now, UTC milliseconds.
        late_ms: after how long a run counts as stuck.
        room: columns of the terminal, or None for as many as it takes.
        zone: of the times shown; None is the machine's own.
    """
    window = f"in the last {lasting(at - lately.since)}"
    them = "it" if present.stuck_runs == 1 else "them"
    stuck = (
        f"Stuck: {_many(present.stuck_runs, 'run')} could go on, and nobody has driven {them} for {lasting(late_ms)}"
    )
    sections = (
        ("Live and dead runs", run_columns(present.counts), run_cells(present.counts)),
        (f"Ended {window}", _RUNS, run_cells(lately.ended)),
        (stuck, _STUCK, [_stuck(run, at) for run in present.stuck]),
        (f"Visits that were left {window}, and how long they lasted", _STAYS, [_stay(stay) for stay in lately.stays]),
        (f"Retries and errors {window}", _TROUBLES, [_trouble(one) for one in lately.troubles]),
        (_dead(present), _DEATHS, [_death(one, zone) for one in lately.deaths]),
    )
    tables = [
        "\n".join([heading, *Table(columns, room).head(rows, colour=colour)])
        for heading, columns, rows in sections
        if rows
    ]
    return "\n\n".join([*tables, _rates(lately, at, window)])


def scanned(present: Present, lately: Lately, zone: tzinfo | None) -> str:
    """Return one line: what was looked at for all this."""
    cut = "; the window has more: --since looks at all of them" if lately.is_cut else ""
    return (
        f"looked at {_many(lately.rows, 'row')} of the ledger since {local(lately.since, zone)}, and at "
        f"{_many(_runs(present), 'run')} live or dead{cut}"
    )


def fields(present: Present, lately: Lately, at: int, late_ms: int, bucket_ms: int) -> dict[str, Any]:
    """Return all of it as JSON; instants are RFC 3339 in UTC."""
    return {
        "at": utc(at),
        "since": utc(lately.since),
        "scanned": {"ledger_rows": lately.rows, "is_cut": lately.is_cut, "runs": _runs(present)},
        "runs": [count._asdict() for count in present.counts],
        "ended": [{key: value for key, value in count._asdict().items() if key != "paused"} for count in lately.ended],
        "stuck": {
            "after_ms": late_ms,
            "runs": present.stuck_runs,
            "oldest": [{**run._asdict(), "since": utc(run.since)} for run in present.stuck],
        },
        "rates": {
            name: {"count": count, "per_minute": round(_per_minute(count, at - lately.since), 3)}
            for name, count in _counts(lately).items()
        },
        "crossed": [edge._asdict() for edge in lately.crossed],
        "durations": [stay._asdict() for stay in lately.stays],
        "troubles": [trouble._asdict() for trouble in lately.troubles],
        "dead": {
            "runs": _runs(present, "dead"),
            "bucket_ms": bucket_ms,
            "trend": [{"from": utc(one.at), "entered": one.entered, "left": one.left} for one in lately.deaths],
        },
    }


def run_columns(counts: Sequence[Count]) -> Sequence[Column]:
    """Return the columns of `run_cells`."""
    return (*_RUNS, Column("PAUSED")) if any(count.paused for count in counts) else _RUNS


def run_cells(counts: Sequence[Count]) -> list[tuple[str, ...]]:
    """Return runs by workflow, state and status as cells; those that are paused last, where any are."""
    some_paused = any(count.paused for count in counts)
    return [
        (f"{one.workflow}@{one.version}", one.state, one.status, f"{one.runs:,}",
         *((f"{one.paused:,}" if one.paused else "",) if some_paused else ()))
        for one in counts
    ]  # fmt: skip


def _stuck(run: Stuck, at: int) -> tuple[str, ...]:
    return run.run_id, f"{run.workflow}@{run.version}", run.state, run.status, run.why, ago(run.since, at)


def _stay(stay: Stay) -> tuple[str, ...]:
    return (stay.workflow, stay.state, f"{stay.visits:,}", lasting(stay.p50_ms), lasting(stay.p95_ms),
            lasting(stay.p99_ms))  # fmt: skip


def _trouble(one: Trouble) -> tuple[str, ...]:
    return one.workflow, one.state, one.kind, one.error, f"{one.times:,}"


def _dead(present: Present) -> str:
    return f"Dead letters: {_runs(present, 'dead'):,} now; those that came and went"


def _death(one: Deaths, zone: tzinfo | None) -> tuple[str, ...]:
    return local(one.at, zone)[: -len(":00")], f"{one.entered:,}", f"{one.left:,}"


def _runs(present: Present, status: str | None = None) -> int:
    return sum(count.runs for count in present.counts if status in (None, count.status))


def _counts(lately: Lately) -> dict[str, int]:
    return {"transitions": lately.transitions, "started": lately.begun, "ended": lately.finished}


def _rates(lately: Lately, at: int, window: str) -> str:
    shown = [
        f"{_many(count, what)} ({_rate(count, at - lately.since)}/min)"
        for count, what in zip(_counts(lately).values(), ("transition", "start", "end"), strict=True)
    ]
    return f"{window.capitalize()}: {', '.join(shown)}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _rate(count: int, lasts_ms: int) -> str:
    per_minute = _per_minute(count, lasts_ms)
    return f"{per_minute:,.0f}" if per_minute >= _MANY else f"{per_minute:.{1 if per_minute >= _FEW else 2}f}"


def _per_minute(count: int, lasts_ms: int) -> float:
    return count * _MINUTE_MS / lasts_ms if lasts_ms > 0 else 0.0
