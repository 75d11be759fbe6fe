"""`fsm dead`: the runs that wait for somebody to mend what broke them."""

import click

from fsm.cli import options
from fsm.cli.dead import drop, ls, redrive, show


@click.group("dead")
@options.store
@options.json
@options.quiet
def command() -> None:
    """List, show, redrive and drop dead runs.

    A dead run is kept with everything that it takes to go on: mend the cause, then redrive it.
    """


for _verb in (ls, show, redrive, drop):
    command.add_command(_verb.command)
