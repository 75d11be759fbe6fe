"""`fsm stats`: what there is in a store, and what happened in it lately."""

import sys

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.output import as_json, colours, emit, room, tell
from fsm.cli.session import session
from fsm.render.stats import fields, scanned, told


@click.command("stats")
@click.option("--workflow", type=options.TEXT, metavar="NAME", help="Only runs of this workflow.")
@click.option("--since", type=options.DURATION, metavar="DURATION", help="How far to look back; 1d by default.")
@options.store
@options.json
@options.quiet
def command(workflow: str | None, since: int | None) -> int:
    """Count runs, find stuck ones, and sum up the last day.

    Live and dead runs by workflow, version, state and status; runs that could go on and that nobody drives; and of a
    window of time: what ended, rates, how long visits of each state took, retries and errors by their class, and how
    many runs came to a dead letter or left one. Without --since, a window of more than 250,000 rows is cut to the
    newest ones.
    """
    here = session()
    with here.existing() as engine:
        found = operations.stats(engine, workflow=workflow, since_ms=since)
    if here.options.json:
        emit(as_json(fields(found.present, found.lately, found.at, found.late_ms, found.bucket_ms)))
        return 0
    emit(told(found.present, found.lately, found.at, found.late_ms, room(), None, colour=colours(sys.stdout)))
    if not here.options.quiet:
        tell(scanned(found.present, found.lately, None))
    return 0
