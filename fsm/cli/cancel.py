"""`fsm cancel`: end a run where it stands."""

import click

from fsm.cli import options
from fsm.cli.driving import moved
from fsm.cli.session import session


@click.command("cancel")
@options.run_id
@options.actor
@options.reason
@options.store
@options.json
@options.quiet
def command(run_id: str, actor: str | None, reason: str | None) -> int:
    """End a run where it stands.

    It takes effect at once: an action in flight is recorded as unknown, and its result is discarded.
    """
    here = session()
    with here.existing() as engine:
        moved(here, engine, engine.cancel(engine.get(run_id).id, actor=actor, reason=reason))
    return 0
