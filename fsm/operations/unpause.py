"""Unpause: the end of a pause."""

from fsm.engine.engine import Engine
from fsm.errors import NotFound, UsageError
from fsm.model.pause import Pause


def unpause(
    engine: Engine, workflow: str | None = None, state: str | None = None, *, actor: str | None = None,
    reason: str | None = None,
) -> Pause:  # fmt: skip
    """End the pause of everything, of a workflow, or of a state of it: of exactly what was paused, nothing narrower.

    What became due meanwhile goes on, and signals that came are taken. What another pause covers stays held back.

    Returns:
        The pause that is over.

    Raises:
        NotFound: exactly this is not paused; names what is.
    """
    if state is not None and workflow is None:
        raise UsageError(f'state "{state}" belongs to a workflow; name that, too')
    ended = engine.store.unpause(workflow or "", state or "", engine.clock.now(), actor=actor, reason=reason)
    if ended is None:
        wanted = Pause(workflow or "", state or "", stops_actions=False, actor=None, reason=None, at=0)
        paused = ", ".join(pause.subject for pause in engine.store.pauses())
        raise NotFound(f"{wanted.subject} is not paused; paused: {paused or 'nothing'}")
    return ended
