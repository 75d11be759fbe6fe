"""A workflow: a definition with its defaults written in, its edges listed, and what each state needs to know.

The edges are the law. `Workflow.edges` is the only place that derives them from a definition; the legality
table, the edge rows of the store, the graph and the checks are all made of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from fsm.expressions import Expression
from fsm.model.definition import (
    ActionState,
    Definition,
    EndState,
    Probe,
    RetryPolicy,
    SignalState,
    State,
    SwitchState,
    WaitState,
)
from fsm.model.names import SPECIAL
from fsm.model.run import Status

START = ""
"""The source of the `start` edge: where a run is before it is anywhere."""

ENDS: Mapping[str, Status] = {"success": "succeeded", "failure": "failed", "dead_letter": "dead"}


class Edge(NamedTuple):
    """A declared arrow; `ends` is the status that its target gives a run for good, or None."""

    source: str
    event: str
    target: str
    ends: Status | None


class RetryClause(NamedTuple):
    """One retry policy of a state: its name, or its place in the list when it has none."""

    name: str
    policy: RetryPolicy


def success_event(outcome: str) -> str:
    """Return the event by which an outcome leaves its state."""
    return "success" if outcome == "success" else f"success:{outcome}"


def writes_of(name: str, state: State) -> str | None:
    """Return the artifact that leaving the state by success writes."""
    if isinstance(state, (ActionState, SignalState)):
        return state.writes or name
    return None


def expressions_of(state: State) -> Iterator[tuple[tuple[str | int, ...], Expression]]:
    """Yield every expression of a state with its path inside the state."""
    match state:
        case ActionState():
            for name, given in state.with_.items():
                yield ("with", name), given
            if isinstance(state.idempotent, Expression):
                yield ("idempotent",), state.idempotent
            for n, condition in enumerate(state.require):
                yield ("require", n), condition
            for n, condition in enumerate(state.ensure):
                yield ("ensure", n), condition
        case SwitchState():
            for n, case in enumerate(state.switch):
                if case.when:
                    yield ("switch", n, "when"), case.when
        case WaitState():
            if state.wait.for_:
                yield ("wait", "for"), state.wait.for_
            if state.wait.until:
                yield ("wait", "until"), state.wait.until
        case SignalState():
            if state.match:
                yield ("match",), state.match
        case EndState():
            if state.output:
                yield ("output",), state.output
            if state.reason:
                yield ("reason",), state.reason


def _read_by(state: State) -> frozenset[str]:
    names = frozenset[str]().union(*(expression.names for _, expression in expressions_of(state)))
    if isinstance(state, EndState) and state.end != "success" and state.reason is None:
        return names | {"error"}
    return names


def _resolved(state: State, definition: Definition) -> State:
    """Return the state with what `defaults` supplies written in."""
    defaults = definition.defaults
    update: dict[str, object] = {}
    if not isinstance(state, EndState):
        own, given = state.error, defaults.error
        if own is None:
            update["error"] = given
        elif "else" not in own and given:
            update["error"] = own | {name: to for name, to in given.items() if name not in own}
    if isinstance(state, ActionState):
        if state.timeout is None:
            update["timeout"] = defaults.timeout
        if state.retry is None:
            update["retry"] = defaults.retry
    return state.model_copy(update=update) if update else state


def _retries(state: State, policies: Mapping[str, RetryPolicy]) -> tuple[RetryClause, ...]:
    """Return the retry clauses of a state; a policy that does not exist is left to the checks."""
    if not isinstance(state, ActionState) or not state.retry:
        return ()
    clauses = []
    for place, item in enumerate(state.retry, 1):
        if isinstance(item, RetryPolicy):
            clauses.append(RetryClause(str(place), item))
        elif item in policies:
            clauses.append(RetryClause(item, policies[item]))
    return tuple(clauses)


@dataclass(frozen=True, eq=False)
class Workflow:
    """A definition ready to run.

    Made from any definition whose shape is right, so that the checks can look at its graph; it is proved
    sound only when they find no error in it.

    Attributes:
        definition: as written.
        digest: SHA-256 of its content in hex; what a run is pinned to.
        states: every state with its defaults written in.
        retries: the retry clauses of every state that has any.
        edges: every declared arrow, `start` first, then in the order of the file.
    """

    definition: Definition
    digest: str
    states: Mapping[str, State] = field(init=False)
    retries: Mapping[str, tuple[RetryClause, ...]] = field(init=False)
    edges: tuple[Edge, ...] = field(init=False)

    def __post_init__(self) -> None:
        states = {name: _resolved(state, self.definition) for name, state in self.definition.states.items()}
        retries = {name: _retries(state, self.definition.policies) for name, state in states.items()}
        object.__setattr__(self, "states", states)
        object.__setattr__(self, "retries", {name: clauses for name, clauses in retries.items() if clauses})
        object.__setattr__(self, "edges", tuple(self._edges()))

    @property
    def name(self) -> str:
        return self.definition.workflow

    @property
    def version(self) -> int:
        return self.definition.version

    @property
    def start(self) -> str:
        return self.definition.start

    @cached_property
    def bounded(self) -> Mapping[str, int]:
        """The states with `max_visits`, and how many entries each allows."""
        return {name: state.max_visits for name, state in self.states.items() if state.max_visits}

    @cached_property
    def needs(self) -> Mapping[str, frozenset[str]]:
        """The names that the expressions of each state read, with those of the ends it leads to.

        What an action's parameters read comes on top; only the registry knows it.
        """
        own = {name: _read_by(state) for name, state in self.states.items()}
        ends = {name for name, state in self.states.items() if isinstance(state, EndState)}
        needs = dict(own)
        for edge in self.edges:
            if edge.target in ends and edge.source in needs:
                brought = {"error"} if edge.event.startswith("error:") else set()
                needs[edge.source] |= own[edge.target] - brought
        return needs

    @cached_property
    def artifacts(self) -> frozenset[str]:
        """Every name that a run of this workflow may hold: inputs and what states write."""
        written = (writes_of(name, state) for name, state in self.states.items())
        return frozenset(self.definition.input) | {name for name in written if name}

    @cached_property
    def ahead(self) -> Mapping[str, frozenset[str]]:
        """For each state, the states that can still come after it, itself included when a cycle leads back."""
        following: dict[str, set[str]] = {name: set() for name in self.states}
        for edge in self.edges:
            if edge.source in following and edge.event != "fault" and edge.target in following:
                following[edge.source].add(edge.target)
        return {name: frozenset(_closure(name, following)) for name in self.states}

    def actions(self) -> Mapping[str, list[str]]:
        """Return the names of all actions that states perform or probe with, and the states that do."""
        used: dict[str, list[str]] = {}
        for name, state in self.states.items():
            if isinstance(state, ActionState):
                used.setdefault(state.action, []).append(name)
                if isinstance(state.interrupted, Probe):
                    used.setdefault(state.interrupted.probe, []).append(name)
        return used

    @cached_property
    def error_groups(self) -> Mapping[str, tuple[str, ...]]:
        """The names declared under `errors`, each with the classes it stands for."""
        return {name: classes or (name,) for name, classes in self.definition.errors.items()}

    def _edges(self) -> Iterator[Edge]:
        yield self._edge(START, "start", self.start)
        for name, state in self.states.items():
            for event, target in self._events(name, state):
                yield self._edge(name, event, target)

    def _edge(self, source: str, event: str, target: str) -> Edge:
        if event == "fault":
            return Edge(source, event, target, "dead")
        state = self.states.get(target)
        return Edge(source, event, target, ENDS[state.end] if isinstance(state, EndState) else None)

    def _events(self, name: str, state: State) -> Iterator[tuple[str, str]]:
        """Yield what may happen in a state and where it leads."""
        match state:
            case EndState():
                return
            case ActionState():
                for outcome, target in (state.success or {}).items():
                    yield success_event(outcome), target
                for clause in self.retries.get(name, ()):
                    yield f"retry:{clause.name}", name
            case SwitchState():
                for place, case in enumerate(state.switch, 1):
                    yield (f"case:{place}" if case.when else "else"), case.to
            case WaitState() if state.success:
                yield "elapsed", state.success
            case SignalState():
                for signal, arm in state.signal.items():
                    yield f"signal:{signal}", arm.to
        for clause_name, target in (state.error or {}).items():
            yield f"error:{clause_name}", target
        yield "fault", name


def _closure(name: str, following: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    fresh = set(following[name])
    while fresh:
        seen |= fresh
        fresh = set().union(*(following[state] for state in fresh)) - seen
    return seen


def own_names(names: frozenset[str]) -> frozenset[str]:
    """Return those of `names` that are inputs or artifacts, not filled by the engine."""
    return names - (SPECIAL - {"error"})
