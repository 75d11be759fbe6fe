"""From what an action returned to a result: an outcome with its value as JSON text, or why that cannot be."""

from typing import Any

from fsm.actions.outcome import Outcome
from fsm.actions.registry import Action
from fsm.actions.values import NotStorable, dump, plain
from fsm.model.run import Failed, Failure, Succeeded


def concluded(action: Action, value: Any, *, is_probe: bool) -> Succeeded | Failed | None:
    """Return what a returned value amounts to; None is a probe's answer that nothing was done."""
    if is_probe and value is None:
        return None
    if is_probe and not isinstance(value, Outcome):
        said = f'probe "{action.name}" returned {type(value).__name__}; an Outcome, or None for "not done"'
        return Failed(Failure.of_verdict("InvalidResult", said, value=plain(value)))
    outcome = value.name if isinstance(value, Outcome) else "success"
    returned = value.value if isinstance(value, Outcome) else value
    returns = action.returns or {}
    try:
        return Succeeded(outcome, dump(returned, returns.get(outcome, Any)))
    except NotStorable as error:
        said = f'"{action.name}" returned what does not fit: {error}'
        return Failed(Failure.of_verdict("InvalidResult", said, value=plain(returned)))
