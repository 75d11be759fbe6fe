"""What a run is given: checked against the definition's `input` before anything starts."""

from collections.abc import Collection, Mapping
from typing import Any

from fsm.actions.values import NotStorable, dump, load
from fsm.diagnostics import did_you_mean
from fsm.errors import UsageError
from fsm.model.run import Artifact
from fsm.model.workflow import Workflow


def checked_inputs(flow: Workflow, given: Mapping[str, Any] | None) -> list[Artifact]:
    """Return a run's inputs as JSON, defaults filled in, in the order of the definition.

    Raises:
        UsageError: one is missing, unknown, or of another type; all such faults are named.
    """
    given = given or {}
    if not isinstance(given, Mapping):
        raise UsageError(f'the input of "{flow.name}" is a map from name to value, not {type(given).__name__}')
    fields = flow.definition.input
    faults = [_unknown(name, fields) for name in given if name not in fields]
    inputs = []
    for name, field in fields.items():
        if name not in given and field.required:
            faults.append(f'"{name}" ({field.type.text}) is missing')
            continue
        try:
            inputs.append(Artifact(name, _fit(given.get(name, field.default), field.type.annotation)))
        except NotStorable as error:
            faults.append(f'"{name}" must be {field.type.text}: {error}')
    if faults:
        raise UsageError(f'the input of "{flow.name}" does not fit: ' + "; ".join(faults))
    return inputs


def checked_changes(flow: Workflow, given: Mapping[str, Any]) -> list[Artifact]:
    """Return what an operator writes in place of a run's inputs and artifacts, as JSON.

    Raises:
        UsageError: a name is none of the workflow, or an input is of another type; all such faults are named.
    """
    fields, faults, changes = flow.definition.input, [], []
    for name, value in given.items():
        if name not in flow.artifacts:
            near = did_you_mean(name, flow.artifacts)
            known = ", ".join(sorted(flow.artifacts)) or "none"
            faults.append(f'"{name}" is neither an input nor written by a state; {near or f"known: {known}"}')
            continue
        try:
            changes.append(Artifact(name, _fit(value, fields[name].type.annotation if name in fields else Any)))
        except NotStorable as error:
            faults.append(f'"{name}" must be {fields[name].type.text if name in fields else "JSON"}: {error}')
    if faults:
        raise UsageError(f'"{flow.name}" cannot take these changes: ' + "; ".join(faults))
    return changes


def missing_inputs(flow: Workflow, held: Collection[str]) -> list[Artifact]:
    """Return the defaults of the inputs that a run of another version does not hold."""
    fields = flow.definition.input.items()
    return [
        Artifact(name, dump(field.default, Any)) for name, field in fields if name not in held and not field.required
    ]


def fits(flow: Workflow, name: str, text: str) -> str | None:
    """Return why a value, as JSON, does not fit an input of a workflow; None when it does."""
    kind = flow.definition.input[name].type
    try:
        load(text, kind.annotation)
    except NotStorable as error:
        return f'"{name}" is no {kind.text}: {error}'
    return None


def _unknown(name: str, fields: Mapping[str, Any]) -> str:
    near = did_you_mean(name, fields)
    return f'"{name}" is no input' + (f"; {near}" if near else f"; inputs: {', '.join(fields) or 'none'}")


def _fit(value: Any, annotation: Any) -> str:
    text = dump(value, Any)
    load(text, annotation)
    return text
