"""Drop: a dead letter that nobody will mend is deleted with everything it has."""

from fsm.engine.engine import Engine
from fsm.kernel import moves
from fsm.model.run import Run
from fsm.store.answers import Dropped


def drop(engine: Engine, run_id: str, *, actor: str | None = None, reason: str | None = None) -> Run:
    """Delete a dead or failed run: its ledger, its values, its signals; return it as it was.

    Who did it and why is kept, with the hash that the ledger ended with.

    Raises:
        IllegalTransition: the run is neither dead nor failed.
    """
    while True:
        run = engine.get(run_id)
        moves.require_droppable(run)
        if engine.store.delete([run], Dropped(engine.clock.now(), actor, reason)):
            return run
