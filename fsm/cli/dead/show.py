"""`fsm dead show`: a dead run with everything that is known of it."""

from typing import TYPE_CHECKING

import click

from fsm.cli import options
from fsm.cli.output import as_json, emit
from fsm.cli.session import session
from fsm.errors import NotFound, UsageError
from fsm.operations.dead_letters import attempts, letter_of
from fsm.render.instants import utc
from fsm.render.letters import as_artifacts, fields, shown, tried_fields, ways

if TYPE_CHECKING:
    from fsm.engine.engine import Engine
    from fsm.model.run import Run


@click.command("show")
@options.run_id
@options.store
@options.json
def command(run_id: str) -> int:
    """Print a dead run: input, values, error, attempts, and the commands that would move it."""
    here = session()
    with here.existing() as engine:
        run = _dead(engine, run_id)
        letter = letter_of(engine, run)
        tried = attempts(engine, letter)
        held = engine.artifacts(run)
        inputs = {name: held.pop(name) for name in engine.workflow(run).definition.input if name in held}
        ours = ways(letter, here.line)
        now_ms = engine.clock.now()
    if here.options.json:
        more = {"input": inputs, "artifacts": held, "attempts": [tried_fields(one) for one in tried], "commands": ours}
        emit(as_json({**fields(letter), **more}))
    else:
        values = {"input": as_artifacts(inputs), "values": as_artifacts(held)}
        emit(shown(letter, tried, values, ours, now_ms, None))
    return 0


def _dead(engine: "Engine", run_id: str) -> "Run":
    try:
        run = engine.get(run_id)
    except NotFound as fault:
        left = engine.store.dropped(run_id)
        if left is None:
            raise
        by, why = f" by {left.actor}" if left.actor else "", f": {left.reason}" if left.reason else ""
        raise NotFound(f"run {left.run_id} was dropped at {utc(left.at)}{by}{why}") from fault
    if run.status not in ("failed", "dead"):
        raise UsageError(f"run {run.id} is {run.status}, no dead letter; `fsm history {run.id}` tells what it did")
    return run
