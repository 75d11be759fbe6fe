"""`fsm prune`: delete finished runs whose time has come."""

import sys
from typing import TYPE_CHECKING

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.meter import meter
from fsm.cli.output import as_json, colours, emit, room, tell
from fsm.cli.session import session
from fsm.render.pruned import fields, listed, summary

if TYPE_CHECKING:
    from fsm.operations.prune import Pruned


@click.command("prune")
@click.option("--workflow", type=options.TEXT, metavar="NAME", help="Only runs of this workflow.")
@click.option(
    "--older-than",
    type=options.DURATION,
    metavar="DURATION",
    help="Delete what ended so long ago, whatever `retention` says.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing; tell what would be done.")
@options.store
@options.definitions
@options.json
@options.quiet
def command(workflow: str | None, older_than: int | None, dry_run: bool) -> int:
    """Delete finished runs whose time has come.

    A run that succeeded, failed or was cancelled is deleted with everything it has once the `retention` of its workflow
    is over; 30 days where nothing is written. One that nobody moved for longer than `expires` is cancelled. Dead runs
    are kept. The newest version of a workflow rules, from the definitions or the store. It works in small steps beside
    everything else, and may be interrupted and repeated.
    """
    here = session()
    with here.existing(files=here.rules()) as engine, meter(quiet=here.options.quiet) as shown:

        def watch(done: "Pruned") -> None:
            shown.show(summary(done.deleted, done.expired, done.rows, dry_run=dry_run))

        done = operations.prune(engine, workflow=workflow, older_than_ms=older_than, dry_run=dry_run, watch=watch)
    if here.options.json:
        emit(as_json(fields(done.deleted, done.expired, done.rows, dry_run=dry_run)))
    elif done.deleted or done.expired:
        emit(listed(done.deleted, done.expired, room(), colour=colours(sys.stdout)))
    if not here.options.quiet:
        tell(summary(done.deleted, done.expired, done.rows, dry_run=dry_run))
    return 0
