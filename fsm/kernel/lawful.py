"""Whether a transition was lawful: a declared edge, or an operator move under its own condition.

The store's triggers hold the same law when a row is written; here it is held against rows that were written long ago,
perhaps by somebody who had removed the triggers.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from fsm.kernel.fold import Folded
from fsm.model.definition import EndState
from fsm.model.run import LIVE, Transition
from fsm.model.workflow import START, Workflow, success_event

MOVES = frozenset({"cancel", "redrive", "complete", "rewind", "fork", "migrate"})


class Behind(NamedTuple):
    """What lies behind an operator move that goes back.

    Attributes:
        named: the row that it names; of the run that it branched off, for a fork.
        digest: of the workflow under which that was crossed.
        left: the visit that the named row left.
        renamed: what the last migration since then calls the visits before it; None where there was none.
    """

    named: Transition
    digest: str
    left: int
    renamed: Mapping[int, str] | None


def objection(
    flow: Workflow, before: Folded, row: Transition, behind: Behind | None = None, after: Workflow | None = None
) -> str | None:
    """Return why a transition was not lawful, or None where it was.

    Args:
        flow: what the run was pinned to before it.
        before: the run before it, as its ledger has it; unborn for its first transition.
        behind: of a row that names an earlier one.
        after: what a migration pinned the run to.
    """
    if row.source != before.state:
        return f'it leaves "{row.source}", and the run was in "{before.state}"'
    if row.epoch < before.epoch:
        return f"its epoch {row.epoch} is older than {before.epoch}"
    if row.event not in MOVES:
        return _edge(flow, before, row)
    if row.event == "fork" and before.seq:
        return "a run that has begun does not branch off"
    return _MOVES[row.event](flow, before, row, behind, after)


def _edge(flow: Workflow, before: Folded, row: Transition) -> str | None:
    if before.status not in LIVE:
        return f"the run had ended, {before.status}"
    for edge in flow.edges:
        if (edge.source, edge.event, edge.target) == (row.source, row.event, row.target):
            fits = row.status in LIVE if edge.ends is None else row.status == edge.ends
            return None if fits else f'"{row.target}" does not make a run {row.status}'
    return f'no edge leads from "{row.source}" by "{row.event}" to "{row.target}"'


def _cancel(
    _flow: Workflow, before: Folded, row: Transition, _behind: Behind | None, _after: Workflow | None
) -> str | None:
    is_lawful = row.target == before.state and row.status == "cancelled" and before.status in LIVE
    return None if is_lawful else "only a live run is cancelled, and where it stands"


def _redrive(
    flow: Workflow, before: Folded, row: Transition, behind: Behind | None, _after: Workflow | None
) -> str | None:
    if row.status != "ready" or not _can_stand(flow, row.target):
        return f'a run is not redriven into "{row.target}" to be {row.status}'
    if before.status in LIVE:  # that it asked a person no row tells
        stays = (row.target, row.visit) == (before.state, before.visit)
        return None if stays else "a live run is redriven only where it stands"
    if before.status not in ("failed", "dead") or behind is None:
        return f"a run that is {before.status} is not redriven, or its row names none that it goes back to"
    here = behind.named.target if behind.named.visit == row.visit else None
    if here is None and behind.named.event.startswith("error:") and behind.left == row.visit:
        here = behind.named.source
    if here is not None and behind.renamed is not None:
        here = behind.renamed.get(row.visit)
    return None if here == row.target else f'transition {row.of_seq} does not lead back to "{row.target}"'


def _complete(
    flow: Workflow, before: Folded, row: Transition, behind: Behind | None, _after: Workflow | None
) -> str | None:
    if row.actor is None:
        return "nobody vouches for it"
    if before.status in LIVE:
        source: str | None = before.state
    elif before.status in ("failed", "dead") and behind is not None:
        failed = behind.named.event.startswith("error:") or behind.named.event == "fault"
        source = behind.named.source if failed else None
        if failed and behind.renamed is not None:
            source = behind.renamed.get(behind.left)
    else:
        source = None
    outcome = (row.detail or {}).get("outcome", "success")
    for edge in flow.edges:
        if (edge.source, edge.event, edge.target) == (source, success_event(str(outcome)), row.target):
            fits = row.status in ("ready", "waiting") if edge.ends is None else row.status == edge.ends
            return None if fits else f'"{row.target}" does not make a run {row.status}'
    return f'no success leads from "{source}" to "{row.target}"'


def _back(
    flow: Workflow, _before: Folded, row: Transition, behind: Behind | None, _after: Workflow | None
) -> str | None:
    """Judge a rewind or a fork: both open a visit of the state that the named row entered."""
    if (row.status, row.visit, row.attempt) != ("ready", row.seq, 1) or not _can_stand(flow, row.target):
        return f'it opens no new visit of "{row.target}"'
    if row.event == "fork" and behind is None and row.of_seq:
        return None  # the run that it branched off may be deleted
    if behind is None or behind.named.target != row.target or behind.digest != flow.digest:
        return f'transition {row.of_seq} did not lead to "{row.target}"'
    return None


def _migrate(
    flow: Workflow, before: Folded, row: Transition, _behind: Behind | None, after: Workflow | None
) -> str | None:
    if after is None or after.name != flow.name or after.digest == flow.digest or row.target not in after.states:
        return f'no other version has a state "{row.target}"'
    if (row.visit, row.attempt, row.tries) != (before.visit, before.attempt, before.tries):
        return "it does not stay in its visit"
    if before.status in ("failed", "dead"):
        ends = any((edge.target, edge.ends) == (row.target, row.status) for edge in after.edges)
        fits = row.status == before.status and ends
    else:
        fits = before.status in LIVE and row.status in ("ready", "waiting") and _can_stand(after, row.target)
    return None if fits else f'a run that was {before.status} does not become {row.status} in "{row.target}"'


_Judge = Callable[[Workflow, Folded, Transition, Behind | None, Workflow | None], str | None]
_MOVES: Mapping[str, _Judge] = {
    "cancel": _cancel, "redrive": _redrive, "complete": _complete, "rewind": _back, "fork": _back, "migrate": _migrate,
}  # fmt: skip


def _can_stand(flow: Workflow, state: str) -> bool:
    """Return whether a live run may be in a state."""
    return state != START and state in flow.states and not isinstance(flow.states[state], EndState)
