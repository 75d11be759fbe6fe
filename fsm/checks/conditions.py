"""Rules about conditions: a switch always chooses, and every rule of it can be chosen."""

import ast
from collections.abc import Iterator

from fsm.checks.case import Case
from fsm.diagnostics import Diagnostic
from fsm.expressions import EvaluationError, Expression, is_constant
from fsm.model.definition import SwitchState
from fsm.model.workflow import expressions_of
from fsm.source.tree import Path

_CONDITIONS = frozenset({"require", "ensure", "match", "switch"})


def _switches(case: Case) -> Iterator[tuple[Path, SwitchState]]:
    for name, state in case.workflow.states.items():
        if isinstance(state, SwitchState):
            yield ("states", name, "switch"), state


def switch_without_else(case: Case) -> Iterator[Diagnostic]:
    """A switch says what happens when no rule matches."""
    for path, state in _switches(case):
        if all(rule.when for rule in state.switch) and path[1] not in case.damaged:
            yield case.at_key("FSM308", 'switch lacks "else"', path, 'add "- {else: <state>}" as its last rule')


def rule_that_never_matches(case: Case) -> Iterator[Diagnostic]:
    """Every rule of a switch can be the first that matches."""
    for path, state in _switches(case):
        seen: dict[str, int] = {}
        for n, rule in enumerate(state.switch):
            if rule.when is None:
                break
            meaning = _meaning(rule.when)
            covering = seen.get(meaning, seen.get("True"))
            if covering is not None:
                cure = "remove one of them" if meaning in seen else f"rule {covering + 1} is always true"
                yield case.at("FSM309", f"rule {n + 1} can never match; rule {covering + 1} covers it",
                              (*path, n, "when"), cure)  # fmt: skip
            seen.setdefault(meaning, n)


def _meaning(condition: Expression) -> str:
    """Return a text that is the same for conditions that differ in spelling only."""
    return str(_always(condition)) if is_constant(condition) else ast.unparse(condition.tree)


def _always(condition: Expression) -> bool | None:
    """Return what a constant condition always is; None when it always fails."""
    try:
        return bool(condition.evaluate({}))
    except EvaluationError:
        return None


def constant_condition(case: Case) -> Iterator[Diagnostic]:
    """A condition depends on something."""
    for name, state in case.workflow.states.items():
        for path, condition in expressions_of(state):
            if path[0] in _CONDITIONS and is_constant(condition):
                always = _always(condition)
                what = "always fails" if always is None else f"is always {str(always).lower()}"
                yield case.at("FSM310", f"condition is constant: it {what}", ("states", name, *path))


RULES = (switch_without_else, rule_that_never_matches, constant_condition)
