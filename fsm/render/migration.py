"""What another version of a workflow means for its runs: a table of states, reasons, edges that differ."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fsm.model.migration import Obstacle, Passage
from fsm.model.workflow import Edge
from fsm.render.table import Column, Table
from fsm.render.terminal import safe

COLUMNS = (
    Column("STATE", least=8),
    Column("BECOMES", least=8),
    Column("STATUS"),
    Column("RUNS"),
    Column("CAN"),
    Column("CANNOT"),
)
_NAMED_MAX = 3
_INDENT = "  "


def shown(passages: Sequence[Passage], room: int | None, *, colour: bool = False) -> str:
    """Return how many runs of each state can take the version, and for the others why not.

    Args:
        room: columns of the terminal, or None for as many as it takes.
        colour: whether to use ANSI colours.
    """
    rows = []
    for (state, target, status), alike in _grouped(passages).items():
        can = sum(passage.is_open for passage in alike)
        cannot = len(alike) - can
        rows.append((state, target or "", status, str(len(alike)), str(can), str(cannot) if cannot else ""))
    return "\n".join([*Table(COLUMNS, room).head(rows, colour=colour), *map(safe, _reasons(passages))])


def _grouped(passages: Iterable[Passage]) -> dict[tuple[str, str | None, str], list[Passage]]:
    found: dict[tuple[str, str | None, str], list[Passage]] = {}
    for passage in passages:
        status = passage.run.status if passage.run.status in ("failed", "dead") else "live"
        found.setdefault((passage.state, passage.target, status), []).append(passage)
    return found


def by_obstacle(passages: Iterable[Passage]) -> dict[Obstacle, list[Passage]]:
    """Return the runs that each obstacle is in the way of."""
    found: dict[Obstacle, list[Passage]] = {}
    for passage in passages:
        for obstacle in passage.obstacles:
            found.setdefault(obstacle, []).append(passage)
    return found


def _reasons(passages: Iterable[Passage]) -> Iterable[str]:
    for obstacle, barred in by_obstacle(passages).items():
        yield f"{counted(len(barred), 'run')}: {obstacle.message}" + (f"; {obstacle.hint}" if obstacle.hint else "")
        ids = ", ".join(passage.run.id for passage in barred[:_NAMED_MAX])
        yield f"{_INDENT}{ids}" + (", …" if len(barred) > _NAMED_MAX else "")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 run` or `3 runs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def edges_shown(gone: Iterable[Edge], come: Iterable[Edge]) -> str:
    """Return the edges that only one of two versions has, `-` before those that went and `+` before those that came."""
    lines = [f"{sign} {edge.source + ' ' if edge.source else ''}--{edge.event}--> {edge.target}"
             for sign, edges in (("-", gone), ("+", come)) for edge in edges]  # fmt: skip
    return "\n".join(map(safe, lines)) or "no edge differs"


def fields(passage: Passage) -> dict[str, Any]:
    """Return as JSON what a version means for one run."""
    return {
        "id": passage.run.id,
        "status": passage.run.status,
        "state": passage.state,
        "becomes": passage.target,
        "can": passage.is_open,
        "obstacles": [{"code": one.code or None, "message": one.message, "hint": one.hint or None}
                      for one in passage.obstacles],
    }  # fmt: skip


def edge_fields(edges: Iterable[Edge]) -> list[Mapping[str, str]]:
    """Return edges as JSON."""
    return [{"source": edge.source, "event": edge.event, "target": edge.target} for edge in edges]
