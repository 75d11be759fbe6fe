"""`fsm watch`: what there is and how it moves, drawn over and over."""

import sys
import threading
from typing import TYPE_CHECKING

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.output import as_json, colours, emit, is_terminal, room
from fsm.cli.session import session
from fsm.render.watch import fields, lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsm.cli.session import Session
    from fsm.engine.engine import Engine
    from fsm.operations.watch import Glance

INTERVAL_MS = 1_000
INTERVAL_MIN_MS = 100


@click.command("watch")
@click.option("--workflow", type=options.TEXT, metavar="NAME", help="Only runs of this workflow.")
@click.option(
    "--interval",
    type=options.DURATION,
    default=INTERVAL_MS,
    metavar="DURATION",
    help="How often to look; 1s by default.",
)
@click.option("--once", is_flag=True, help="Look once, and end.")
@options.store
@options.json
def command(workflow: str | None, interval: int, once: bool) -> int:
    """Show what there is and how it moves, live.

    Live and dead runs by workflow, state and status; transitions per second; the oldest ready run, what is due next,
    dead letters; and the processes that drive runs. On a terminal it is drawn anew at every interval until q or Ctrl-C;
    elsewhere it is printed once. With --json it prints one object for each look, on one line.
    """
    here = session()
    if interval < INTERVAL_MIN_MS:
        raise click.BadParameter("at least 100ms", param_hint="--interval")
    with here.existing() as engine:
        if here.options.json:
            _printed(looks(engine, workflow), interval, once=once)
        elif once or not is_terminal(sys.stdout):
            emit("\n".join(_lines(here, next(looks(engine, workflow)))))
        else:
            from fsm.cli.screen import drawn  # noqa: PLC0415 - slow, and only where it is drawn

            glances = looks(engine, workflow)
            drawn(lambda: _lines(here, next(glances)), interval / 1_000)
    return 0


def looks(engine: "Engine", workflow: str | None) -> "Iterator[Glance]":
    """Yield a look at the store for each time that one is asked for."""
    glance = None
    while True:
        glance = operations.watch(engine, glance, workflow=workflow)
        yield glance


def _printed(glances: "Iterator[Glance]", interval_ms: int, *, once: bool) -> None:
    """Print a look at every interval, until nobody reads them any more, or Ctrl-C."""
    pause = threading.Event()
    try:
        for glance in glances:
            if not emit(as_json(fields(glance.present, glance.at, glance.edges_per_s), indent=None)) or once:
                return
            pause.wait(interval_ms / 1_000)
    except KeyboardInterrupt:
        return


def _lines(here: "Session", glance: "Glance") -> list[str]:
    return lines(
        str(here.store), glance.present, glance.at, glance.edges_per_s, room(), None, colour=colours(sys.stdout)
    )
