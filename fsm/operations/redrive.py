"""Redrive: a failed or dead run tries again."""

from fsm.engine.engine import Engine
from fsm.kernel import moves
from fsm.model.run import Decision, Run


def redrive(engine: Engine, run_id: str, *, actor: str | None = None, reason: str | None = None) -> Run:
    """Let a failed or dead run try again from the state that failed, in the same visit; `resume` drives it.

    Also the answer "do it again" to a run that asks whether an interrupted attempt took effect.

    Raises:
        IllegalTransition: the run is neither.
    """

    def move(run: Run) -> Decision:
        failed = None if moves.asks_person(run) else engine.store.last_failure(run)
        return moves.redrive(engine.workflow(run), run, failed, engine.clock.now(), actor, reason)

    return engine.move(run_id, move)
