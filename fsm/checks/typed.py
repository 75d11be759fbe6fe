"""Rules about types: operands fit, fields exist, what is written fits what is read, and all of it is JSON."""

from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from typing import Any, get_origin

from fsm.checks.annotations import Writers, is_hopeless, is_stored_as, of_input, of_names, of_payload, writers
from fsm.checks.case import Case
from fsm.checks.reads import performed
from fsm.diagnostics import Diagnostic
from fsm.expressions import Expression, infer
from fsm.expressions.shapes import record, show
from fsm.model.definition import ActionState, SignalState, State
from fsm.model.signature import Parameter
from fsm.model.workflow import expressions_of
from fsm.source.tree import Path

_CODES = {"field": "FSM607", "compare": "FSM606", "operand": "FSM606", "call": "FSM606"}
_PLAIN = (dict, list, tuple, str, int, float)
_LAZY = (Generator, Iterator, AsyncIterator)


def wrong_expression(case: Case) -> Iterator[Diagnostic]:
    """An expression compares, counts and calls what it can, and reads fields that exist."""
    types = of_names(case)
    for name, state in case.workflow.states.items():
        for path, expression in expressions_of(state):
            _, faults = infer(expression, _known(expression, state, types))
            for fault in faults:
                if fault.kind in _CODES:
                    yield case.inside(_CODES[fault.kind], fault.message, ("states", name, *path),
                                      (fault.offset, fault.end), fault.hint)  # fmt: skip


def _known(expression: Expression, state: State, types: Mapping[str, Any]) -> dict[str, Any]:
    """Return the types of what an expression reads; a name of which nothing is known may be anything."""
    known = {name: types.get(name, Any) for name in expression.names}
    if "payload" in known and isinstance(state, SignalState):
        known["payload"] = of_payload(state)
    return known


_TIMES = {"for": (("int", "float"), "a number of seconds"), "until": (("str",), "an instant as text")}


def wait_for_no_time(case: Case) -> Iterator[Diagnostic]:
    """`for` is a number of seconds, `until` an instant."""
    types = of_names(case)
    for name, state in case.workflow.states.items():
        for path, expression in expressions_of(state):
            if path[0] != "wait":
                continue
            kinds, wanted = _TIMES[str(path[1])]
            annotation, faults = infer(expression, _known(expression, state, types))
            if not faults and not is_stored_as(annotation, *kinds):
                yield case.at("FSM606", f'"{path[1]}" is {wanted}, not {show(annotation)}',
                              ("states", name, *path))  # fmt: skip


def unfit_argument(case: Case) -> Iterator[Diagnostic]:
    """What an action is given can be what its parameter is declared to be."""
    if case.signatures is None:
        return
    types, written = of_names(case), writers(case)
    for name, state in case.whole.items():
        for where, action in performed(state) if isinstance(state, ActionState) else ():
            signature = case.signatures.get(action)
            for parameter in signature.parameters if signature else ():
                for giver, path, annotation in _unfit(case, (name, where), parameter, types, written):
                    takes = f'parameter "{parameter.name}" of {action} takes {show(parameter.annotation)}'
                    yield case.at("FSM604", f"{giver} {show(annotation)}; {takes}", ("states", name, *path))


def _unfit(
    case: Case, reader: tuple[str, Path], parameter: Parameter, types: Mapping[str, Any], written: Writers
) -> Iterator[tuple[str, Path, Any]]:
    """Yield what cannot be a parameter's value and yet comes to it: who gives it, where that is said, its type."""
    name, where = reader
    state = case.workflow.states[name]
    expression = state.with_.get(parameter.name) if isinstance(state, ActionState) else None
    field = case.workflow.definition.input.get(parameter.name)
    if expression is not None:
        annotation, _ = infer(expression, _known(expression, state, types))
        if is_hopeless(annotation, parameter.annotation):
            yield "this is", ("with", parameter.name), annotation
        return
    if field and is_hopeless(of_input(field), parameter.annotation):
        yield f'input "{parameter.name}" is', where, of_input(field)
    for annotation, states in written.get(parameter.name, ()):
        if is_hopeless(annotation, parameter.annotation):
            for writer in states:
                if name in case.flow.carried(writer):
                    yield f'"{writer}" writes', where, annotation


def not_json(case: Case) -> Iterator[Diagnostic]:
    """What an action returns can be stored as JSON."""
    seen: set[str] = set()
    for name, state in case.workflow.states.items():
        if not isinstance(state, ActionState) or state.action in seen:
            continue
        seen.add(state.action)
        signature = (case.signatures or {}).get(state.action)
        for annotation in (signature.returns or {}).values() if signature else ():
            if not _is_json(annotation):
                shown = getattr(annotation, "__name__", str(annotation))
                yield case.at("FSM610", f"{state.action} returns {shown}, which cannot be stored as JSON",
                              ("states", name, "action"), "return plain data or a pydantic model")  # fmt: skip


def _is_json(annotation: Any) -> bool:
    """Return whether pydantic can write a type as JSON; a doubt, such as an unresolved name, is none."""
    from pydantic import PydanticSchemaGenerationError, TypeAdapter  # noqa: PLC0415 - dear to import
    from pydantic.errors import PydanticInvalidForJsonSchema  # noqa: PLC0415

    if (get_origin(annotation) or annotation) in _LAZY:
        return False
    if record(annotation) or (isinstance(annotation, type) and issubclass(annotation, _PLAIN)):
        return True  # their fields are pydantic's own affair
    try:
        TypeAdapter(annotation).json_schema(mode="serialization")
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema):
        return False
    except Exception:  # noqa: BLE001 - a foreign class's own hooks may raise anything
        return True
    return True


RULES = (wrong_expression, wait_for_no_time, unfit_argument, not_json)
