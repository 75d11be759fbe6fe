"""Going back: a run that is taken back to an earlier transition, or a new one that branches off there.

The ledger is never rewritten. A row is added that enters the old state once more, and writes anew what the run held
then, so that the newest value of every name is the one that counts, here as everywhere.
"""

from collections.abc import Sequence
from typing import Any

from fsm.errors import IllegalTransition
from fsm.kernel.decide import row_of
from fsm.model.definition import EndState
from fsm.model.run import Artifact, Decision, Moment, Run
from fsm.model.workflow import Workflow


def changed(then: Moment, now: Moment) -> list[str]:
    """Return the names that have another value now than then, sorted."""
    return sorted(name for name in {*then.written, *now.written} if then.written.get(name) != now.written.get(name))


def rewind(
    flow: Workflow, run: Run, then: Moment, restored: Sequence[Artifact], now: int, actor: str | None,
    reason: str | None,
) -> Decision:  # fmt: skip
    """Return the decision that takes a run back to where one of its transitions led, in a visit of its own.

    Args:
        then: the run right after that transition.
        restored: what it held then, of the names that `changed` tells of; None for one that was not written yet.

    Raises:
        IllegalTransition: it led to an end, or was crossed under another version of the workflow.
    """
    require_entry(flow, run, "rewind", then)
    to, seq = then.transition, run.seq + 1
    after = run._replace(
        state=to.target, status="ready", seq=seq, epoch=run.epoch + 1, visit=seq, entered_at=now, attempt=1, tries={},
        visits=then.visits, due_at=None, awaits=(), crashes=0, interrupted=False, updated_at=now, output=None,
        reason=None,
    )  # fmt: skip
    row = row_of(
        run, after, "rewind", actor=actor, interrupted=run.status == "running" or run.interrupted, of_seq=to.seq,
        detail=None if reason is None else {"reason": reason},
        visits=then.visits if then.visits != run.visits else None,
    )  # fmt: skip
    return Decision(after, row, tuple(restored), takes=True)


def branch(origin: Run, then: Moment, run_id: str, key: str | None, now: int) -> Run:
    """Return a new run that is to branch off another one, as it is before it has begun.

    Args:
        then: the other run right after the transition to branch off from; the new one is pinned as that was then.
        run_id: of the new one.
    """
    return origin._replace(
        id=run_id, key=key, version=then.version, digest=then.digest, state="", status="ready", seq=0, head=b"",
        visit=0, entered_at=now, attempt=1, tries={}, visits={}, due_at=None, awaits=(), epoch=1, crashes=0,
        interrupted=False, started_at=now, updated_at=now, output=None, reason=None, forked_from=origin.id, row=0,
    )  # fmt: skip


def fork(
    flow: Workflow, origin: Run, run: Run, then: Moment, written: Sequence[Artifact], changed: Sequence[str],
    actor: str | None, reason: str | None,
) -> Decision:  # fmt: skip
    """Return the decision by which a new run begins where a transition of another one led.

    Args:
        flow: what the new run is pinned to.
        run: of `branch`.
        written: what it shall hold besides its inputs.
        changed: the names that it has other values of than the other run had then.

    Raises:
        IllegalTransition: the transition led to an end.
    """
    require_entry(flow, origin, "fork", then)
    to = then.transition
    after = run._replace(state=to.target, seq=1, visit=1, visits=then.visits)
    detail: dict[str, Any] = {"run": origin.id}
    if changed:
        detail["set"] = list(changed)
    if reason is not None:
        detail["reason"] = reason
    row = row_of(run, after, "fork", actor=actor, detail=detail, of_seq=to.seq, visits=then.visits or None)
    return Decision(after, row, tuple(written))


def require_entry(flow: Workflow, run: Run, event: str, then: Moment) -> None:
    """Make sure that a run of a workflow can be where one of a run's transitions led.

    Raises:
        IllegalTransition: it led to an end, or was crossed under another version of the workflow.
    """
    to = then.transition
    if then.digest != flow.digest:
        raise IllegalTransition(
            run.state, event, [], f"transition {to.seq} belongs to version {then.version}, and the run was moved to "
            f"version {flow.version} since; go back no further than that, or fork it at {to.seq}"
        )  # fmt: skip
    if isinstance(flow.states.get(to.target), EndState):
        raise IllegalTransition(
            run.state, event, [], f'transition {to.seq} led to "{to.target}", where a run ends; name an earlier one'
        )
