"""`fsm dead drop`: delete dead runs with everything they have."""

from typing import TYPE_CHECKING

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.asking import confirm, dry_run, yes
from fsm.cli.bulk import each
from fsm.cli.dead.chosen import chosen, every, failed, run_id, state, workflow
from fsm.cli.session import session
from fsm.kernel.moves import require_droppable

if TYPE_CHECKING:
    from fsm.model.run import Run


@click.command("drop")
@run_id
@workflow
@state
@failed
@every
@yes
@dry_run
@options.actor
@options.reason
@options.store
@options.json
@options.quiet
def command(
    *, run_id: str | None, workflow: str | None, state: str | None, failed: bool, every: bool, yes: bool, dry_run: bool,
    actor: str | None, reason: str | None,
) -> int:  # fmt: skip
    """Delete dead runs with everything they have.

    RUN, or all of a workflow, of a state of it, or of the store. Ledger, values and signals go; who did it, when and
    why is kept. A live run is refused.
    """
    here = session()
    with here.existing() as engine:
        runs = [letter.run for letter in chosen(engine, run_id, workflow, state, failed=failed, every=every)]
        if run_id is not None:
            require_droppable(runs[0])

        def drop(run: "Run") -> str:
            if dry_run:
                require_droppable(run)
                return "would be dropped"
            operations.drop(engine, run.id, actor=actor, reason=reason)
            return "dropped"

        if runs and not dry_run:
            what = f"run {runs[0].id} with everything in it" if len(runs) == 1 else f"{len(runs)} runs and all in them"
            confirm(f"Drop {what}?", yes=yes)
        return each(here, runs, drop, done="would be dropped" if dry_run else "dropped")
