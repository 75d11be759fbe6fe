"""The one decision: a run, what happened to it and the time give what one transaction commits.

Nothing else in this package says where a run goes. The function is pure; the engine, the tests and whatever
simulates a workflow call the same one.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fsm.expressions import EvaluationError, Expression
from fsm.kernel.retry import Again, again, matches
from fsm.kernel.table import table_of
from fsm.model.definition import ActionState, EndState, SignalState, State, WaitState
from fsm.model.run import (
    PERSON,
    Artifact,
    Chose,
    Decision,
    Elapsed,
    Failed,
    Failure,
    Received,
    Rest,
    Result,
    Run,
    Status,
    Succeeded,
    Transition,
)
from fsm.model.workflow import ENDS, Workflow, success_event, writes_of

CRASHES_MAX = 3
"""How many crashes in one visit are forgiven before it takes `error:Interrupted`."""

Values = Mapping[str, Any]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def decide(flow: Workflow, run: Run, result: Result, now: int, draw: float, values: Values) -> Decision:
    """Return what shall be committed after `result`.

    Args:
        flow: the workflow that the run is pinned to.
        run: as of its last commit.
        result: what happened.
        now: UTC milliseconds.
        draw: uniform in [0, 1), for jitter.
        values: the inputs and artifacts that `flow.needs` names for the run's state, as far as written.

    Raises:
        IllegalTransition: the definition declares no such edge for a signal or an elapsed wait.
    """
    match result:
        case Succeeded(outcome, value):  # first, since it is what happens most
            return _succeed(flow, run, outcome, value, now, draw, values)
        case Failed(failure):
            return _fail(flow, run, failure, now, draw, values)
        case Rest():
            return _rest(run, result)
        case Chose(place):
            event = f"case:{place}" if place else "else"
            return _cross(flow, run, event, now, draw, values)
        case Elapsed():
            return _cross(flow, run, "elapsed", now, draw, values)
        case Received(name, payload, ids, actor):
            written = _written(flow, run.state, payload)
            return _cross(flow, run, f"signal:{name}", now, draw, values, written, actor=actor, signals=ids)


def begin(flow: Workflow, run: Run, now: int, values: Values) -> Decision:
    """Return the decision that takes a new run over its `start` edge.

    Args:
        run: with an empty state, seq 0, and the status it is born with (`ready`, or `running` when claimed).
        values: the inputs.
    """
    return _cross(flow, run, "start", now, 0.0, values)


def verdict(flow: Workflow, run: Run, now: int) -> Failure | None:
    """Return why the run's state may not be performed, or None when it may.

    A bound that is already spent is an error of the state, taken without an attempt.
    """
    state = flow.states[run.state]
    allowed = flow.bounded.get(run.state)
    if allowed is not None and run.visits.get(run.state, 0) > allowed:
        return Failure.of_verdict("VisitsExceeded", f'entry {allowed + 1} into "{run.state}"; max_visits is {allowed}')
    if isinstance(state, ActionState) and run.crashes > CRASHES_MAX:
        crashes = f'{run.crashes} crashes in "{run.state}"; at most {CRASHES_MAX} are forgiven'
        return Failure.of_verdict("Interrupted", crashes, interrupted=True)
    due = deadline_at(state, run)
    if isinstance(state, ActionState) and due is not None and now >= due:
        return _deadline_exceeded(run.state)
    return None


def deadline_at(state: State, run: Run) -> int | None:
    """Return the instant by which the run's visit must be over, or None."""
    deadline = getattr(state, "deadline", None)
    return None if deadline is None else run.entered_at + deadline


def _deadline_exceeded(state: str, last: Failure | None = None) -> Failure:
    after = f" after {last.name}: {last.message}" if last else ""
    return Failure.of_verdict(
        "DeadlineExceeded", f'"{state}" was not done by its deadline{after}',
        value=last.value if last else None, interrupted=last.interrupted if last else False,
    )  # fmt: skip


def _rest(run: Run, rest: Rest) -> Decision:
    status: Status = "waiting" if rest.due_at is not None or rest.awaits else "ready"
    asks = rest.awaits == PERSON
    rested = run._replace(status=status, due_at=rest.due_at, awaits=rest.awaits, interrupted=run.interrupted or asks)
    return Decision(rested, None, refused=rest.refused, seen=rest.seen)


def _written(flow: Workflow, state: str, value: str) -> tuple[Artifact, ...]:
    name = writes_of(state, flow.states[state])
    return (Artifact(name, value),) if name else ()


def _succeed(flow: Workflow, run: Run, outcome: str, value: str, now: int, draw: float, values: Values) -> Decision:
    event = success_event(outcome)
    if table_of(flow).target(run.state, event) is None:
        declared = ", ".join(e for e in table_of(flow).legal(run.state) if e.startswith("success"))
        said = f'the action returned outcome "{outcome}", which has no edge; declared: {declared}'
        failure = Failure.of_verdict("InvalidResult", said, value=json.loads(value))
        return _fail(flow, run, failure, now, draw, values)
    return _cross(flow, run, event, now, draw, values, _written(flow, run.state, value))


def _fail(flow: Workflow, run: Run, failure: Failure, now: int, draw: float, values: Values) -> Decision:
    """Try again if a policy says so and time is left; else take the first error edge that matches."""
    retry = again(flow, run, failure, draw)
    due = deadline_at(flow.states[run.state], run)
    if retry and due is not None and now + retry.delay_ms >= due:
        retry, failure = None, _deadline_exceeded(run.state, failure)
    if retry:
        return _retry(run, failure, retry, now)
    groups = flow.error_groups
    clauses = getattr(flow.states[run.state], "error", None) or {}
    clause = next((name for name in clauses if matches(name, failure, groups)), None)
    event = "fault" if clause is None else f"error:{clause}"
    error = {"class": failure.name, "message": failure.message, "state": run.state, "attempt": run.attempt,
             "value": failure.value}  # fmt: skip
    return _cross(flow, run, event, now, draw, {**values, "error": error},
                  (Artifact("error", encode(error)),), failure=failure)  # fmt: skip


def _retry(run: Run, failure: Failure, retry: Again, now: int) -> Decision:
    """Stay in the visit: one attempt more, at once or when its delay is over."""
    due = now + retry.delay_ms if retry.delay_ms else None
    status: Status = "waiting" if due else ("running" if run.status == "running" else "ready")
    after = run._replace(status=status, seq=run.seq + 1, attempt=run.attempt + 1, due_at=due, awaits=(), updated_at=now,
        tries={**run.tries, retry.clause: run.tries.get(retry.clause, 0) + 1},
        interrupted=run.interrupted or failure.interrupted,
    )  # fmt: skip
    row = row_of(run, after, f"retry:{retry.clause}", interrupted=failure.interrupted, detail=_told(failure))
    return Decision(after, row)


def _told(failure: Failure, *, traceback: bool = False) -> dict[str, Any]:
    told: dict[str, Any] = {"class": failure.name, "message": failure.message}
    if traceback and failure.traceback:
        told["traceback"] = failure.traceback
    return told


def _cross(
    flow: Workflow, run: Run, event: str, now: int, draw: float, values: Values,
    written: tuple[Artifact, ...] = (), *,
    failure: Failure | None = None, actor: str | None = None, signals: tuple[int, ...] = (),
) -> Decision:  # fmt: skip
    """Cross the edge `event`: the table says where it leads, the target says what comes next."""
    target = table_of(flow).cross(run.state, event)
    detail = _told(failure, traceback=True) if failure else None
    if event == "fault":
        after = run._replace(status="dead", seq=run.seq + 1, due_at=None, awaits=(), updated_at=now)
    else:
        after = enter(flow, run, target, now)
    state = flow.states[target]
    if isinstance(state, EndState) and event != "fault":
        try:
            after = leave_behind(state, after, {**values, **values_of(written)})
        except EvaluationError as error:
            if run.state and not failure:
                spoilt = Failure.of_verdict("ExpressionError", f'on entry of "{target}": {error}')
                return _fail(flow, run, spoilt, now, draw, values)._replace(signals=signals)
            after = after._replace(reason=str(error))
        detail = {**(detail or {}), "output": after.output, "reason": after.reason}
    unknown = failure is not None and (failure.interrupted or run.interrupted)
    row = row_of(run, after, event, actor=actor, interrupted=unknown, detail=detail,
               visits=after.visits if after.visits is not run.visits else None)  # fmt: skip
    return Decision(after, row, written, signals)


def enter(flow: Workflow, run: Run, target: str, now: int) -> Run:
    """Return the run as it stands on opening a visit of `target`.

    A state that acts is begun at once when somebody drives the run; one that waits comes to rest.
    """
    seq = run.seq + 1
    visits = {**run.visits, target: run.visits.get(target, 0) + 1} if target in flow.bounded else run.visits
    status: Status = "running" if run.status == "running" else "ready"
    due: int | None = None
    awaits: tuple[str, ...] = ()
    match flow.states[target]:
        case EndState(end=end):
            status = ENDS[end]
        case WaitState(wait=wait) if wait.fixed is not None and not _spent(flow, target, visits):
            status, due = "waiting", now + wait.fixed
        case SignalState(signal=arms, deadline=deadline) if not _spent(flow, target, visits):
            status, awaits = "waiting", tuple(arms)
            due = None if deadline is None else now + deadline
    return run._replace(
        state=target, status=status, seq=seq, visit=seq, entered_at=now, attempt=1, tries={}, visits=visits,
        due_at=due, awaits=awaits, crashes=0, interrupted=False, updated_at=now,
    )  # fmt: skip


def _spent(flow: Workflow, target: str, visits: Mapping[str, int]) -> bool:
    return target in flow.bounded and visits[target] > flow.bounded[target]


def leave_behind(state: EndState, run: Run, values: Values) -> Run:
    """Evaluate what an ended run leaves behind."""
    known = {**dict.fromkeys(state.optional), **values, "run": about(run)}
    output = state.output.evaluate(known) if state.output else None
    reason = state.reason.evaluate(known) if state.reason else None
    if reason is None and run.status != "succeeded" and "error" in values:
        reason = f"{values['error']['class']}: {values['error']['message']}"
    return run._replace(output=output, reason=None if reason is None else str(reason))


def about(run: Run) -> dict[str, Any]:
    """Return what an expression sees as `run`."""
    return {"id": run.id, "key": run.key, "workflow": run.workflow, "version": run.version,
            "started_at": run.started_at, "visits": dict(run.visits)}  # fmt: skip


def evaluate(expression: Expression, state: State, run: Run, values: Values) -> Any:
    """Return an expression's value in a state.

    Raises:
        EvaluationError: it reads what was never written, or its operands do not fit.
    """
    return expression.evaluate({**dict.fromkeys(state.optional), **values, "run": about(run)})


def row_of(
    run: Run, after: Run, event: str, *, actor: str | None = None, interrupted: bool = False,
    detail: dict[str, Any] | None = None, visits: Mapping[str, int] | None = None, of_seq: int | None = None,
) -> Transition:  # fmt: skip
    return Transition(
        seq=after.seq, epoch=after.epoch, source=run.state, event=event, target=after.state, status=after.status,
        visit=after.visit, attempt=after.attempt, tries=after.tries, visits=visits, due_at=after.due_at,
        awaits=after.awaits, interrupted=interrupted, of_seq=of_seq, at=after.updated_at, actor=actor, detail=detail,
    )  # fmt: skip


def values_of(written: Iterable[Artifact]) -> dict[str, Any]:
    """Return what artifacts stand for, by name; one that takes its name back stands for nothing."""
    return {name: json.loads(text) for name, text in written if text is not None}


def encode(value: Any) -> str:
    """Return the JSON text of a value, compact; NaN and infinities are refused.

    Raises:
        ValueError, TypeError: the value is not JSON.
    """
    return _encode(value)
