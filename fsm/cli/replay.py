"""`fsm replay`: rebuild runs from their ledgers, and compare."""

import sys
from typing import TYPE_CHECKING

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.exits import Exit
from fsm.cli.meter import meter
from fsm.cli.output import as_json, colours, emit, room, tell
from fsm.cli.session import Session, session
from fsm.errors import UsageError
from fsm.render.replay import alone, compared, difference, differing, fields

if TYPE_CHECKING:
    from fsm.engine.engine import Engine
    from fsm.operations.replay import Replayed


@click.command("replay")
@click.argument("run_id", metavar="[RUN]", type=options.RUN_ID, required=False)
@click.option("--to", type=click.IntRange(1), metavar="SEQ", help="Only up to this transition; not compared.")
@click.option("--all", "every", is_flag=True, help="Every run of the store.")
@options.store
@options.json
@options.quiet
def command(run_id: str | None, to: int | None, every: bool) -> int:
    """Rebuild runs from their ledgers, and compare.

    Prints what the ledger makes of the run beside what its row says. With --to, the run as it was then. With --all,
    only what differs.
    """
    here = session()
    if (run_id is None) != every or (every and to is not None):
        raise UsageError("name a RUN, or say --all for every one; --to is of one run")
    with here.existing() as engine:
        return _all(here, engine) if run_id is None else _one(here, engine, run_id, to)


def _one(here: Session, engine: "Engine", run_id: str, to: int | None) -> Exit:
    found = operations.replay(engine, engine.get(run_id).id, to=to)
    is_whole = found.folded.seq == found.run.seq
    colour = colours(sys.stdout)
    if here.options.json:
        emit(as_json(_document(found)))
    elif is_whole:
        emit(compared(found.folded, found.run, found.values, found.differences, room(), None, colour=colour))
    else:
        emit(alone(found.folded, room(), None, colour=colour))
    if is_whole and not here.options.quiet:
        tell(f"run {found.run.id}: {_verdict(len(found.differences))}")
    return Exit.FAULTS if found.differences else Exit.FINE


def _document(found: "Replayed") -> dict[str, object]:
    document: dict[str, object] = {"id": found.run.id, "ledger": fields(found.folded, found.folded.values)}
    if found.folded.seq == found.run.seq:
        document["row"] = fields(found.run, found.values)
        document["differences"] = [difference(one) for one in found.differences]
    return document


def _verdict(count: int) -> str:
    return "the ledger and the row agree" if not count else f"{count} difference{'' if count == 1 else 's'}"


def _all(here: Session, engine: "Engine") -> Exit:
    count, found = 0, []
    with meter(quiet=here.options.quiet) as shown:
        for replayed in operations.replays(engine):
            count += 1
            if replayed.differences:
                found.append((replayed.run, replayed.differences))
            shown.show(f"{count:,} runs replayed, {len(found):,} differ from their ledgers")
    if here.options.json:
        emit(as_json([{"id": run.id, "differences": [difference(one) for one in several]} for run, several in found]))
    elif found:
        emit(differing(found, room(), None, colour=colours(sys.stdout)))
    if not here.options.quiet:
        agreed = f"{count - len(found):,} of {count:,} runs"
        tell(f"{agreed} agree with their ledgers")
    return Exit.FAULTS if found else Exit.FINE
