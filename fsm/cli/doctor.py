"""`fsm doctor`: prove that a store is sound."""

import sys

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.exits import Exit
from fsm.cli.meter import meter
from fsm.cli.output import as_json, colours, emit, tell
from fsm.cli.session import session
from fsm.operations.doctor import FINDINGS_MAX
from fsm.render.findings import fields, listed, summary


@click.command("doctor")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=FINDINGS_MAX,
    show_default=True,
    metavar="N",
    help="Print at most so many findings of each kind.",
)
@click.option("--deep", is_flag=True, help="Verify the hash chains, too, as `fsm audit` does.")
@options.store
@options.json
@options.quiet
def command(*, limit: int, deep: bool) -> int:
    """Prove that the store is sound, and that every live run has a reason to wake.

    The file, its schema, the edges that the law goes by, every run against its ledger, what belongs to runs, and what
    each live run waits for. Nothing is repaired, and nobody is held up. The exit code is 1 where something is wrong;
    notes are only worth knowing.
    """
    here = session()

    def show(what: str, done: int, of: int) -> None:
        progress.show(f"looking at {what}" + (f": {done} of about {of}" if of else ""))

    with here.existing() as engine, meter(quiet=here.options.quiet) as progress:
        found = operations.doctor(engine, deep=deep, limit=limit, watch=show)
    if here.options.json:
        emit(as_json({
            "sound": found.is_sound, "runs": found.runs, "counts": dict(found.counts),
            "findings": [fields(finding, here.line) for finding in found.findings],
        }))  # fmt: skip
    elif found.findings:
        emit(listed(found.findings, found.counts, here.line, colour=colours(sys.stdout)))
    if not here.options.quiet:
        tell(summary(found.counts, found.runs, deep=deep))
    return Exit.FINE if found.is_sound else Exit.FAULTS
