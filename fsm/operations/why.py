"""Why: the exact reasons that a run is where it is, and the commands that would move it."""

from typing import NamedTuple

from fsm.engine.engine import Engine
from fsm.errors import DefinitionError, UsageError
from fsm.kernel import why as reasoning
from fsm.model.definition import ActionState, Probe
from fsm.model.reason import Reason
from fsm.model.run import Run
from fsm.model.workflow import Workflow


class Explained(NamedTuple):
    """A run, and why it is where it is: everything that has to happen before it goes on, what stands in front first."""

    run: Run
    reasons: tuple[Reason, ...]


def why(engine: Engine, run_id: str) -> Explained:
    """Return why a run is not moving, as of one moment; also of one that moves, or has ended.

    Whether an action is missing is judged by the actions that this engine was given; one that was given none says
    nothing about it.

    Raises:
        NotFound: there is no such run.
    """
    now = engine.clock.now()
    standing = engine.store.standing(run_id, now)
    run = standing.run
    flow, unread = None, None
    try:
        flow = engine.workflow(run)
    except (DefinitionError, UsageError) as fault:
        unread = " ".join(str(fault).split())
    missing = _missing(engine, flow, run) if flow and len(engine.registry) else None
    return Explained(run, tuple(reasoning.why(standing, flow, now, missing=missing, unread=unread)))


def _missing(engine: Engine, flow: Workflow, run: Run) -> str | None:
    """Return what to say about the first action of the run's state that is not registered here."""
    state = flow.states.get(run.state)
    if not isinstance(state, ActionState):
        return None
    probe = state.interrupted.probe if isinstance(state.interrupted, Probe) else None
    return next((engine.registry.missing(name) for name in (state.action, probe)
                 if name is not None and name not in engine.registry), None)  # fmt: skip
