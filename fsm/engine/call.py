"""One call of an action, and how it ended. In a process of its own, little more than this is loaded."""

from contextvars import Context as CallContext
from dataclasses import dataclass
from typing import Any, NamedTuple

from fsm.actions.classify import classify
from fsm.actions.context import Context
from fsm.actions.registry import Action
from fsm.errors import FSMError, LeaseLost, UsageError
from fsm.model.run import Failure


@dataclass(slots=True)
class Call:
    """One call of an action, ready to be made.

    Attributes:
        arguments: what it is given; in a process of its own, JSON texts that are read there, or None for null.
        context: what the action was given to talk to the engine; None when it takes none.
        limit_ms: how long it may take, or None.
        ends_visit: whether that limit is the visit's deadline.
        within: the context variables to make it with, where a thread's or task's own would not do.
        beat_ms: how long it may be silent, or None.
        is_probe: whether it asks what became of an earlier attempt.
    """

    action: Action
    arguments: dict[str, Any]
    context: Context | None
    limit_ms: int | None
    beat_ms: int | None
    ends_visit: bool = False
    is_probe: bool = False
    within: CallContext | None = None


class Returned(NamedTuple):
    """The call came back.

    Attributes:
        value: what the action returned; from a process of its own what that amounts to, `Succeeded` or None.
    """

    value: Any


class Raised(NamedTuple):
    """The call raised, or was given up: `failure` says which."""

    failure: Failure


def raised(error: Exception) -> Raised:
    """Return what an exception of an action amounts to; the engine's own go on as they are."""
    if isinstance(error, LeaseLost) or (isinstance(error, FSMError) and not isinstance(error, UsageError)):
        raise error
    return Raised(classify(error))
