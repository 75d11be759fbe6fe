"""Rules about actions: they exist, get what they need, and each of their outcomes has an edge."""

from collections.abc import Iterator

from fsm.checks.annotations import is_stored_as
from fsm.checks.case import Case
from fsm.checks.reads import performed
from fsm.diagnostics import Diagnostic
from fsm.model.definition import ActionState, Probe
from fsm.model.signature import Signature
from fsm.model.workflow import expressions_of
from fsm.source.tree import Path


def _actions(case: Case) -> Iterator[tuple[Path, ActionState, Signature | None, Signature | None]]:
    """Yield every action state with its place and what is known of its action and its probe."""
    known = case.signatures or {}
    for name, state in case.whole.items():
        if isinstance(state, ActionState):
            called = dict(performed(state))
            probe = called.get(("interrupted", "probe"), "")
            yield ("states", name), state, known.get(state.action), known.get(probe)


def unregistered(case: Case) -> Iterator[Diagnostic]:
    """Every action that a state performs, or probes with, is registered."""
    if case.signatures is None:
        return
    for name, state in case.workflow.states.items():
        for path, action in performed(state) if isinstance(state, ActionState) else ():
            if action not in case.signatures:
                yield case.at("FSM701", f'no action "{action}" is registered', ("states", name, *path),
                              case.near(action, case.signatures))  # fmt: skip


def unfilled_parameter(case: Case) -> Iterator[Diagnostic]:
    """Every parameter without a default is read or given."""
    known = case.workflow.artifacts | {"error"}
    for path, state, action, probe in _actions(case):
        for where, signature in (("action",), action), (("interrupted", "probe"), probe):
            if signature is None:
                continue
            for name in _unfilled(state, signature, known):
                if name in known:
                    hint = "add it to reads"
                elif case.damaged:
                    continue
                else:
                    hint = case.near(name, known) or f'give it: "with: {{{name}: <expression>}}"'
                message = f'parameter "{name}" of {signature.action} is neither read, given nor defaulted'
                yield case.at("FSM702", message, (*path, *where), hint)


def _unfilled(state: ActionState, signature: Signature, known: frozenset[str]) -> list[str]:
    """Return the parameters that get no value; without `reads` each takes the artifact of its own name."""
    filled = {*state.with_, *state.optional, *(known if state.reads is None else state.reads)}
    return [one.name for one in signature.parameters if one.required and one.name not in filled]


def outcome_without_edge(case: Case) -> Iterator[Diagnostic]:
    """Every outcome that an action can have leads somewhere."""
    for path, state, action, probe in _actions(case):
        if not state.success:
            continue
        for outcome in _outcomes(action, probe):
            if outcome not in state.success:
                yield case.at_key("FSM703", f'outcome "{outcome}" has no edge', (*path, "success"),
                                  f'add "{outcome}: <state>"')  # fmt: skip


def _outcomes(action: Signature | None, probe: Signature | None) -> list[str]:
    """Return the outcomes that are known; a probe's plain return value says "not done", no outcome."""
    known = dict.fromkeys((action.returns if action else None) or ())
    for outcome, value in ((probe.returns if probe else None) or {}).items():
        if outcome != "success" or not is_stored_as(value, "null"):
            known[outcome] = None
    return list(known)


def outcome_never_returned(case: Case) -> Iterator[Diagnostic]:
    """Every success edge is for an outcome that the action can have."""
    for path, state, action, probe in _actions(case):
        if action is None or not action.returns:
            continue
        known = _outcomes(action, probe)
        for outcome in state.success or ():
            if outcome not in known:
                hint = case.near(outcome, known) or f"it returns {', '.join(known)}"
                yield case.at_key("FSM704", f'{action.action} never returns "{outcome}"', (*path, "success", outcome),
                                  hint)  # fmt: skip


def read_for_nothing(case: Case) -> Iterator[Diagnostic]:
    """What is read or given for an action is one of its parameters."""
    for path, state, action, probe in _actions(case):
        is_probe_unknown = isinstance(state.interrupted, Probe) and probe is None
        if action is None or is_probe_unknown or action.keywords or (probe and probe.keywords):
            continue
        taken = {parameter.name for known in (action, probe) if known for parameter in known.parameters}
        in_expressions = frozenset[str]().union(*(expression.names for _, expression in expressions_of(state)))
        named: list[tuple[Path, str]] = [(("reads", n), name) for n, name in enumerate(state.reads or ())]
        named += [(("optional", n), name) for n, name in enumerate(state.optional) if name not in in_expressions]
        for where, name in named:
            if name not in taken:
                yield case.at("FSM707", f'{action.action} has no parameter "{name}"', (*path, *where),
                              case.near(name, taken))  # fmt: skip
        for name in state.with_:
            if name not in taken:
                yield case.at_key("FSM707", f'{action.action} has no parameter "{name}"', (*path, "with", name),
                                  case.near(name, taken))  # fmt: skip


RULES = (unregistered, unfilled_parameter, outcome_without_edge, outcome_never_returned, read_for_nothing)
