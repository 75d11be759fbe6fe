"""`fsm dead ls`: dead runs, newest first."""

import sys

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.dead.chosen import failed, state, workflow
from fsm.cli.ls import LIMIT, LIMIT_MAX
from fsm.cli.output import as_json, colours, emit, room, tell
from fsm.cli.session import session
from fsm.render.letters import fields, listed


@click.command("ls")
@workflow
@state
@failed
@click.option(
    "--limit", type=click.IntRange(1, LIMIT_MAX), default=LIMIT, show_default=True, metavar="N", help="At most so many."
)
@click.option("--before", type=options.RUN_ID, metavar="RUN", help="Older than this run: the next page.")
@options.store
@options.json
@options.quiet
def command(
    *, workflow: str | None, state: str | None, failed: bool, limit: int, before: str | None
) -> int:  # fmt: skip
    """List dead runs with what failed in them, newest first."""
    here = session()
    with here.existing() as engine:
        letters = operations.dead_letters(
            engine, workflow=workflow, state=state, failed=failed, limit=limit + 1, before=before
        )
        now_ms = engine.clock.now()
    shown, more = letters[:limit], len(letters) > limit
    if here.options.json:
        emit(as_json([fields(letter) for letter in shown]))
    elif shown:
        emit(listed(shown, now_ms, room(), colour=colours(sys.stdout)))
    if here.options.quiet:
        return 0
    if more:
        tell(f"there are more; the next page: --before {shown[-1].run.id}")
    elif not shown:
        tell("no dead runs")
    return 0
