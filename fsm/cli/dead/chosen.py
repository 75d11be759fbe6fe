"""Which dead runs a command line means: one of them, those of a workflow or a state of it, or all."""

from typing import TYPE_CHECKING

import click

from fsm.cli import options
from fsm.errors import UsageError
from fsm.model.letter import DeadLetter
from fsm.operations.dead_letters import letter_of, letters

if TYPE_CHECKING:
    from fsm.engine.engine import Engine

run_id = click.argument("run_id", metavar="[RUN]", type=options.RUN_ID, required=False)
workflow = click.option("--workflow", type=options.TEXT, metavar="NAME", help="Runs of this workflow.")
state = click.option("--state", type=options.TEXT, metavar="NAME", help="Of these, the runs that failed in this state.")
failed = click.option("--failed", is_flag=True, help="Runs that ended at an `end: failure`, too.")
every = click.option("--all", "every", is_flag=True, help="All dead runs.")


def chosen(
    engine: "Engine", run_id: str | None, workflow: str | None, state: str | None, *, failed: bool, every: bool
) -> list[DeadLetter]:
    """Return the dead letters that a command line means.

    Raises:
        UsageError: it names none, or several kinds at once.
        NotFound: there is no such run.
    """
    if [run_id is not None, workflow is not None, every].count(True) != 1:
        raise UsageError("name one RUN, or --workflow NAME, perhaps with --state NAME, or --all")
    if run_id is not None:
        if state is not None:
            raise UsageError("--state goes with --workflow or --all; for the state to go back to there is --at")
        return [letter_of(engine, engine.get(run_id))]
    return list(letters(engine, workflow, state, failed=failed))
