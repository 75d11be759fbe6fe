"""Durable workflows that are explicit finite-state machines.

One YAML file holds the states and the edges between them. It is proved sound before anything runs, the run's state is
committed to SQLite after every edge, and a process that dies is resumed from its last edge.

    import fsm

    @fsm.action("greet.say")
    def say(name: str) -> str: ...

    for fault in fsm.check("definitions/"): print(fault)
    engine = fsm.Engine("runs.db", definitions="definitions/", actions=[say])
    run = engine.run("greet", {"name": "Ana"}, key="ana")
    engine.resume()

Names are loaded on first use, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsm.actions.context import AsyncContext, Context
    from fsm.actions.outcome import Outcome
    from fsm.actions.registry import action
    from fsm.diagnostics import Diagnostic, Severity
    from fsm.engine.checking import check
    from fsm.engine.engine import Engine
    from fsm.errors import (
        ActionError,
        BadRequest,
        DefinitionError,
        FSMError,
        HeartbeatLost,
        IllegalTransition,
        KeyConflict,
        LeaseLost,
        MissingAction,
        NotFound,
        NotReady,
        RateLimited,
        SchemaError,
        StoreBusy,
        StoreError,
        Timeout,
        Unavailable,
        UsageError,
    )
    from fsm.model.run import Run, Transition
    from fsm.store.answers import Written

_ROOMS = {
    "fsm.actions.context": ("AsyncContext", "Context"),
    "fsm.actions.outcome": ("Outcome",),
    "fsm.actions.registry": ("action",),
    "fsm.diagnostics": ("Diagnostic", "Severity"),
    "fsm.engine.checking": ("check",),
    "fsm.engine.engine": ("Engine",),
    "fsm.errors": (
        "ActionError", "BadRequest", "DefinitionError", "FSMError", "HeartbeatLost", "IllegalTransition", "KeyConflict",
        "LeaseLost", "MissingAction", "NotFound", "NotReady", "RateLimited", "SchemaError", "StoreBusy", "StoreError",
        "Timeout", "Unavailable", "UsageError",
    ),
    "fsm.model.run": ("Run", "Transition"),
    "fsm.store.answers": ("Written",),
}  # fmt: skip
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "ActionError", "AsyncContext", "BadRequest", "Context", "DefinitionError", "Diagnostic", "Engine", "FSMError",
    "HeartbeatLost", "IllegalTransition", "KeyConflict", "LeaseLost", "MissingAction", "NotFound", "NotReady",
    "Outcome", "RateLimited", "Run", "SchemaError", "Severity", "StoreBusy", "StoreError", "Timeout", "Transition",
    "Unavailable", "UsageError", "Written", "action", "check",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fsm' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
