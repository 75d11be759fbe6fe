"""`fsm backup`: a copy of the store, taken while others work on it."""

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.meter import meter
from fsm.cli.output import as_json, emit, tell
from fsm.cli.session import session
from fsm.render.sizes import sized


@click.command("backup")
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@options.store
@options.json
@options.quiet
def command(file: str, force: bool) -> int:
    """Copy the store while others work on it.

    FILE holds the store as it is at one instant, and opens as a store itself. It is written under another name, synced
    and checked before it gets its own. Runs that are driven meanwhile are in it as if their process had died.
    """
    here = session()
    with here.existing() as engine, meter(quiet=here.options.quiet) as shown:

        def watch(done: int, total: int) -> None:
            shown.show("checking the copy" if done == total else f"copied {done / total:.0%}")

        made = operations.backup(engine, file, force=force, watch=watch)
    if here.options.json:
        emit(as_json({"path": str(made.path), "size_bytes": made.size_bytes, "store_bytes": made.store_bytes}))
    if not here.options.quiet:
        tell(f"{here.store} ({sized(made.store_bytes)}) is copied to {made.path} ({sized(made.size_bytes)}), checked")
    return 0
