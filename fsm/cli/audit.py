"""`fsm audit`: verify that the store holds what was committed to it."""

import sys
from typing import TYPE_CHECKING

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.exits import Exit
from fsm.cli.meter import meter
from fsm.cli.output import as_json, colours, emit, room, tell
from fsm.cli.session import session
from fsm.render.audited import fields, listed, summary

if TYPE_CHECKING:
    from fsm.operations.audit import Audited


@click.command("audit")
@click.argument("run_id", metavar="[RUN]", type=options.RUN_ID, required=False)
@options.store
@options.json
@options.quiet
def command(run_id: str | None) -> int:
    """Verify that the store holds what was committed.

    Of one run, or of all: each row of a ledger against its hash, which covers all before it; each value against its
    digest; each transition against the declared edges and the law of operator moves; each run against its ledger.
    Every row that was altered is named. It reads only, a little at a time, and may run beside everything else.
    """
    here = session()
    with here.existing() as engine, meter(quiet=here.options.quiet) as shown:

        def watch(done: "Audited") -> None:
            shown.show(summary(done.runs, done.transitions, len(done.altered)))

        done = operations.audit(engine, run_id, watch=watch)
    if here.options.json:
        emit(as_json([fields(one) for one in done.altered]))
    elif done.altered:
        emit(listed(done.altered, room(), colour=colours(sys.stdout)))
    if not here.options.quiet:
        tell(summary(done.runs, done.transitions, len(done.altered)))
    return Exit.FAULTS if done.altered else Exit.FINE
