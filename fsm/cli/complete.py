"""`fsm complete`: cross a state's success edge with a result that a person vouches for."""

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.driving import moved
from fsm.cli.session import session
from fsm.cli.values import read_json


@click.command("complete")
@options.run_id
@click.option("--value", metavar="JSON|@FILE", help="What the action would have returned; null by default.")
@click.option(
    "--outcome",
    type=options.TEXT,
    default="success",
    show_default=True,
    metavar="NAME",
    help="Which of the state's outcomes.",
)
@click.option("--actor", type=options.TEXT, required=True, metavar="NAME", help="Who vouches for it.")
@options.reason
@options.store
@options.json
@options.quiet
def command(run_id: str, value: str | None, outcome: str, actor: str, reason: str | None) -> int:
    """Vouch for what a run asks a person about.

    For a run that asks, it says: the interrupted action did take effect, go on. It repairs a failed or dead run in
    the same way. `fsm resume` drives it.
    """
    here = session()
    vouched = read_json(value, "--value") if value is not None else None
    with here.existing() as engine:
        run = operations.complete(engine, engine.get(run_id).id, vouched, outcome=outcome, actor=actor, reason=reason)
        moved(here, engine, run)
    return 0
