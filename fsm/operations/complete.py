"""Complete: a person vouches for the result of an action."""

from typing import Any

from fsm.actions.values import dump
from fsm.engine.engine import Engine
from fsm.kernel import moves
from fsm.model.run import Decision, Run


def complete(
    engine: Engine, run_id: str, value: Any = None, *, outcome: str = "success", actor: str, reason: str | None = None
) -> Run:
    """Cross a state's success edge with a result that a person vouches for; `resume` drives the run on.

    The answer "it was done" to a run that asks, and a repair of a failed or dead one.

    Raises:
        IllegalTransition: nobody is asked for, or the state declares no such outcome.
    """
    text = dump(value, Any)

    def move(run: Run) -> Decision:
        flow = engine.workflow(run)
        failed = None if moves.asks_person(run) else engine.store.last_failure(run)
        if failed:
            moves.require_there(flow, run, failed, "complete")
        values = engine.values(run, failed.source if failed else run.state)
        return moves.complete(flow, run, failed, outcome, text, engine.clock.now(), actor, reason, values)

    return engine.move(run_id, move)
