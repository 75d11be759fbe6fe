"""`fsm rewind`: take a run back to an earlier transition."""

import sys
from collections.abc import Sequence

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.asking import confirm, dry_run, yes
from fsm.cli.driving import moved
from fsm.cli.output import as_json, colours, emit, room, tell
from fsm.cli.session import Session, session
from fsm.model.run import Run
from fsm.operations.effects import Effect
from fsm.render.effects import fields, listed


@click.command("rewind")
@options.run_id
@click.option("--to", type=click.IntRange(1), required=True, metavar="SEQ", help="The transition to go back to.")
@yes
@dry_run
@options.actor
@options.reason
@options.store
@options.json
@options.quiet
def command(*, run_id: str, to: int, yes: bool, dry_run: bool, actor: str | None, reason: str | None) -> int:
    """Take a run back to an earlier transition.

    The run stands where that transition led, in a new visit, with the values and visit counts of then. The ledger
    keeps what came after; what actions did outside is not undone, so each of them is named and you are asked first.
    `fsm history` numbers the transitions; `fsm resume` drives the run on.
    """
    here = session()
    with here.existing() as engine:
        run = engine.get(run_id)
        effects = operations.effects(engine, run.id, to)
        if dry_run:
            _show(here, run, to, effects)
            return 0
        if effects and not (yes and here.options.quiet):
            tell(_told(run, to, effects, colour=colours(sys.stderr)))
        if effects:
            confirm(f"Go back to {to} all the same?", yes=yes)
        seen = None if yes else run.seq
        moved(here, engine, operations.rewind(engine, run.id, to, actor=actor, reason=reason, seen=seen))
    return 0


def _show(here: Session, run: Run, to: int, effects: Sequence[Effect]) -> None:
    if here.options.json:
        emit(as_json({"id": run.id, "seq": run.seq, "to": to, "effects": [fields(effect) for effect in effects]}))
    else:
        emit(_told(run, to, effects, colour=colours(sys.stdout)))


def _told(run: Run, to: int, effects: Sequence[Effect], *, colour: bool) -> str:
    name = f"run {run.id} stands at {run.seq}"
    if not effects:
        return f"{name}; no action was called since {to}"
    return f"{name}; going back to {to} does not undo what these did:\n" + listed(effects, room(), colour=colour)
