"""Rules about the graph: every arrow leads somewhere, everything can be reached, and everything ends."""

from collections.abc import Iterator, Mapping

from fsm.checks.case import Case
from fsm.checks.paths import arrows, components, shortest
from fsm.diagnostics import Diagnostic
from fsm.kernel.retry import matches
from fsm.model.definition import ActionState, EndState, SignalState, State, SwitchState, WaitState
from fsm.model.run import Failure
from fsm.source.tree import Path


def unknown_target(case: Case) -> Iterator[Diagnostic]:
    """Every arrow leads to a state of the file."""
    known = frozenset(case.network.names)
    for path, target in _targets(case):
        if target not in known:
            yield case.at("FSM301", f'no state "{target}"', path, case.near(target, known))


def _targets(case: Case) -> Iterator[tuple[Path, str]]:
    """Yield every target as written, with its place."""
    yield ("start",), case.workflow.start
    for path, clauses in case.routes():
        for name, target in clauses.items():
            yield (*path, name), target
    for name, state in case.workflow.definition.states.items():
        for path, target in _own_targets(state):
            yield ("states", name, *path), target


def _own_targets(state: State) -> Iterator[tuple[Path, str]]:
    """Yield where a state leads but for its errors, with the place inside the state."""
    match state:
        case ActionState():
            for outcome, target in (state.success or {}).items():
                yield ("success", outcome), target
        case WaitState() if state.success:
            yield ("success",), state.success
        case SwitchState():
            for n, rule in enumerate(state.switch):
                yield ("switch", n, "to"), rule.to
        case SignalState():
            for signal, arm in state.signal.items():
                yield ("signal", signal, "to"), arm.to


def unreachable(case: Case) -> Iterator[Diagnostic]:
    """Every state can be reached from the start."""
    reachable = case.network.reachable
    for name in case.network.names if reachable else ():
        if name not in reachable:
            yield case.at_key("FSM302", f'"{name}" cannot be reached from start', ("states", name),
                              "remove it, or let an edge lead to it")  # fmt: skip


def no_way_out(case: Case) -> Iterator[Diagnostic]:
    """Every action and every wait says where its success leads; no default does."""
    for name, state in case.whole.items():
        if isinstance(state, (ActionState, WaitState)) and not state.success:
            yield case.at_key("FSM303", f'"{name}" has no way out: its success edge is missing',
                              ("states", name), 'write "success: <state>"')  # fmt: skip


def endless(case: Case) -> Iterator[Diagnostic]:
    """From every state that can be reached an end can be reached; each trap is reported once."""
    network = case.network
    if not _has_end(case):
        return
    trapped = [name for name in network.names if name in network.reachable - network.can_finish]
    following = {name: [edge.target for edge in network.leaving[name]] for name in trapped}
    for trap in components(trapped, following.__getitem__):
        if all(target in trap for name in trap for target in following[name]):
            first = network.first(trap)
            others = f"; all its edges lead back among {len(trap)} states" if len(trap) > 1 else ""
            yield case.at_key("FSM304", f'no path from "{first}" to any end{others}', ("states", first),
                              "let an edge lead on to an end state")  # fmt: skip


def _has_end(case: Case) -> bool:
    return bool(case.damaged) or any(isinstance(state, EndState) for state in case.workflow.states.values())


def no_end(case: Case) -> Iterator[Diagnostic]:
    """A workflow has an end."""
    if not _has_end(case):
        yield case.at_key("FSM305", "no end state", ("states",), 'add one, such as "done: {end: success}"')


def unbounded_cycle(case: Case) -> Iterator[Diagnostic]:
    """Every cycle has a state with `max_visits` whose edge beyond them leads out, or turns only by a signal."""
    # A state whose visits are used up goes on by its edge for VisitsExceeded alone. What can still turn when all
    # bounded states do so turns for ever.
    network, bounded = case.network, case.workflow.bounded
    live = network.reachable & network.can_finish - case.damaged
    following = {
        name: _beyond(case, name) if name in bounded else _unasked(case, name) for name in network.names if name in live
    }
    for component in components(following, following.__getitem__):
        first = network.first(component)
        if len(component) > 1 or first in following[first]:
            cycle = _cycle(first, component, following)
            stuck = next((name for name in cycle if name in bounded), None)
            hint = (
                f'beyond max_visits "{stuck}" stays in the cycle: lead its error edge for VisitsExceeded out of it'
                if stuck
                else "add max_visits" + (" to one of them" if len(component) > 1 else "")
            )
            yield case.at_key("FSM306", f"cycle {arrows(cycle)} is unbounded", ("states", first), hint)


def _beyond(case: Case, name: str) -> list[str]:
    """Return where a state leads once its visits are used up; nowhere when nothing says so, for then the run dies."""
    clauses = getattr(case.workflow.states[name], "error", None) or {}
    spent = Failure.of_verdict("VisitsExceeded", "")
    return [to for clause, to in clauses.items() if matches(clause, spent, case.workflow.error_groups)][:1]


def _unasked(case: Case, name: str) -> list[str]:
    """Return where a state can lead without a signal from outside."""
    return [edge.target for edge in case.network.leaving[name] if not edge.event.startswith("signal:")]


def _cycle(first: str, component: list[str], following: Mapping[str, list[str]]) -> list[str]:
    within = frozenset(component)
    inner = {name: [target for target in following[name] if target in within] for name in component}
    cycle = shortest(first, inner.__getitem__, lambda name: name == first)
    assert cycle is not None
    return cycle


def only_failure(case: Case) -> Iterator[Diagnostic]:
    """A workflow can succeed."""
    ends = [
        state.end
        for name, state in case.workflow.states.items()
        if isinstance(state, EndState) and name in case.network.reachable
    ]
    if ends and "success" not in ends and not case.damaged:
        yield case.at("FSM311", "only failure ends can be reached", ("start",), 'let an edge lead to an "end: success"')


def only_by_error(case: Case) -> Iterator[Diagnostic]:
    """A state that only error edges lead to is worth knowing."""
    network = case.network
    guessed = frozenset[str]().union(*network.guesses.values())
    for name, state in case.workflow.states.items():
        events = [edge.event for edge in network.entering[name] if edge.source != name]
        if isinstance(state, EndState) or name in guessed or not events:
            continue
        if all(event.startswith("error:") for event in events):
            yield case.at_key("FSM313", f'"{name}" is reached only through error edges', ("states", name))


RULES = (
    unknown_target,
    unreachable,
    no_way_out,
    endless,
    no_end,
    unbounded_cycle,
    only_failure,
    only_by_error,
)
