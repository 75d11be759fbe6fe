"""Signals: which one a run takes, and what to say to a sender whose signal cannot be taken."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fsm.actions.values import NotStorable, dump
from fsm.errors import IllegalTransition, KeyConflict, UsageError
from fsm.expressions import EvaluationError
from fsm.kernel.decide import evaluate
from fsm.kernel.table import table_of
from fsm.model.definition import SignalState
from fsm.model.run import Kept, Received, Run
from fsm.model.types import TypeName
from fsm.model.workflow import Workflow


def receive(
    flow: Workflow, run: Run, kept: Sequence[Kept], values: Mapping[str, Any], last: int | None
) -> tuple[Received | None, tuple[int, ...], int]:
    """Return the signal that the run's state takes, if any; the ids that can never be taken; the newest id seen.

    Oldest first. One that came after the deadline, or does not match, is refused; one that needs more senders
    stays until enough distinct actors sent it.
    """
    state = flow.states[run.state]
    assert isinstance(state, SignalState)
    fitting: dict[str, list[Kept]] = {}
    refused = []
    for signal in kept:
        if (last is not None and signal.at >= last) or not matched(state, run, signal.payload, values):
            refused.append(signal.id)
            continue
        together = fitting.setdefault(signal.name, [])
        if state.signal[signal.name].count == 1 or signal.actor not in {other.actor for other in together}:
            together.append(signal)
        if len(together) >= state.signal[signal.name].count:
            ids = tuple(other.id for other in together)
            return Received(signal.name, json.dumps(signal.payload), ids, signal.actor), tuple(refused), signal.id
    return None, tuple(refused), max((signal.id for signal in kept), default=0)


def matched(state: SignalState, run: Run, payload: Any, values: Mapping[str, Any]) -> bool:
    """Return whether `match` lets a payload through; one it cannot be applied to does not match."""
    if state.match is None:
        return True
    try:
        return bool(evaluate(state.match, state, run, {**values, "payload": payload}))
    except EvaluationError:
        return False


def admissible(flow: Workflow, run: Run, name: str) -> SignalState:
    """Return the state that will take a signal: the run's own, or one still ahead.

    Raises:
        IllegalTransition: neither declares it, or the run has ended.
    """
    if run.is_final:
        raise IllegalTransition(run.state, f"signal:{name}", [], f"the run has ended, {run.status}")
    here = flow.states[run.state]
    if isinstance(here, SignalState) and name in here.signal:
        return here
    for ahead in sorted(flow.ahead[run.state]):
        state = flow.states[ahead]
        if isinstance(state, SignalState) and name in state.signal:
            return state
    raise IllegalTransition(run.state, f"signal:{name}", legal_signals(flow, run))


def legal_signals(flow: Workflow, run: Run) -> list[str]:
    """Return the signal events that the run's state declares."""
    return [event for event in table_of(flow).legal(run.state) if event.startswith("signal:")]


def checked(state: SignalState, name: str, payload: Any) -> str:
    """Return a payload as JSON text after checking it against what the state declares.

    Raises:
        UsageError: names the field that is missing, unknown or of another type.
    """
    declared = state.signal[name].payload
    try:
        if not declared:
            return dump(payload, Any)
        given = payload or {}
        if not isinstance(given, Mapping):
            raise NotStorable(f"a map with {', '.join(declared)} is needed")
        fields = {}
        for field, kind in declared.items():
            if field not in given and not _nullable(kind.annotation):
                raise NotStorable(f'"{field}" is missing')
            fields[field] = _fitting(field, given.get(field), kind)
        unknown = sorted(set(given) - set(declared))
        if unknown:
            raise NotStorable(f'"{unknown[0]}" is not declared; declared: {", ".join(declared)}')
        return dump(fields, Any)
    except NotStorable as error:
        raise UsageError(f'the payload of signal "{name}" does not fit: {error}') from None


def _fitting(field: str, value: Any, kind: TypeName) -> Any:
    try:
        return json.loads(dump(value, kind.annotation))
    except NotStorable as error:
        raise NotStorable(f'"{field}" must be {kind.text}: {error}') from None


def _nullable(annotation: Any) -> bool:
    from typing import get_args  # noqa: PLC0415

    return annotation is Any or type(None) in get_args(annotation)


def require_same(flow: Workflow, known: Kept, name: str, payload: Any) -> None:
    """Make sure that a message which came before is sent again as it was.

    Which state it was checked for is past; any that declares the signal counts.

    Raises:
        KeyConflict: it came with other content.
    """
    for state in flow.states.values():
        if name == known.name and isinstance(state, SignalState) and name in state.signal:
            with contextlib.suppress(UsageError):
                if json.loads(checked(state, name, payload)) == known.payload:
                    return
    raise KeyConflict(f'message "{known.message_id}" came before, as signal "{known.name}" with other content')
