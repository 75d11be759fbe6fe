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


class Share(NamedTuple):
    """What a worker is to take.

    Attributes:
        suspects: whether runs that crashed their process before are among the candidates.
        last: the workflow that was served last.
    """

    rows: list[int]
    suspects: bool
    last: str


def share(candidates: Sequence[Candidate], limit: int, after: str, *, alone: bool) -> Share:
    """Return what to take: one suspect for a worker that drives nothing else; while there is one, nothing otherwise.

    Args:
        alone: whether the worker drives nothing; the others are as for `fair_share`.
    """
    suspects = [one for one in candidates if one.crashes >= SUSPECT_CRASHES]
    chosen = (suspects[:1] if alone else []) if suspects else fair_share(candidates, limit, after)
    return Share([one.row for one in chosen], bool(suspects), chosen[-1].workflow if chosen else after)
