"""`fsm dead redrive`: let dead runs try again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.asking import dry_run
from fsm.cli.bulk import each
from fsm.cli.dead.chosen import chosen, every, failed, run_id, state, workflow
from fsm.cli.driving import moved
from fsm.cli.output import tell
from fsm.cli.session import session
from fsm.cli.values import pairs, typed
from fsm.operations.redrive import decided

if TYPE_CHECKING:
    from fsm.engine.engine import Engine
    from fsm.model.run import Run


@click.command("redrive")
@run_id
@workflow
@state
@failed
@every
@click.option("--at", type=options.TEXT, metavar="STATE", help="Another state to go back to, that the run has been in.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    type=options.TEXT,
    help="What takes the place of an input or a value; repeatable.",
)
@dry_run
@options.actor
@options.reason
@options.store
@options.json
@options.quiet
def command(
    *, run_id: str | None, workflow: str | None, state: str | None, failed: bool, every: bool, at: str | None,
    changes: tuple[str, ...], dry_run: bool, actor: str | None, reason: str | None,
) -> int:  # fmt: skip
    """Let dead runs try again.

    RUN, or all of a workflow, of a state of it, or of the store. Each goes back to the state that failed, in the same
    visit, with the same idempotency key. A value is taken as text where the workflow declares text, and as JSON
    otherwise. `fsm resume` drives them. To repeat it is safe: what was redriven is dead no more.
    """
    here = session()
    texts = pairs(changes, "--set")
    with here.existing() as engine:
        letters = chosen(engine, run_id, workflow, state, failed=failed, every=every)

        def redrive(run: "Run") -> "Run":
            values = _typed(engine, run, texts)
            if dry_run:
                return decided(engine, run, at, values, actor, reason).run
            return operations.redrive(engine, run.id, at=at, changes=values, actor=actor, reason=reason)

        if run_id is not None and not dry_run:
            moved(here, engine, redrive(letters[0].run))
            return 0
        would = "would go on" if dry_run else "goes on"
        code = each(
            here,
            [letter.run for letter in letters],
            lambda run: f'{would} in "{redrive(run).state}"',
            done="would be redriven" if dry_run else "redriven",
        )
    if letters and not dry_run and not here.options.quiet:
        tell(f"this drives them on: {here.line('resume')}")
    return code


def _typed(engine: "Engine", run: "Run", texts: Mapping[str, str]) -> dict[str, Any]:
    declared = engine.workflow(run).definition.input if texts else {}
    return typed(texts, {name: field.type.annotation for name, field in declared.items()})
