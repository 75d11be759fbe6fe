"""Rules about time: whatever waits, waits within bounds that make sense."""

from collections.abc import Iterator

from fsm.checks.case import Case
from fsm.diagnostics import Diagnostic
from fsm.model.definition import ActionState, SignalState, WaitState
from fsm.model.durations import format_duration


def slow_heartbeat(case: Case) -> Iterator[Diagnostic]:
    """A heartbeat is missed before the timeout strikes."""
    for name, state in case.whole.items():
        if isinstance(state, ActionState) and state.heartbeat is not None and state.timeout is not None:
            heartbeat, timeout = format_duration(state.heartbeat), format_duration(state.timeout)
            if state.heartbeat >= state.timeout:
                yield case.at("FSM501", f"heartbeat {heartbeat} is not below timeout {timeout}",
                              ("states", name, "heartbeat"), "make it shorter, or the timeout longer")  # fmt: skip


def no_timeout(case: Case) -> Iterator[Diagnostic]:
    """An attempt does not last for ever."""
    for name, state in case.whole.items():
        if isinstance(state, ActionState) and state.timeout is None:
            yield case.at_key("FSM502", "no timeout: an attempt may last for ever", ("states", name),
                              "add timeout here or under defaults")  # fmt: skip


def no_deadline(case: Case) -> Iterator[Diagnostic]:
    """A signal that never comes is not waited for without end."""
    for name, state in case.whole.items():
        if isinstance(state, SignalState) and state.deadline is None:
            yield case.at_key("FSM503", "signal without a deadline may wait for ever", ("states", name),
                              "add deadline, and an error edge for DeadlineExceeded")  # fmt: skip


def delay_beyond_its_cap(case: Case) -> Iterator[Diagnostic]:
    """The first delay of a policy is within its cap."""
    for path, policy in case.policies():
        if policy.max_delay < policy.delay:
            cap, delay = format_duration(policy.max_delay), format_duration(policy.delay)
            where = "max_delay" if case.is_written((*path, "max_delay")) else "delay"
            unwritten = "" if "max_delay" in policy.model_fields_set else ", the default,"
            yield case.at("FSM507", f"max_delay {cap}{unwritten} is below delay {delay}", (*path, where),
                          f"write max_delay: {delay} or more")  # fmt: skip


def wait_beyond_deadline(case: Case) -> Iterator[Diagnostic]:
    """A wait is over by its deadline."""
    for name, state in case.whole.items():
        if isinstance(state, WaitState) and state.wait.fixed is not None and state.deadline is not None:
            wait, deadline = format_duration(state.wait.fixed), format_duration(state.deadline)
            if state.wait.fixed > state.deadline:
                yield case.at("FSM508", f"wait {wait} is beyond deadline {deadline}",
                              ("states", name, "deadline"), "remove the deadline, or make it longer")  # fmt: skip


RULES = (slow_heartbeat, no_timeout, no_deadline, delay_beyond_its_cap, wait_beyond_deadline)
