"""What an action's call is made of, worked out once per state: which values to load, which parameter takes what."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from fsm.actions.registry import Action, Registry
from fsm.errors import MissingAction
from fsm.expressions import Expression
from fsm.kernel.decide import evaluate
from fsm.model.definition import ActionState, Probe, State
from fsm.model.run import Run
from fsm.model.signature import Parameter
from fsm.model.workflow import Workflow, own_names


@dataclass(frozen=True)
class Plan:
    """How to call one action in one state.

    Attributes:
        given: parameters that `with` maps to expressions.
        read: parameters that take the value of their own name.
        nullable: those of them that are null when unwritten, by `optional`.
    """

    action: Action
    given: Mapping[str, Expression]
    read: tuple[Parameter, ...]
    nullable: frozenset[str]

    @cached_property
    def names(self) -> frozenset[str]:
        """What to load for the parameters."""
        return frozenset(parameter.name for parameter in self.read)


@lru_cache(maxsize=4_096)
def plan_of(flow: Workflow, state_name: str, action: Action) -> Plan:
    """Return how `action` is called in a state that performs or probes with it.

    With `reads` written, the action sees those names and no others; without, its parameters name what it reads.
    """
    state = flow.states[state_name]
    assert isinstance(state, ActionState)
    allowed = None if state.reads is None else {*state.reads, *state.optional}
    known = flow.artifacts | {"error"}
    read = tuple(
        parameter
        for parameter in action.signature.parameters
        if parameter.name not in state.with_
        and (parameter.name in allowed if allowed is not None else (parameter.required or parameter.name in known))
    )
    if action.signature.keywords and allowed is not None:
        named = {parameter.name for parameter in action.signature.parameters}
        read += tuple(Parameter(name, Any, required=True) for name in sorted(allowed - named - state.with_.keys()))
    # A state's `with` serves its action and its probe; each is given what it takes.
    takes = {parameter.name for parameter in action.signature.parameters}
    given = {name: value for name, value in state.with_.items() if action.signature.keywords or name in takes}
    return Plan(action, given, read, frozenset(state.optional))


class Setting(NamedTuple):
    """What performing a state needs to know, worked out once.

    Attributes:
        plan: how its action is called; None where it has none.
        names: the values to load.
        needs: those of them that expressions read, as plain values.
    """

    state: State
    plan: Plan | None
    names: frozenset[str]
    needs: frozenset[str]


def setting_of(registry: Registry, flow: Workflow, state_name: str) -> Setting:
    """Return what performing a state needs to know.

    Raises:
        MissingAction: its action, or its probe, is not registered.
    """
    found: Setting | None = registry.settings.get((flow.digest, state_name))
    if found is None:
        state = flow.states[state_name]
        plan = _plan_of(registry, flow, state_name, state) if isinstance(state, ActionState) else None
        needs = own_names(flow.needs[state_name])
        found = Setting(state, plan, needs | plan.names if plan else needs, needs)
        registry.settings[flow.digest, state_name] = found
    return found


def _plan_of(registry: Registry, flow: Workflow, state_name: str, state: ActionState) -> Plan:
    probe = state.interrupted.probe if isinstance(state.interrupted, Probe) else None
    for name in (state.action, probe):
        if name is not None and name not in registry:
            raise MissingAction(registry.missing(name))
    return plan_of(flow, state_name, registry[state.action])


class Unwritten(ValueError):
    """An action reads a name that nothing has written."""


def arguments(
    plan: Plan, state: ActionState, run: Run, texts: Mapping[str, str], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the keyword arguments of a call; for an action in a process of its own JSON texts, which it reads there.

    Args:
        texts: the JSON texts of what was loaded.
        values: the same as plain values, for expressions.

    Raises:
        Unwritten: a required name is not written.
        NotStorable: a value does not fit its parameter's annotation; the message names it.
        EvaluationError: a `with` expression failed.
    """
    found: dict[str, Any] = {}
    for parameter in plan.read:
        text = texts.get(parameter.name)
        if text is not None:
            found[parameter.name] = _fit(plan.action, parameter.name, text)
        elif parameter.name in plan.nullable:
            found[parameter.name] = None
        elif parameter.required:
            raise Unwritten(f'"{plan.action.name}" reads "{parameter.name}", which has not been written')
    for name, expression in plan.given.items():
        value = evaluate(expression, state, run, values)
        found[name] = _fit(plan.action, name, json.dumps(value))
    return found


def _fit(action: Action, name: str, text: str) -> Any:
    return text if action.isolation == "process" else action.fit(name, text)


def key_of(state: ActionState, run: Run, values: Mapping[str, Any]) -> str:
    """Return the idempotency key of the run's visit, 64 hex digits.

    Raises:
        EvaluationError: the key expression failed.
    """
    if isinstance(state.idempotent, Expression):
        value = evaluate(state.idempotent, state, run, values)
        content = json.dumps([run.workflow, state.action, value], sort_keys=True)
    else:
        content = json.dumps([run.id, run.visit])
    return sha256(content.encode()).hexdigest()
