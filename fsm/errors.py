"""The errors of this package, by whose fault they are.

    FSMError
    ├── DefinitionError            the definition is unsound: .diagnostics
    ├── UsageError                 the caller asked for what cannot be
    │   ├── NotFound
    │   ├── IllegalTransition      .state, .event, .legal
    │   ├── KeyConflict
    │   └── MissingAction
    ├── LeaseLost                  another process holds the run now; this one's result was discarded
    └── StoreError                 the database file
        ├── StoreBusy
        └── SchemaError

    ActionError                    what an action may raise to say what went wrong
    ├── RateLimited                .retry_after_s
    ├── Unavailable                .retry_after_s
    ├── Timeout
    ├── HeartbeatLost
    ├── BadRequest
    └── NotReady

Only these and what the user's own code raises ever leave the engine.
"""

from collections.abc import Sequence
from typing import Any

from fsm.diagnostics import Diagnostic


class FSMError(Exception):
    """The root of all errors of the engine."""


class DefinitionError(FSMError):
    """A definition is unsound; `diagnostics` holds every finding, sorted."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(found) for found in self.diagnostics))


class UsageError(FSMError):
    """The caller asked for something that cannot be."""


class NotFound(UsageError):
    """There is no such run, workflow or transition."""


class IllegalTransition(UsageError):
    """The definition declares no such edge from where the run is.

    Attributes:
        state: where the run is.
        event: what was asked for.
        legal: the events that are legal there, sorted.
    """

    def __init__(self, state: str, event: str, legal: Sequence[str], why: str | None = None) -> None:
        self.state = state
        self.event = event
        self.legal = tuple(legal)
        allowed = ", ".join(self.legal) or "none"
        super().__init__(
            f'event "{event}" is not legal in state "{state}"'
            + (f": {why}" if why else "")
            + f"; legal here: {allowed}"
        )


class KeyConflict(UsageError):
    """The same key came with other input, or the same signal id with another payload."""


class MissingAction(UsageError):
    """The run stands at an action that is not registered here; it stays where it is."""


class LeaseLost(FSMError):
    """Another process took the run; what this one wanted to commit was discarded."""


class StoreError(FSMError):
    """The database file cannot be used, or refused a write."""


class StoreBusy(StoreError):
    """Another process holds the writer lock for too long."""


class SchemaError(StoreError):
    """The file is not a store of this engine, or of a newer one."""


class ActionError(Exception):
    """What an action raises to name the kind of failure; `value` reaches the error edge."""

    def __init__(self, message: str = "", *, value: Any = None) -> None:
        super().__init__(message)
        self.value = value


class _Delayed(ActionError):
    """A failure that may name the wait the other side asked for, in seconds."""

    def __init__(self, message: str = "", *, retry_after_s: float | None = None, value: Any = None) -> None:
        super().__init__(message, value=value)
        self.retry_after_s = retry_after_s


class RateLimited(_Delayed):
    """The service asks to slow down (HTTP 429)."""


class Unavailable(_Delayed):
    """The service cannot be reached or is failing (connection errors, HTTP 408 and 5xx)."""


class Timeout(ActionError):
    """One attempt took longer than its `timeout`; whether it had an effect is unknown."""


class HeartbeatLost(ActionError):
    """An attempt gave no sign of life for longer than its `heartbeat`."""


class BadRequest(ActionError):
    """The service refused the request itself (other HTTP 4xx, validation errors)."""


class NotReady(ActionError):
    """What was asked for is not there yet; poll again under a retry policy."""
