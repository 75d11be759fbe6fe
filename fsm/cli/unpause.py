"""`fsm unpause`: end a pause."""

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.output import as_json, emit, tell
from fsm.cli.session import session
from fsm.kernel.why import unpause_words
from fsm.render.pauses import fields, told


@click.command("unpause")
@options.of_workflow
@options.of_state
@options.actor
@options.reason
@options.store
@options.json
@options.quiet
def command(workflow: str | None, state: str | None, actor: str | None, reason: str | None) -> int:
    """End a pause.

    It ends exactly what was paused: without options, the pause of everything. What became due meanwhile goes on with
    the next worker or `fsm resume`, and signals that came are taken.
    """
    here = session()
    with here.existing() as engine:
        ended = operations.unpause(engine, workflow, state, actor=actor, reason=reason)
        if here.options.json:
            emit(as_json(fields(ended)))
        if not here.options.quiet:
            tell(f"no more {told(ended, None)}")
            for pause in engine.store.pauses():
                tell(f"still {told(pause, None)}; this ends it:\n  {here.line(*unpause_words(pause))}")
    return 0
