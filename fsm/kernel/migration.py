"""Migration: a run goes on under another version of its workflow, where a map of states says.

Its visit, and with it its idempotency key, its attempts and its checkpoints, stay.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fsm.diagnostics import did_you_mean
from fsm.errors import IllegalTransition, UsageError
from fsm.kernel.decide import row_of
from fsm.kernel.moves import asks_person
from fsm.model.definition import ActionState, EndState
from fsm.model.run import LIVE, Artifact, Decision, Run, Status, Transition
from fsm.model.workflow import Edge, Workflow

MOVABLE: frozenset[Status] = LIVE | {"failed", "dead"}
"""The statuses of runs that can still go on."""


def migrate(
    old: Workflow, new: Workflow, run: Run, states: Mapping[str, str], visited: Mapping[str, int],
    failed: Transition | None, now: int, actor: str | None, reason: str | None, *, written: Sequence[Artifact] = (),
) -> Decision:  # fmt: skip
    """Return the decision that pins a run to another version.

    A failed or dead run stays what it is. A live one becomes ready, unless it rests before a retry or asks a person;
    an action in flight is recorded as unknown.

    Args:
        states: which state of the old version becomes which of the new one.
        visited: the states that the run has been in, each with its latest visit.
        failed: the error row behind the run, with the visit that it left, if there is one.
        written: the inputs that only the new version has.

    Raises:
        IllegalTransition: the run has ended for good, or its state is not mapped to one that it can stand in.
    """
    target = _target(old, new, run, states)
    rests = run.status not in LIVE or _stays(old, new, run, target)
    visits = counted(new, run, states, failed)
    after = run._replace(
        version=new.version, digest=new.digest, state=target, status=run.status if rests else "ready", seq=run.seq + 1,
        epoch=run.epoch + 1, visits=visits, due_at=run.due_at if rests else None, awaits=run.awaits if rests else (),
        interrupted=run.interrupted or run.status == "running", updated_at=now,
    )  # fmt: skip
    # The visits come first: the law looks for them there.
    detail: dict[str, Any] = {
        "visits": _named(run, states, visited, failed),
        "from": {"version": old.version, "digest": old.digest},
        "to": {"version": new.version, "digest": new.digest},
    }
    # `output` and `reason` are what an ended run leaves behind; the operator's own reason stands beside them.
    detail |= {} if reason is None else {"because": reason}
    detail |= {} if run.status in LIVE else {"output": run.output, "reason": run.reason}
    row = row_of(run, after, "migrate", actor=actor, interrupted=run.status == "running", detail=detail,
                 visits=visits if visits != run.visits else None)  # fmt: skip
    return Decision(after, row, tuple(written), takes=True)


def _target(old: Workflow, new: Workflow, run: Run, states: Mapping[str, str]) -> str:
    """Return where the run will stand. Raises IllegalTransition."""
    if run.status not in MOVABLE:
        raise IllegalTransition(run.state, "migrate", [], f"the run has ended, {run.status}")
    target = states.get(run.state)
    if target is None or target not in new.states:
        raise IllegalTransition(run.state, "migrate", [], f'version {new.version} has no state for "{run.state}"')
    if not can_stand(old, new, run.state, target, run.status):
        where = "where a run ends" if isinstance(new.states[target], EndState) else "where no run ends"
        raise IllegalTransition(run.state, "migrate", [], f'"{run.state}" would become "{target}", {where}')
    return target


def can_stand(old: Workflow, new: Workflow, state: str, target: str, status: Status) -> bool:
    """Return whether a run that stands in a state with a status may stand in the other version's `target` with it."""
    here, there = old.states[state], new.states[target]
    if status in LIVE or not isinstance(here, EndState):
        return not isinstance(there, EndState)
    return isinstance(there, EndState) and here.end == there.end


def _stays(old: Workflow, new: Workflow, run: Run, target: str) -> bool:
    """Return whether a waiting run need not be looked at: it rests before a retry, or asks a person."""
    acts = isinstance(old.states[run.state], ActionState) and isinstance(new.states[target], ActionState)
    return run.status == "waiting" and acts and (not run.awaits or asks_person(run))


def counted(new: Workflow, run: Run, states: Mapping[str, str], failed: Transition | None) -> dict[str, int]:
    """Return the visit counts of a run under another version.

    A limit that the old version did not have counts from here: the visit that goes on is the first one.
    """
    found: dict[str, int] = {}
    for state, count in run.visits.items():
        target = states.get(state)
        if target is not None and target in new.bounded:
            found[target] = found.get(target, 0) + count
    here = states.get(going_on(run, failed))
    return {here: 1, **found} if here is not None and here in new.bounded else found


def going_on(run: Run, failed: Transition | None) -> str:
    """Return the state from which a run goes on: its own, or the one that failed."""
    return failed.source if failed and run.status not in LIVE else run.state


def _named(
    run: Run, states: Mapping[str, str], visited: Mapping[str, int], failed: Transition | None
) -> dict[str, str]:
    """Return what the visits that a redrive may go back to are called from here on."""
    places = [*((visit, state) for state, visit in visited.items()), (run.visit, run.state)]
    places += [(failed.visit, failed.source)] if failed else []
    return {str(visit): states[state] for visit, state in sorted(places) if state in states}


def mapped(old: Workflow, new: Workflow, states: Mapping[str, str]) -> dict[str, str]:
    """Return which state of a version becomes which of another: as given, and else the one of the same name.

    Raises:
        UsageError: a name is no state of its version.
    """
    for side, flow, names in (("from", old, states), ("to", new, states.values())):
        for name in names:
            if name not in flow.states:
                near = did_you_mean(name, flow.states)
                raise UsageError(f'the map leads {side} "{name}", which is no state of version {flow.version}'
                                 + (f"; {near}" if near else ""))  # fmt: skip
    return {state: states.get(state, state) for state in old.states if states.get(state, state) in new.states}


def edge_changes(old: Workflow, new: Workflow, states: Mapping[str, str]) -> tuple[list[Edge], list[Edge]]:
    """Return the edges of a version that another one lacks, and those that only the other one has.

    An edge is the same when it leads from where its source is mapped to where its target is. The engine's own are left
    out.
    """

    def moved(edge: Edge) -> Edge:
        return edge._replace(source=states.get(edge.source, edge.source), target=states.get(edge.target, edge.target))

    before = {moved(edge): edge for edge in old.edges if edge.event != "fault"}
    after = [edge for edge in new.edges if edge.event != "fault"]
    known = set(after)
    return [edge for now, edge in before.items() if now not in known], [edge for edge in after if edge not in before]
