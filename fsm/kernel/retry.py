"""Whether an attempt is tried again, and when."""

from collections.abc import Mapping
from typing import NamedTuple

from fsm.model.definition import RetryPolicy
from fsm.model.names import FINAL_VERDICTS, TRANSIENT
from fsm.model.run import Failure, Run
from fsm.model.workflow import RetryClause, Workflow


class Again(NamedTuple):
    """Another attempt: by which clause, after how many milliseconds."""

    clause: str
    delay_ms: int


def backoff_ms(policy: RetryPolicy, retry: int, draw: float) -> int:
    """Return the wait before a retry.

    Cap first, then jitter: callers at the cap still spread out.

    Args:
        policy: delays in milliseconds, factor >= 1.
        retry: the number of this retry under the policy, from 1.
        draw: uniform in [0, 1).

    Returns:
        Milliseconds in [0, policy.max_delay].

    Source:
        Full jitter; Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    try:
        capped = min(policy.delay * policy.factor ** (retry - 1), policy.max_delay)
    except OverflowError:
        capped = policy.max_delay
    return int(capped * draw if policy.jitter == "full" else capped)


def matches(name: str, failure: Failure, groups: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether an error class, group or `else` as written in a definition covers a failure."""
    if name == "else":
        return True
    if name == "Exception":
        return not failure.verdict
    if name == "Transient":
        return not failure.names.isdisjoint((*TRANSIENT, "Transient"))
    return name in failure.names or any(member in failure.names for member in groups.get(name, ()))


def again(flow: Workflow, run: Run, failure: Failure, draw: float) -> Again | None:
    """Return the retry that a failure earns by the state's policies, or None.

    Each policy counts its own attempts; the first in the list that covers the failure decides.
    """
    if failure.verdict and failure.name in FINAL_VERDICTS:
        return None
    groups = flow.error_groups
    for clause in flow.retries.get(run.state, ()):
        if any(matches(name, failure, groups) for name in clause.policy.errors):
            return _next(clause, run, failure, draw)
    return None


def _next(clause: RetryClause, run: Run, failure: Failure, draw: float) -> Again | None:
    taken = run.tries.get(clause.name, 0)
    if clause.policy.attempts is not None and taken + 1 >= clause.policy.attempts:
        return None
    delay = backoff_ms(clause.policy, taken + 1, draw)
    return Again(clause.name, max(delay, failure.retry_after_ms or 0))
