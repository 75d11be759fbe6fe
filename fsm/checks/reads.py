"""What a state reads: the names in its expressions, its `reads`, the parameters of its action."""

import ast
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fsm.expressions import Expression
from fsm.model.definition import ActionState, Probe, State
from fsm.model.signature import Signature
from fsm.model.workflow import expressions_of, own_names
from fsm.source.tree import Path


class Read(NamedTuple):
    """One name that a state reads.

    Attributes:
        name: of an input or artifact.
        path: where it is read, inside the state.
        place: the characters of the expression there, if it is one.
        parameter: it is read because the action, or the probe, has a parameter of this name.
        needed: it must be written; else its parameter has a default, or `optional` gives null.
    """

    name: str
    path: Path
    place: tuple[int, int] | None
    parameter: bool
    needed: bool


def reads_of(state: State, signatures: Mapping[str, Signature] | None) -> Iterator[Read]:
    """Yield what a state reads, in no special order; a name may come several times."""
    for path, expression in expressions_of(state):
        for name in sorted(own_names(expression.names)):
            yield Read(name, path, place_of(name, expression), False, name not in state.optional)
    if isinstance(state, ActionState):
        yield from _read_by_action(state, signatures or {})


def _read_by_action(state: ActionState, signatures: Mapping[str, Signature]) -> Iterator[Read]:
    """Yield what the parameters read: what `reads` and `optional` name, or without `reads` all that are not given."""
    for n, name in enumerate(state.reads or ()):
        yield Read(name, ("reads", n), None, False, name not in state.optional)
    for n, name in enumerate(state.optional):
        yield Read(name, ("optional", n), None, False, False)
    for path, action in performed(state) if state.reads is None else ():
        for parameter in signatures[action].parameters if action in signatures else ():
            name = parameter.name
            if name not in state.with_ and name not in state.optional:
                yield Read(name, path, None, True, parameter.required)


def performed(state: ActionState) -> Iterator[tuple[Path, str]]:
    """Yield the action of a state and its probe, each with its path inside the state."""
    yield ("action",), state.action
    if isinstance(state.interrupted, Probe):
        yield ("interrupted", "probe"), state.interrupted.probe


def place_of(name: str, expression: Expression) -> tuple[int, int]:
    """Return the characters at which an expression first reads a name."""
    places = [
        (node.col_offset, node.end_col_offset or node.col_offset)
        for node in ast.walk(expression.tree)
        if isinstance(node, ast.Name) and node.id == name
    ]
    return min(places, default=(0, len(expression.text)))
