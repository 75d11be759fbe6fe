"""`fsm history`: a run's ledger."""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.output import as_json, colours, room, stream, tell
from fsm.cli.session import Session, session
from fsm.errors import UsageError
from fsm.render.history import Ledger, Told, fields

if TYPE_CHECKING:
    from types import ModuleType

PAGE_ROWS = 200


@click.command("history")
@options.run_id
@click.option("--values", is_flag=True, help="With the input, and what was read and written.")
@options.store
@options.imports
@options.json
def command(run_id: str, values: bool) -> int:
    """Print a run's ledger.

    One line for each transition, oldest first; with --json, one JSON object on each line. With --values, the values
    that each transition wrote follow it, and before them those that the action had read: what its parameters name, if
    it can be imported, and what the definition says it reads.
    """
    here = session()
    with here.existing(_actions(here) if values else ()) as engine:
        run = engine.get(run_id)
        rows: Iterable[Told] = (
            operations.history(engine, run.id) if values else ((row, None, ()) for row, _ in engine.follow(run.id))
        )
        stream(_documents(rows, values=values) if here.options.json else _pages(rows))
    return 0


def _actions(here: Session) -> "list[ModuleType]":
    """Return the modules with actions, or none where they cannot be had: looking does without."""
    from fsm.actions.registry import Registry  # noqa: PLC0415 - only for values

    try:
        modules = here.modules()
        Registry(modules)
    except UsageError as fault:
        tell(f"without the actions, values are shown as read only where the definition says so: {fault}")
        return []
    return modules


def _documents(rows: Iterable[Told], *, values: bool) -> Iterator[str]:
    for row, read, written in rows:
        yield as_json(fields(row, read, written if values else None), indent=None)


def _pages(rows: Iterable[Told]) -> Iterator[str]:
    ledger = Ledger(room(), None, colour=colours(sys.stdout))
    rows = iter(rows)
    while page := list(islice(rows, PAGE_ROWS)):
        yield ledger.page(page)
