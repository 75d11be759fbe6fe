"""The types of the names that a workflow's states read, and whether one type can certainly not be another."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict

from fsm.checks.case import Case
from fsm.checks.reads import performed
from fsm.expressions.shapes import alternatives, kind, record, union
from fsm.model.definition import ActionState, Arm, InputField, SignalState, State
from fsm.model.workflow import writes_of

Writers = Mapping[str, list[tuple[Any, list[str]]]]
"""For each name the types under which it is written, and the states that write each."""


def _record(name: str, fields: Mapping[str, Any]) -> Any:
    return TypedDict(name, dict(fields))  # type: ignore[operator]


ERROR = _record("error", {"class": str, "message": str, "state": str, "attempt": int, "value": Any})
RUN = _record("run", {"id": str, "key": str | None, "workflow": str, "version": int, "started_at": Any,
                      "visits": dict[str, int]})  # fmt: skip


def _either(types: Iterable[Any]) -> Any:
    """Return one type for several; Any where somebody annotated with what is no type."""
    try:
        return union(types)
    except TypeError:
        return Any


def of_input(field: InputField) -> Any:
    """Return the type of an input; null is one of its values when that is its default."""
    annotation = field.type.annotation
    return annotation if field.required or field.default is not None else _either([annotation, None])


def of_result(case: Case, state: State) -> Any:
    """Return the type of what a state writes; Any when it is not known."""
    if isinstance(state, ActionState):
        return _either(_results(case, state))
    return of_payload(state) if isinstance(state, SignalState) else Any


def _results(case: Case, state: ActionState) -> Iterator[Any]:
    """Yield the types that an action, or its probe, returns; a probe's null says "not done" and is no result."""
    for path, action in performed(state):
        signature = (case.signatures or {}).get(action)
        if signature is None or signature.returns is None:
            yield Any
            continue
        for outcome, annotation in signature.returns.items():
            is_answer = path != ("action",) and outcome == "success"
            options = [option for option in alternatives(annotation) if kind(option) != "null"]
            if options or not is_answer:
                yield _either(options) if is_answer else annotation


def of_payload(state: SignalState) -> Any:
    """Return the type of what a signal brings."""
    return _either(_of_arm(name, arm) for name, arm in state.signal.items())


def _of_arm(name: str, arm: Arm) -> Any:
    fields = {key: given.annotation for key, given in arm.payload.items()}
    return _record(name, fields) if fields else dict[str, Any]


def writers(case: Case) -> Writers:
    """Return who writes what, for all states that were read in full."""
    found: dict[str, list[tuple[Any, list[str]]]] = {}
    for writer, state in case.whole.items():
        name = writes_of(writer, state)
        if name:
            types = found.setdefault(name, [])
            annotation = of_result(case, state)
            same = next((states for known, states in types if known == annotation), None)
            if same is None:
                types.append((annotation, [writer]))
            else:
                same.append(writer)
    return found


def of_names(case: Case) -> Mapping[str, Any]:
    """Return the type of every name that may be read, whoever wrote it."""
    found: dict[str, list[Any]] = {name: [of_input(field)] for name, field in case.workflow.definition.input.items()}
    for name, state in case.workflow.states.items():
        written = writes_of(name, state)
        if written:
            found.setdefault(written, []).append(of_result(case, state))
    unknown = dict.fromkeys(case.written_by_damaged, Any)
    return {**{name: _either(types) for name, types in found.items()}, **unknown, "error": ERROR, "run": RUN}


def is_hopeless(given: Any, wanted: Any) -> bool:
    """Return whether no value of one type, stored as JSON, can be read as the other."""
    return not any(_may_be(one, other) for one in alternatives(given) for other in alternatives(wanted))


def _may_be(given: Any, wanted: Any) -> bool:
    pair = kind(given), kind(wanted)
    if "any" in pair:
        return True
    if pair == ("dict", "dict"):
        return not _lacks_fields(given, wanted)
    return pair[0] == pair[1] or pair == ("int", "float")


def _lacks_fields(given: Any, wanted: Any) -> bool:
    """Return whether a record has fields without a default that another, closed one certainly lacks."""
    known = record(given)
    if known is None or known.is_open or not hasattr(wanted, "model_fields"):
        return False
    if wanted.__pydantic_decorators__.model_validators:
        return False
    required = [(name, field) for name, field in wanted.model_fields.items() if field.is_required()]
    return any(
        field.validation_alias in (None, field.alias) and not {name, field.alias} & known.fields.keys()
        for name, field in required
    )


def is_stored_as(annotation: Any, *wanted: str) -> bool:
    """Return whether a value may be of one of the kinds `wanted`."""
    return any(kind(option) in {*wanted, "any"} for option in alternatives(annotation))
