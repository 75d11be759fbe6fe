"""`fsm history`: a run's ledger."""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from fsm.cli import options
from fsm.cli.output import as_json, colours, room, stream
from fsm.cli.session import session
from fsm.kernel.decide import values_of
from fsm.model.run import Artifact, Run
from fsm.render.history import Ledger, fields

if TYPE_CHECKING:
    from fsm.engine.engine import Engine
    from fsm.store import Written

PAGE_ROWS = 200


@click.command("history")
@options.run_id
@click.option("--values", is_flag=True, help="With the input, and what each transition wrote.")
@options.store
@options.json
def command(run_id: str, values: bool) -> int:
    """Print a run's ledger.

    One line for each transition, oldest first; with --json, one JSON object on each line.
    """
    here = session()
    with here.existing() as engine:
        run = engine.get(run_id)
        inputs = _inputs(engine, run) if values else ()
        written = engine.follow(run.id)
        if here.options.json:
            stream(_documents(written, inputs, values=values))
        else:
            stream(_pages(written, inputs, values=values))
    return 0


def _inputs(engine: "Engine", run: Run) -> tuple[Artifact, ...]:
    """Return what the run was started with, whatever an operator made of it since."""
    names = engine.workflow(run).definition.input
    texts = engine.store.values_at(run, names, 0)
    return tuple(Artifact(name, texts[name]) for name in names if name in texts)


def _documents(written: "Iterable[Written]", inputs: tuple[Artifact, ...], *, values: bool) -> Iterator[str]:
    for row, artifacts in written:
        given = values_of(inputs) if values and row.seq == 1 else None
        yield as_json(fields(row, artifacts if values else None, given), indent=None)


def _pages(written: "Iterable[Written]", inputs: tuple[Artifact, ...], *, values: bool) -> Iterator[str]:
    ledger = Ledger(room(), None, colour=colours(sys.stdout))
    rows = iter(written)
    while page := list(islice(rows, PAGE_ROWS)):
        yield ledger.page([(row, _shown(row.seq, artifacts, inputs) if values else ()) for row, artifacts in page])


def _shown(seq: int, artifacts: tuple[Artifact, ...], inputs: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
    return (*inputs, *artifacts) if seq == 1 else artifacts
