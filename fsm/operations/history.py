"""History: every transition of a run with what went into it and what came out of it."""

from collections.abc import Iterator
from typing import NamedTuple

from fsm.actions.registry import Registry
from fsm.engine.engine import Engine
from fsm.engine.plan import plan_of
from fsm.model.definition import ActionState
from fsm.model.run import Artifact, Run, Transition
from fsm.model.workflow import Workflow, expressions_of, own_names

_LEFT = ("success", "error", "fault")
"""The events by which a state with an action is left after it was called."""


class Crossed(NamedTuple):
    """One transition with the values around it, JSON texts.

    Attributes:
        read: what the action of the state that it left had read, by name; for the first transition the inputs as they
            were given. None where there is no such thing.
        written: what it wrote; a value is None for a name that a rewind took back, and where it was pruned.
    """

    transition: Transition
    read: dict[str, str] | None
    written: tuple[Artifact, ...]


def history(engine: Engine, run_id: str, *, after: int = 0) -> Iterator[Crossed]:
    """Yield a run's transitions after seq `after`, each with what was read and written.

    An action has read what its parameters and the expressions of its state name. Where it is not registered here, only
    the definition tells: its expressions, `reads` and `optional`. A retry reads what its predecessor did, so only the
    transition that leaves the state says it.

    Raises:
        NotFound: there is no such run.
    """
    run = engine.get(run_id)
    flow: Workflow | None = None
    for row, written in engine.follow(run.id, after):
        if flow is None:
            flow = engine.library.pinned(engine.store, engine.store.moment(run, max(row.seq - 1, 1)).digest)
        yield Crossed(row, _read(engine, run, flow, row), written)
        if row.event == "migrate":
            flow = None  # from here on it is another one


def _read(engine: Engine, run: Run, flow: Workflow, row: Transition) -> dict[str, str] | None:
    if row.seq == 1:
        return engine.store.inputs(run)
    state = flow.states.get(row.source)
    if not isinstance(state, ActionState) or row.event.partition(":")[0] not in _LEFT:
        return None
    names = names_read(flow, row.source, engine.registry)
    return engine.store.values_at(run, sorted(names), row.seq - 1)


def names_read(flow: Workflow, name: str, registry: Registry) -> frozenset[str]:
    """Return the inputs and artifacts that a state's action reads, as far as is known here."""
    state = flow.states[name]
    assert isinstance(state, ActionState)
    # What `ensure` names is the new value, too.
    said = {expression.names for path, expression in expressions_of(state) if path[0] != "ensure"}
    named = own_names(frozenset[str]().union(*said))
    if state.action in registry:
        return named | plan_of(flow, name, registry[state.action]).names
    return named | {*(state.reads or ()), *state.optional}
