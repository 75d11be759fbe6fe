"""Operator moves: not edges, but each with a condition of its own, an actor and a reason.

The same conditions stand in the store's triggers; here they give the caller a message that names the cure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fsm.errors import IllegalTransition, UsageError
from fsm.expressions import EvaluationError
from fsm.kernel.decide import Values, enter, leave_behind, row_of, values_of
from fsm.kernel.table import table_of
from fsm.model.definition import ActionState, EndState
from fsm.model.run import LIVE, PERSON, Artifact, Decision, Run, Transition
from fsm.model.workflow import Workflow, success_event, writes_of


def _detail(reason: str | None) -> dict[str, Any] | None:
    return None if reason is None else {"reason": reason}


def cancel(run: Run, now: int, actor: str | None, reason: str | None) -> Decision:
    """Return the decision that ends a live run where it stands; an action in flight is recorded as unknown.

    Raises:
        IllegalTransition: the run has ended.
    """
    if run.status not in LIVE:
        raise IllegalTransition(run.state, "cancel", [], f"the run has ended, {run.status}")
    after = run._replace(
        status="cancelled", seq=run.seq + 1, epoch=run.epoch + 1, due_at=None, awaits=(), updated_at=now,
        reason=reason, interrupted=False,
    )  # fmt: skip
    row = row_of(run, after, "cancel", actor=actor, interrupted=run.status == "running", detail=_detail(reason))
    return Decision(after, row, takes=True)


def asks_person(run: Run) -> bool:
    """Return whether the run waits for a person to say whether its last attempt took effect."""
    return run.status == "waiting" and run.awaits == PERSON


def redrive(
    flow: Workflow, run: Run, failed: Transition | None, now: int, actor: str | None, reason: str | None, *,
    at: str | None = None, visited: Mapping[str, int] | None = None, changes: Sequence[Artifact] = (),
) -> Decision:  # fmt: skip
    """Return the decision that lets a run try again in the visit that failed, or that a person was asked about.

    Args:
        failed: the error row to go back to, with the visit that it left, for a run that is failed or dead; None when
            a person is asked, or when there is none.
        at: another state to go back to, in its latest visit; None for the one that failed.
        visited: the states that the run has been in, each with its latest visit; needed where `at` is given.
        changes: what is written in place of inputs and artifacts.

    Raises:
        IllegalTransition: the run is neither failed, dead nor asking, or has no such state to go back to.
    """
    if asks_person(run) and at in (None, run.state):
        state, visit, of_seq, unknown = run.state, run.visit, None, False
    elif run.status in ("failed", "dead") and (failed or at is not None):
        state, visit, of_seq, unknown = _back(flow, run, failed, at, visited or {})
    else:
        raise IllegalTransition(run.state, "redrive", [], _not_redrivable(run, at))
    visits = {**run.visits, state: run.visits[state] - 1} if state in run.visits else run.visits
    after = run._replace(state=state, status="ready", seq=run.seq + 1, epoch=run.epoch + 1, visit=visit, entered_at=now,
        attempt=1, tries={}, visits=visits, due_at=None, awaits=(), crashes=0, interrupted=unknown, updated_at=now,
        output=None, reason=None,
    )  # fmt: skip
    detail = {**(_detail(reason) or {}), **({"set": [change.name for change in changes]} if changes else {})}
    row = row_of(run, after, "redrive", actor=actor, interrupted=unknown, detail=detail or None, of_seq=of_seq,
                 visits=visits if visits is not run.visits else None)  # fmt: skip
    return Decision(after, row, tuple(changes), takes=True)


def _back(
    flow: Workflow, run: Run, failed: Transition | None, at: str | None, visited: Mapping[str, int]
) -> tuple[str, int, int, bool]:
    """Return the state to go back to, the visit of it, the row that says so, and whether its effect is unknown."""
    if at is None:
        assert failed is not None
        require_there(flow, run, failed, "redrive")
        state, visit, of_seq, unknown = failed.source, failed.visit, failed.seq, failed.interrupted
    else:
        places = sorted(name for name in visited if name in flow.states and not isinstance(flow.states[name], EndState))
        if at not in places:
            said = f'the run has not been in "{at}", or nothing leads on from there'
            raise IllegalTransition(run.state, "redrive", [], f"{said}; it has been in {', '.join(places)}")
        state, visit, of_seq = at, visited[at], visited[at]
        # What it did in that visit took effect, but for an error that is known to have had none.
        unknown = failed.interrupted if failed and failed.visit == visit else isinstance(flow.states[at], ActionState)
    # Where a person would be asked, the redrive is the answer.
    return state, visit, of_seq, unknown and getattr(flow.states[state], "interrupted", "repeat") != "ask"


def require_there(flow: Workflow, run: Run, failed: Transition, event: str) -> None:
    """Make sure that the version which a run was moved to still has the state that failed. Raises IllegalTransition."""
    if failed.source not in flow.states:
        raise IllegalTransition(run.state, event, [], f'version {flow.version} has no state "{failed.source}", which '
                                "failed; redrive the run at another one that it has been in")  # fmt: skip


def _not_redrivable(run: Run, at: str | None) -> str:
    if asks_person(run):
        return f'the run asks a person about "{run.state}", and cannot go on from "{at}"'
    if run.status in ("failed", "dead"):
        return "no error lies behind it; name a state that it has been in, to go on from there"
    return f"the run is {run.status}; only a failed or dead one, or one that asks a person, can be redriven"


def require_droppable(run: Run) -> None:
    """Make sure that a run is a dead letter, for which nobody would wait if it were gone.

    Raises:
        IllegalTransition: it is live, or it did not fail.
    """
    if run.status in LIVE:
        raise IllegalTransition(run.state, "drop", [], f"the run is {run.status}; cancel it first, or let it end")
    if run.status not in ("failed", "dead"):
        ended = f"the run {_ENDED[run.status]}; only a dead or failed one can be dropped"
        raise IllegalTransition(run.state, "drop", [], ended)


_ENDED = {"succeeded": "has succeeded", "cancelled": "was cancelled"}


def complete(
    flow: Workflow, run: Run, failed: Transition | None, outcome: str, value: str, now: int,
    actor: str, reason: str | None, values: Values,
) -> Decision:  # fmt: skip
    """Return the decision that crosses a state's success edge with a result that a person vouches for.

    Args:
        failed: the error row whose source is completed, for a run that is failed or dead; None when it asks.
        value: JSON text.

    Raises:
        IllegalTransition: nobody is asked for, or the state has no such outcome.
        UsageError: the run's output cannot be told from such a value.
    """
    if asks_person(run):
        state, of_seq = run.state, None
    elif run.status in ("failed", "dead") and failed is not None:
        state, of_seq = failed.source, failed.seq
    else:
        raise IllegalTransition(run.state, "complete", [], f"the run is {run.status} and asks nobody")
    event = success_event(outcome)
    target = table_of(flow).cross(state, event)
    name = writes_of(state, flow.states[state])
    written = (Artifact(name, value),) if name else ()
    after = enter(flow, run._replace(status="ready", epoch=run.epoch + 1, output=None, reason=None), target, now)
    # `reason` is what an ended run leaves behind; the person's own stands beside it.
    detail: dict[str, Any] = {"outcome": outcome} if reason is None else {"outcome": outcome, "because": reason}
    end = flow.states[target]
    if isinstance(end, EndState):
        try:
            after = leave_behind(end, after, {**values, **values_of(written)})
        except EvaluationError as error:
            raise UsageError(f'with this value "{target}" cannot be entered: {error}') from None
        detail |= {"output": after.output, "reason": after.reason}
    row = row_of(run, after, "complete", actor=actor, detail=detail, of_seq=of_seq,
                 visits=after.visits if after.visits is not run.visits else None)  # fmt: skip
    return Decision(after, row, written, takes=True)
