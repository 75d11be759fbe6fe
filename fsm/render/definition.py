"""A definition as YAML with every default written out: what `fsm show` prints."""

import re
from typing import Any

import yaml

from fsm.expressions import Expression
from fsm.model.definition import (
    ActionState,
    Arm,
    Case,
    Definition,
    EndState,
    InputField,
    Probe,
    RetryPolicy,
    SignalState,
    State,
    SwitchState,
    Wait,
    WaitState,
)
from fsm.model.durations import format_duration
from fsm.model.workflow import Workflow, writes_of
from fsm.source.scalars import resolve

WIDTH_COLUMNS = 100

_STR = "tag:yaml.org,2002:str"
_NOT_STR = "tag:yaml.org,2002:float"
_ODD_BREAKS = re.compile("[\x85\u2028\u2029\ufeff\r]")

Plain = dict[str, Any]


def show(workflow: Workflow) -> str:
    """Return the definition as YAML, with what `defaults` and the language supply written out.

    Reading it again gives the same edges and the same behaviour. Its digest is another one, for the digest is
    of what the author wrote; the first line names that one.
    """
    title = f"# {workflow.name} version {workflow.version}, digest {workflow.digest}\n"
    plain = _definition(workflow)
    return title + yaml.dump(
        plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=WIDTH_COLUMNS
    )


class _Dumper(yaml.SafeDumper):
    """Block style without aliases; text is quoted where YAML 1.1 or 1.2 would read something else."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - as above
        super().increase_indent(flow, indentless=False)

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        plain_text = kind is yaml.ScalarNode and implicit[0] and tag == _STR
        return _NOT_STR if plain_text and not _is_text(value) else tag


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if _ODD_BREAKS.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar(_STR, text, style=style)


_Dumper.add_representer(str, _represent_text)


def _is_text(value: str) -> bool:
    try:
        return isinstance(resolve(value), str)
    except ValueError:
        return False


def _set(**values: Any) -> Plain:
    """Return the values that are there, by the keys of the language."""
    return {key.rstrip("_"): value for key, value in values.items() if value is not None}


def _definition(workflow: Workflow) -> Plain:
    definition: Definition = workflow.definition
    return _set(
        workflow=definition.workflow,
        version=definition.version,
        description=definition.description,
        start=definition.start,
        input={name: _input(given) for name, given in definition.input.items()} or None,
        errors={name: list(classes) for name, classes in definition.errors.items()} or None,
        policies={name: _policy(policy) for name, policy in definition.policies.items()} or None,
        retention=_age(definition.retention),
        expires=_age(definition.expires),
        states={name: _state(name, state) for name, state in workflow.states.items()},
    )


def _input(given: InputField) -> Plain:
    default = {} if given.required else {"default": given.default}
    return _set(type=given.type.text, description=given.description) | default


def _policy(policy: RetryPolicy) -> Plain:
    factor = int(policy.factor) if policy.factor.is_integer() else policy.factor
    return {
        "attempts": "unlimited" if policy.attempts is None else policy.attempts,
        "delay": format_duration(policy.delay),
        "factor": factor,
        "max_delay": format_duration(policy.max_delay),
        "jitter": policy.jitter,
        "errors": list(policy.errors),
    }


def _state(name: str, state: State) -> Plain:
    own: Plain = _OWN[type(state)](name, state)
    shared = _set(description=state.description, max_visits=state.max_visits, optional=list(state.optional) or None)
    verb = {state.VERB: own.pop(state.VERB)}
    return verb | shared | own


def _action(name: str, state: ActionState) -> Plain:
    return _set(
        action=state.action,
        reads=None if state.reads is None else list(state.reads),
        writes=writes_of(name, state),
        with_={parameter: given.text for parameter, given in state.with_.items()} or None,
        timeout=_duration(state.timeout),
        deadline=_duration(state.deadline),
        heartbeat=_duration(state.heartbeat),
        idempotent=_text(state.idempotent),
        interrupted={"probe": state.interrupted.probe} if isinstance(state.interrupted, Probe) else state.interrupted,
        require=[condition.text for condition in state.require] or None,
        ensure=[condition.text for condition in state.ensure] or None,
        success=_success(state),
        error=state.error,
        retry=_retry(state),
    )


def _switch(_name: str, state: SwitchState) -> Plain:
    return _set(switch=[_case(case) for case in state.switch], error=state.error)


def _wait(_name: str, state: WaitState) -> Plain:
    return _set(wait=_until(state.wait), deadline=_duration(state.deadline), success=state.success, error=state.error)


def _signal(name: str, state: SignalState) -> Plain:
    return _set(
        signal={signal: _arm(arm) for signal, arm in state.signal.items()},
        match=_text(state.match),
        writes=writes_of(name, state),
        deadline=_duration(state.deadline),
        error=state.error,
    )


def _end(_name: str, state: EndState) -> Plain:
    return _set(end=state.end, output=_text(state.output), reason=_text(state.reason))


_OWN: dict[type[State], Any] = {
    ActionState: _action,
    SwitchState: _switch,
    WaitState: _wait,
    SignalState: _signal,
    EndState: _end,
}


def _success(state: ActionState) -> str | dict[str, str] | None:
    only = state.success is not None and state.success.keys() == {"success"}
    return state.success["success"] if state.success and only else state.success


def _retry(state: ActionState) -> str | list[str | Plain] | None:
    if state.retry is None:
        return None
    return [item if isinstance(item, str) else _policy(item) for item in state.retry] or "never"


def _case(case: Case) -> Plain:
    return {"else": case.to} if case.when is None else {"when": case.when.text, "to": case.to}


def _until(wait: Wait) -> str | Plain | None:
    return _duration(wait.fixed) or _set(for_=_text(wait.for_), until=_text(wait.until))


def _arm(arm: Arm) -> Plain:
    payload = {name: kind.text for name, kind in arm.payload.items()}
    return _set(to=arm.to, payload=payload or None, count=arm.count)


def _duration(duration_ms: int | None) -> str | None:
    return None if duration_ms is None else format_duration(duration_ms)


def _age(age_ms: int | None) -> str:
    return "never" if age_ms is None else format_duration(age_ms)


def _text(value: Expression | bool | None) -> str | bool | None:
    return value.text if isinstance(value, Expression) else value
