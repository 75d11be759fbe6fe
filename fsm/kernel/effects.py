"""What the visits of a run did outside, as far as its ledger tells."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from fsm.model.run import Moment, Run, Transition

Result = Literal["succeeded", "failed", "unknown"]

NOT_CALLED = frozenset({"VisitsExceeded", "RequireFailed"})
"""Verdicts that come before the action is called."""

_RANK: Mapping[Result, int] = {"failed": 0, "unknown": 1, "succeeded": 2}


class Visited(NamedTuple):
    """A visit in which something was attempted.

    Attributes:
        state, visit: which one.
        result: the best that is known of its attempts; unknown where one may have had its effect all the same.
        seq: the transition before the one that told so: what the attempt read was newest then.
        visits: entries into the states with `max_visits`, as of then.
    """

    state: str
    visit: int
    result: Result
    seq: int
    visits: Mapping[str, int]


def visited(then: Moment, rows: Iterable[Transition], run: Run) -> list[Visited]:
    """Return the visits in which something was attempted after a moment, in order.

    Args:
        then: the moment; the visit that its transition opened counts.
        rows: every transition after it, up to the run's last.
        run: as it stands now.
    """
    found: dict[int, Visited] = {}
    failed: dict[int, Visited] = {}
    here = Visited(then.transition.target, then.transition.visit, "unknown", then.transition.seq, then.visits)
    for row in rows:
        result = result_of(row)
        told = here if row.event != "complete" else failed.get(row.of_seq or 0, here)
        if result:
            _better(found, told._replace(result=result))
        if row.event.startswith("error:") or row.event == "fault":
            failed[row.seq] = here
        visits = here.visits if row.visits is None else row.visits
        here = Visited(row.target, row.visit, "unknown", row.seq, visits)
    if run.status == "running" or run.interrupted:
        _better(found, here)
    return sorted(found.values(), key=lambda one: one.visit)


def _better(found: dict[int, Visited], told: Visited) -> None:
    known = found.get(told.visit)
    if known is None or _RANK[told.result] >= _RANK[known.result]:
        found[told.visit] = told


def result_of(row: Transition) -> Result | None:
    """Return what a transition tells of the attempt that it closes; None when it closes none."""
    event = row.event.partition(":")[0]
    if event in ("success", "complete"):
        return "succeeded"
    if row.interrupted and event != "redrive":
        return "unknown"
    if event in ("retry", "error", "fault") and (row.detail or {}).get("class") not in NOT_CALLED:
        return "failed"
    return None
