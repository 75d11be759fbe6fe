"""`fsm why`: the exact reasons that a run is where it is."""

from typing import TYPE_CHECKING

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.output import as_json, emit, tell
from fsm.cli.session import session
from fsm.errors import UsageError
from fsm.render.why import explained, fields

if TYPE_CHECKING:
    from types import ModuleType

    from fsm.cli.session import Session


@click.command("why")
@options.run_id
@options.store
@options.imports
@options.json
@options.quiet
def command(run_id: str) -> int:
    """Say why a run is not moving, and what would move it.

    Who drives it, or what it waits for: an instant, a retry, a signal, a person, a pause, an action that is missing
    here, a worker. Each with the command that helps. Actions are imported to tell whether its own is among them.
    """
    here = session()
    with here.existing(_modules(here)) as engine:
        run, reasons = operations.why(engine, run_id)
        now_ms = engine.clock.now()
    if here.options.json:
        emit(as_json(fields(run, reasons, here.line)))
    else:
        emit(explained(run, reasons, here.line, now_ms, None))
    return 0


def _modules(here: "Session") -> "list[ModuleType]":
    """Import the actions; those that cannot be are told, and in nobody's way."""
    try:
        return here.modules()
    except UsageError as fault:
        if not here.options.quiet:
            tell(f"actions were not looked at: {fault}")
        return []
