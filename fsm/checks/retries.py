"""Rules about trying again: whether, how often, how long, and whether that is safe."""

from collections.abc import Iterator

from fsm.checks.case import Case
from fsm.checks.errors import classes_of
from fsm.diagnostics import Diagnostic, Severity
from fsm.model.definition import ActionState, RetryPolicy
from fsm.model.durations import format_duration
from fsm.model.names import FINAL_VERDICTS

_DOUBTFUL = frozenset({"Transient", "Timeout", "HeartbeatLost", "Unavailable", "ProcessDied", "Exception"})
"""Errors after which an attempt may have had its effect all the same."""

_SHOWN_MAX = 8
_TERMS_MAX = 1_000
"""Delays summed one by one; those beyond take the last, which is too little rather than too much."""


def _actions(case: Case) -> Iterator[tuple[str, ActionState]]:
    for name, state in case.whole.items():
        if isinstance(state, ActionState):
            yield name, state


def no_retry_edge(case: Case) -> Iterator[Diagnostic]:
    """Every action says whether it is tried again."""
    for name, state in _actions(case):
        if state.retry is None:
            yield case.at_key("FSM412", f'"{name}" has no retry edge, and no default one', ("states", name),
                              'write "retry: never" if that is meant')  # fmt: skip


def unknown_policy(case: Case) -> Iterator[Diagnostic]:
    """Every policy that a `retry` names exists."""
    policies = case.workflow.definition.policies
    shown = [*list(policies)[:_SHOWN_MAX], *["…"][: len(policies) > _SHOWN_MAX]]
    known = f"policies are {', '.join(shown)}" if shown else "none is declared"
    for path, items in case.retries() if not case.is_lost("policies") else ():
        for n, item in enumerate(items):
            if isinstance(item, str) and item not in policies:
                yield case.at("FSM415", f'no policy "{item}"', (*path, n), case.near(item, policies) or known)


def unretryable(case: Case) -> Iterator[Diagnostic]:
    """No policy retries what says that a bound is spent."""
    for path, policy in case.policies():
        for n, name in enumerate(policy.errors):
            if not FINAL_VERDICTS.isdisjoint(classes_of(case, name)):
                yield case.at("FSM417", f"{name} cannot be retried: it says that a bound is spent",
                              (*path, "errors", n), "give it an error edge instead")  # fmt: skip


def repeats_the_unrepeatable(case: Case) -> Iterator[Diagnostic]:
    """An action that must not be repeated asks before it is tried again after an unknown result."""
    for name, state in _actions(case):
        if state.idempotent is not False or state.interrupted != "repeat":
            continue
        cure = "add interrupted: {probe: <action>}, or interrupted: ask"
        path = ("states", name, "idempotent")
        if any(_may_double(case, policy) for policy in _policies(case, state)):
            yield case.at("FSM408", "idempotent: false, and yet retried when the result is unknown", path, cure)
        else:
            yield case.at("FSM414", "idempotent: false without a probe or ask", path, cure)


def _policies(case: Case, state: ActionState) -> list[RetryPolicy]:
    return [policy for _, policy in case.resolved(state.retry or ())]


def _may_double(case: Case, policy: RetryPolicy) -> bool:
    return any(not _DOUBTFUL.isdisjoint(classes_of(case, name)) for name in policy.errors)


def undeclared_idempotence(case: Case) -> Iterator[Diagnostic]:
    """Whether an action may be repeated is worth saying."""
    for name, state in _actions(case):
        if state.idempotent is None and state.interrupted == "repeat":
            yield case.at("FSM409", "idempotence undeclared; a crash may repeat this action",
                          ("states", name, "action"), "say idempotent: true, or what its key is")  # fmt: skip


def outlasts_deadline(case: Case) -> Iterator[Diagnostic]:
    """The retries of a state fit into its deadline."""
    for name, state in _actions(case):
        found = _outlasting(state, _policies(case, state))
        if found:
            severity, message = found
            at = case.at("FSM410", message, ("states", name, "deadline"),
                         "fewer or shorter retries, or a later deadline")  # fmt: skip
            yield _graded(at, severity)


def _graded(found: Diagnostic, severity: Severity) -> Diagnostic:
    hint = found.hint if severity is Severity.ERROR else "the deadline cuts them short"
    return Diagnostic(found.code, severity, found.message, found.path, found.span, hint)


def _outlasting(state: ActionState, policies: list[RetryPolicy]) -> tuple[Severity, str] | None:
    if state.deadline is None:
        return None
    limit = f"deadline is {format_duration(state.deadline)}"
    delays = sum(worst_delays_ms(policy) for policy in policies)
    if delays > state.deadline:
        return Severity.ERROR, f"retries may take {format_duration(delays)}, {limit}"
    if any(policy.attempts is None for policy in policies):
        return Severity.NOTE, f"attempts are unlimited, {limit}"
    attempts = 1 + sum((policy.attempts or 1) - 1 for policy in policies)
    worst = delays + attempts * (state.timeout or 0)
    if worst > state.deadline and attempts > 1:
        return Severity.NOTE, f"retries may take {format_duration(worst)} with their timeouts, {limit}"
    return None


def worst_delays_ms(policy: RetryPolicy) -> int:
    """Return the sum of a policy's delays without jitter; 0 when its attempts are unlimited."""
    delay, total = float(policy.delay), 0.0
    retries = (policy.attempts or 1) - 1
    for _ in range(min(retries, _TERMS_MAX)):
        total += min(delay, policy.max_delay)
        delay = min(delay * policy.factor, policy.max_delay)
    return int(total + max(retries - _TERMS_MAX, 0) * delay)


def unlimited_without_deadline(case: Case) -> Iterator[Diagnostic]:
    """Attempts without limit end by a deadline."""
    for name, state in _actions(case):
        is_endless = any(policy.attempts is None for policy in _policies(case, state))
        if is_endless and state.deadline is None:
            is_own = case.is_written(("states", name, "retry"))
            path = ("states", name, "retry") if is_own else ("states", name)
            yield case.at_key("FSM413", "attempts: unlimited without a deadline", path, "add deadline to the state")


RULES = (
    no_retry_edge,
    unknown_policy,
    unretryable,
    repeats_the_unrepeatable,
    undeclared_idempotence,
    outlasts_deadline,
    unlimited_without_deadline,
)
