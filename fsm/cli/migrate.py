"""`fsm migrate`: runs of one version go on under another."""

from typing import TYPE_CHECKING

import click

from fsm.cli import options
from fsm.cli.asking import confirm, dry_run, yes
from fsm.cli.bulk import each
from fsm.cli.exits import Exit
from fsm.cli.output import tell
from fsm.cli.session import session
from fsm.cli.values import pairs
from fsm.cli.versions import files_of, show, state_map, where_possible
from fsm.engine.prospect import obstructed
from fsm.errors import UsageError
from fsm.operations.migration import Migration
from fsm.render.migration import counted

if TYPE_CHECKING:
    from fsm.model.run import Run


@click.command("migrate")
@click.argument("workflow", metavar="WORKFLOW|FILE", type=options.TEXT)
@click.option("--from", "old", type=click.IntRange(1), required=True, metavar="N", help="The version they have.")
@click.option("--to", "new", type=click.IntRange(1), required=True, metavar="M", help="The version they are to have.")
@state_map
@click.option("--run", "run_id", type=options.RUN_ID, metavar="RUN", help="Only this run.")
@click.option("--failed", is_flag=True, help="Runs that ended at an `end: failure`, too.")
@click.option("--running", is_flag=True, help="Runs that are driven at this moment, too: taken from their driver.")
@where_possible
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
    *, workflow: str, old: int, new: int, states: tuple[str, ...], run_id: str | None, failed: bool, running: bool,
    where_possible: bool, yes: bool, dry_run: bool, actor: str | None, reason: str | None,
) -> int:  # fmt: skip
    """Move runs to another version of their workflow.

    All live and dead runs of a version, or one RUN. Each is checked before any is moved: its state exists there, and
    whatever it can come to read is written. Visit, key and attempts stay. Dead runs stay dead: `fsm dead redrive` lets
    them go on. `fsm resume` drives on those that are live.
    """
    here = session()
    name, files = files_of(here, workflow)
    with here.existing(here.modules(), files=files) as engine:
        plan = Migration(engine, name, old, new, pairs(states, "--map"), running=running)
        passages = plan.passages(run_id, failed=failed)
        closed = [passage for passage in passages if not passage.is_open]
        if dry_run:
            show(here, plan, passages, as_data=True)
            return Exit.FAULTS if closed else Exit.FINE
        if passages and (closed or not (yes and here.options.quiet)):
            show(here, plan, passages, as_data=False)
        if closed and not where_possible:
            tell(f"Error: {counted(len(closed), 'run')} cannot be moved, so none was; --where-possible leaves them")
            return Exit.FAULTS
        if passages:
            confirm(f"Move {counted(len(passages) - len(closed), 'run')} to version {new}?", yes=yes)
            plan.prepare()
        reasons = {passage.run.id: obstructed(passage) for passage in closed}

        def move(run: "Run") -> str:
            if run.id in reasons:
                raise UsageError(reasons[run.id])
            after = plan.move(run.id, actor, reason)
            return f'version {after.version}, {after.status} in "{after.state}"'

        return each(here, [passage.run for passage in passages], move, done="moved")
