"""`fsm dead redrive`: let dead runs try again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.asking import confirm, dry_run, yes
from fsm.cli.bulk import each
from fsm.cli.dead.chosen import chosen, every, failed, run_id, state, workflow
from fsm.cli.dead.repaired import Repaired
from fsm.cli.driving import moved
from fsm.cli.session import session
from fsm.cli.values import pairs, typed
from fsm.cli.versions import state_map
from fsm.engine.inputs import checked_changes
from fsm.operations.redrive import decided
from fsm.render.migration import counted

if TYPE_CHECKING:
    from fsm.cli.session import Session
    from fsm.engine.engine import Engine
    from fsm.model.run import Run
    from fsm.model.workflow import Workflow


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
@click.option("--version", type=click.IntRange(1), metavar="N", help="Under this version, once it is checked.")
@click.option("--definition", type=options.TEXT, metavar="FILE", help="Under the version in this file.")
@state_map
@yes
@dry_run
@options.actor
@options.reason
@options.store
@options.definitions
@options.imports
@options.json
@options.quiet
def command(
    *, run_id: str | None, workflow: str | None, state: str | None, failed: bool, every: bool, at: str | None,
    changes: tuple[str, ...], version: int | None, definition: str | None, states: tuple[str, ...], yes: bool,
    dry_run: bool, actor: str | None, reason: str | None,
) -> int:  # fmt: skip
    """Let dead runs try again.

    RUN, or all of a workflow, of a state of it, or of the store. Each goes back to the state that failed, in the same
    visit, with the same idempotency key. A value is taken as text where the workflow declares text, and as JSON
    otherwise. `fsm resume` drives them. To repeat it is safe: what was redriven is dead no more.

    With --version or --definition they go on under a repaired version: first it is shown which edges differ and which
    runs can take it, then you are asked.
    """
    here = session()
    texts = pairs(changes, "--set")
    repaired = Repaired(version, definition, states)
    with _engine(here, repaired, run_id, workflow) as engine:
        letters = chosen(engine, run_id, workflow, state, failed=failed, every=every)
        able = repaired.plan(here, engine, letters, at, texts)
        if run_id is not None:
            repaired.require(letters[0].run)
        if repaired and able and not dry_run:
            confirm(f"Redrive {counted(able, 'run')} under that version?", yes=yes)
            repaired.prepare()

        def redrive(run: "Run") -> str:
            values = _typed(repaired.flow(engine, run), texts)
            repaired.require(run)
            if dry_run:
                return repaired.target(run, at) or decided(engine, run, at, values, actor, reason).run.state
            repaired.move(run, actor, reason)
            return operations.redrive(engine, run.id, at=at, changes=values, actor=actor, reason=reason).state

        if run_id is not None and not dry_run:
            redrive(letters[0].run)
            moved(here, engine, engine.get(letters[0].run.id))
            return 0
        would = "would go on" if dry_run else "goes on"
        return each(
            here,
            [letter.run for letter in letters],
            lambda run: f'{would} in "{redrive(run)}"',
            done="would be redriven" if dry_run else "redriven",
            then="" if dry_run else f"this drives them on: {here.line('resume')}",
        )


def _engine(here: "Session", repaired: Repaired, run_id: str | None, workflow: str | None) -> "Engine":
    """Open the engine, with the definitions of the repaired version and the actions where one is asked for."""
    if not repaired:
        return here.existing()
    if workflow is None and run_id is not None:
        with here.existing() as engine:
            workflow = engine.get(run_id).workflow
    return here.existing(here.modules(), files=repaired.files(here, workflow))


def _typed(flow: "Workflow", texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what is to be written, checked before anything is done. Raises UsageError."""
    values = typed(texts, {name: field.type.annotation for name, field in flow.definition.input.items()})
    checked_changes(flow, values)
    return values
