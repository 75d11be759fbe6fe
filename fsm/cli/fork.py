"""`fsm fork`: begin a new run where another one was."""

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.driving import explained
from fsm.cli.output import as_json, emit
from fsm.cli.session import session
from fsm.cli.values import pairs, typed
from fsm.render.runs import fields


@click.command("fork")
@options.run_id
@click.option("--at", type=click.IntRange(1), required=True, metavar="SEQ", help="The transition to branch off at.")
@click.option(
    "--key", type=options.TEXT, metavar="TEXT", help="Your name for the new run: the same key finds it again."
)
@click.option(
    "--set",
    "changed",
    multiple=True,
    type=options.TEXT,
    metavar="NAME=JSON",
    help="Another input or value in place of the old one; repeatable.",
)
@click.option("--unset", multiple=True, type=options.TEXT, metavar="NAME", help="A value to leave out; repeatable.")
@options.actor
@options.reason
@options.store
@options.json
@options.quiet
def command(
    *, run_id: str, at: int, key: str | None, changed: tuple[str, ...], unset: tuple[str, ...], actor: str | None,
    reason: str | None,
) -> int:  # fmt: skip
    """Begin a new run where another one was.

    The new run stands where that transition led, with the inputs, values and visit counts of then but for what
    --set and --unset change. The old run is left alone. The new run's id goes to stdout; `fsm resume` drives it.
    """
    here = session()
    texts = pairs(changed, "--set")
    with here.existing() as engine:
        origin = engine.get(run_id)
        declared = engine.workflow(origin).definition.input
        changes = typed(texts, {name: field.type.annotation for name, field in declared.items()})
        run = operations.fork(
            engine, origin.id, at, key=key, changes=changes, unset=unset, actor=actor, reason=reason
        )  # fmt: skip
        emit(as_json(fields(run)) if here.options.json else run.id)
        explained(here, engine, run)
    return 0
