"""Redrive: a failed or dead run tries again."""

from collections.abc import Mapping
from typing import Any

from fsm.engine.engine import Engine
from fsm.engine.inputs import checked_changes
from fsm.kernel import moves
from fsm.model.run import Decision, Run


def redrive(
    engine: Engine, run_id: str, *, at: str | None = None, changes: Mapping[str, Any] | None = None,
    actor: str | None = None, reason: str | None = None,
) -> Run:  # fmt: skip
    """Let a failed or dead run try again from the state that failed, in the same visit; `resume` drives it.

    Also the answer "do it again" to a run that asks whether an interrupted attempt took effect.

    Args:
        at: another state to go back to, one that the run has been in: again in its latest visit, with the same
            idempotency key. To do it anew, with another key, rewind the run.
        changes: what takes the place of inputs and artifacts, by name.

    Raises:
        IllegalTransition: the run is neither, or was never in that state.
        UsageError: a change is of no name of the workflow, or of another type than its input.
    """
    return engine.move(run_id, lambda run: decided(engine, run, at, changes or {}, actor, reason))


def decided(
    engine: Engine, run: Run, at: str | None, changes: Mapping[str, Any], actor: str | None, reason: str | None
) -> Decision:
    """Return what a redrive would commit; raises as `redrive`."""
    flow = engine.workflow(run)
    failed = None if moves.asks_person(run) else engine.store.last_failure(run)
    visited = None if at is None else engine.store.visited(run)
    written = checked_changes(flow, changes)
    return moves.redrive(flow, run, failed, engine.clock.now(), actor, reason, at=at, visited=visited, changes=written)
