"""`fsm redrive`: let a failed run try again from the state that failed."""

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.driving import moved
from fsm.cli.session import session


@click.command("redrive")
@options.run_id
@options.actor
@options.reason
@options.store
@options.json
@options.quiet
def command(run_id: str, actor: str | None, reason: str | None) -> int:
    """Let a failed run try again.

    A failed or dead run goes back to the state that failed, in the same visit, with the same idempotency key. For a
    run that asks a person it says: the interrupted action did not take effect, do it again. `fsm resume` drives it.
    """
    here = session()
    with here.existing() as engine:
        moved(here, engine, operations.redrive(engine, engine.get(run_id).id, actor=actor, reason=reason))
    return 0
