"""What a prune did, or would do, as text and as JSON."""

from collections.abc import Mapping
from typing import Any

from fsm.render.table import Column, Table

STATUSES = ("succeeded", "failed", "cancelled")

COLUMNS = (Column("WORKFLOW", least=8), Column("SUCCEEDED"), Column("FAILED"), Column("CANCELLED"), Column("EXPIRED"))

Deleted = Mapping[tuple[str, str], int]
"""Runs that were deleted, by workflow and status."""


def listed(deleted: Deleted, expired: Mapping[str, int], room: int | None, *, colour: bool = False) -> str:
    """Return a table with a row for each workflow of which runs were deleted or have expired."""
    rows = [
        (name, *(str(deleted.get((name, status), 0)) for status in STATUSES), str(expired.get(name, 0)))
        for name in _names(deleted, expired)
    ]
    return "\n".join(Table(COLUMNS, room).head(rows, colour=colour))


def summary(deleted: Deleted, expired: Mapping[str, int], rows: int, *, dry_run: bool) -> str:
    """Return one line: how many runs and rows."""
    gone, cancelled = sum(deleted.values()), sum(expired.values())
    if not gone and not cancelled and not rows:
        return "nothing to prune"
    if dry_run:
        return f"would delete {_runs(gone)} and cancel {cancelled:,} expired"
    return f"deleted {_runs(gone)} ({rows:,} row{'' if rows == 1 else 's'}), cancelled {cancelled:,} expired"


def fields(deleted: Deleted, expired: Mapping[str, int], rows: int, *, dry_run: bool) -> dict[str, Any]:
    """Return it as JSON."""
    return {
        "dry_run": dry_run,
        "deleted": sum(deleted.values()),
        "expired": sum(expired.values()),
        "rows": None if dry_run else rows,
        "workflows": [
            {"workflow": name, **{status: deleted.get((name, status), 0) for status in STATUSES},
             "expired": expired.get(name, 0)}
            for name in _names(deleted, expired)
        ],
    }  # fmt: skip


def _names(deleted: Deleted, expired: Mapping[str, int]) -> list[str]:
    return sorted({name for name, _ in deleted} | set(expired))


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"
