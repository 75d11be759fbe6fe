"""Which of the runs that could go on are taken next."""

from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import NamedTuple

SUSPECT_CRASHES = 2
"""From how many crashes on a run is driven alone: what kills its process must not take others with it."""


class Candidate(NamedTuple):
    """A run that could be claimed; `row` orders the runs of a workflow by age, a higher `priority` goes first."""

    row: int
    workflow: str
    priority: int
    crashes: int


def fair_share(candidates: Sequence[Candidate], limit: int, after: str = "") -> list[Candidate]:
    """Return the candidates to take: workflows in turn, in each the higher priority first, then the older run.

    Args:
        candidates: in any order.
        limit: how many at most.
        after: the workflow that was served last; the turn goes on behind it.
    """
    queues: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda one: (-one.priority, one.row)):
        queues.setdefault(candidate.workflow, []).append(candidate)
    turn = sorted(queues, key=lambda name: (name <= after, name))
    rounds = zip_longest(*(queues[name] for name in turn))
    return [one for one in chain.from_iterable(rounds) if one is not None][:limit]
