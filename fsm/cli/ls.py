"""`fsm ls`: runs, newest first."""

import sys
from typing import get_args

import click

from fsm.cli import options
from fsm.cli.output import as_json, colours, emit, room, tell
from fsm.cli.session import session
from fsm.model.run import Status
from fsm.render.runs import fields, listed

LIMIT = 50
LIMIT_MAX = 10_000


@click.command("ls")
@click.option("--workflow", type=options.TEXT, metavar="NAME", help="Only runs of this workflow.")
@click.option("--status", type=click.Choice(get_args(Status)), help="Only runs with this status.")
@click.option("--state", type=options.TEXT, metavar="NAME", help="Only runs in this state.")
@click.option(
    "--limit", type=click.IntRange(1, LIMIT_MAX), default=LIMIT, show_default=True, metavar="N", help="At most so many."
)
@click.option("--before", type=options.RUN_ID, metavar="RUN", help="Older than this run: the next page.")
@options.store
@options.json
@options.quiet
def command(workflow: str | None, status: Status | None, state: str | None, limit: int, before: str | None) -> int:
    """List runs, newest first."""
    here = session()
    with here.existing() as engine:
        runs = engine.runs(workflow=workflow, status=status, state=state, limit=limit + 1, before=before)
        now_ms = engine.clock.now()
    shown, more = runs[:limit], len(runs) > limit
    if here.options.json:
        emit(as_json([fields(run) for run in shown]))
    elif shown:
        emit(listed(shown, now_ms, room(), None, colour=colours(sys.stdout)))
    if here.options.quiet:
        return 0
    if more:
        tell(f"there are more; the next page: --before {shown[-1].id}")
    elif not shown:
        tell("no runs")
    return 0
