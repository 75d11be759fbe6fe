"""Pause: the kill switch. Holds back everything, a workflow, or one state of it."""

from collections.abc import Iterable

from fsm.diagnostics import did_you_mean
from fsm.engine.engine import Engine
from fsm.errors import NotFound, UsageError
from fsm.model.pause import Pause


def pause(
    engine: Engine, workflow: str | None = None, state: str | None = None, *, now: bool = False,
    actor: str | None = None, reason: str | None = None,
) -> Pause:  # fmt: skip
    """Let no action start and no edge be crossed, in any process, from the moment of return until `unpause`.

    What is in flight may end, and its result is committed; the run then goes no further. Signals are kept, clocks run
    on, and operators' moves work. A pause of the same takes the place of the one before.

    Args:
        workflow: only its runs, of every version; None for everything.
        state: only runs in this state of it.
        now: whether workers also interrupt the actions in flight that are asynchronous or in a process of their own.

    Raises:
        NotFound: neither the store nor the definitions know the workflow or the state.
        UsageError: a state without its workflow.
    """
    if state is not None and workflow is None:
        raise UsageError(f'state "{state}" belongs to a workflow; name that, too')
    if workflow is not None:
        _require(workflow, state, engine)
    made = Pause(workflow or "", state or "", now, actor, reason, engine.clock.now())
    engine.store.pause(made)
    return made


def _require(workflow: str, state: str | None, engine: Engine) -> None:
    """Make sure that a name is no slip: a pause of what does not exist holds nothing back."""
    given = [flow for flow in engine.library.flows if flow.name == workflow]
    stored = engine.store.states(workflow)
    if not given and not stored:
        known = {*engine.store.names(), *(flow.name for flow in engine.library.flows)}
        raise NotFound(f'no workflow "{workflow}" in the store or the definitions; {_near(workflow, known)}')
    states = stored.union(*(flow.states for flow in given))
    if state is not None and state not in states:
        raise NotFound(f'no version of "{workflow}" has a state "{state}"; {_near(state, states)}')


def _near(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known) or f"known: {', '.join(sorted(known)) or 'none'}"
