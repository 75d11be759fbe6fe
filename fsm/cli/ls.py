"""`fsm ls`: runs, newest first."""

import sys
from typing import TYPE_CHECKING, get_args

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.meter import meter
from fsm.cli.output import as_json, colours, emit, room, tell
from fsm.cli.session import session
from fsm.kernel.why import unpause_words
from fsm.model.run import Status
from fsm.render.pauses import told
from fsm.render.runs import fields, listed

if TYPE_CHECKING:
    from fsm.cli.session import Session
    from fsm.model.listing import Page
    from fsm.model.pause import Pause

LIMIT = 50
LIMIT_MAX = 10_000


@click.command("ls")
@click.option("--workflow", type=options.TEXT, metavar="NAME", help="Only runs of this workflow.")
@click.option(
    "--status", "statuses", multiple=True, type=click.Choice(get_args(Status)), help="Only with this one; repeatable."
)
@click.option("--state", type=options.TEXT, metavar="NAME", help="Only runs in this state.")
@click.option("--key", type=options.TEXT, metavar="PREFIX", help="Only runs whose key begins so.")
@click.option(
    "--older-than", type=options.DURATION, metavar="DURATION", help="Only runs whose last transition is so long ago."
)
@click.option("--newer-than", type=options.DURATION, metavar="DURATION", help="Only runs that moved since then.")
@click.option("--paused", is_flag=True, help="Only runs that a pause holds back.")
@click.option("--held", is_flag=True, help="Only runs that a living process drives.")
@click.option(
    "--limit", type=click.IntRange(1, LIMIT_MAX), default=LIMIT, show_default=True, metavar="N", help="At most so many."
)
@click.option("--before", type=options.RUN_ID, metavar="RUN", help="Older than this run: the next page.")
@options.store
@options.json
@options.quiet
def command(
    *, workflow: str | None, statuses: tuple[Status, ...], state: str | None, key: str | None, older_than: int | None,
    newer_than: int | None, paused: bool, held: bool, limit: int, before: str | None,
) -> int:  # fmt: skip
    """List runs, newest first.

    What is live or dead, has a key or moved lately is found at once. For anything else the newest million runs are
    looked at; where that leaves older ones, it is told with how to go on.
    """
    here = session()
    with here.existing() as engine, meter(quiet=here.options.quiet) as progress:
        now_ms = engine.clock.now()
        page = operations.listing(
            engine, workflow=workflow, statuses=statuses, state=state, key=key, paused=paused, held=held, limit=limit,
            since=None if newer_than is None else now_ms - newer_than,
            until=None if older_than is None else now_ms - older_than, before=before,
            watch=lambda found: progress.show(f"looking; {found} found so far"),
        )  # fmt: skip
        pauses = engine.store.pauses()
    if here.options.json:
        emit(as_json([fields(run, pauses=pauses) for run in page.runs]))
    elif page.runs:
        emit(listed(page.runs, now_ms, room(), None, colour=colours(sys.stdout), pauses=pauses))
    if not here.options.quiet:
        _tell(here, page, pauses)
    return 0


def _tell(here: "Session", page: "Page", pauses: "list[Pause]") -> None:
    if page.is_cut:
        tell(f"older runs were not looked at; to go on: --before {page.before}")
    elif page.before:
        tell(f"there are more; the next page: --before {page.before}")
    elif not page.runs:
        tell("no runs")
    for pause in pauses:
        tell(f"{told(pause, None)}; this ends it:\n  {here.line(*unpause_words(pause))}")
