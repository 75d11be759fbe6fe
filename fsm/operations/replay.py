"""Replay: a run's ledger is folded, and compared with the run's row."""

from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from fsm.engine.engine import Engine
from fsm.errors import NotFound
from fsm.kernel.fold import Difference, Folded, differences, fold
from fsm.model.run import Run

PAGE_RUNS = 200


class Replayed(NamedTuple):
    """What became of a replay.

    Attributes:
        run: as its row has it.
        values: the newest value of each of its names, JSON texts.
        folded: the run as its ledger makes it.
        differences: what the two tell differently; none where all is well, or where only a part was folded.
    """

    run: Run
    values: dict[str, str]
    folded: Folded
    differences: tuple[Difference, ...]


def replay(engine: Engine, run_id: str, *, to: int | None = None) -> Replayed:
    """Fold a run's ledger from its first transition on, and compare what it makes of the run with the run's row.

    Args:
        to: the last transition to fold; an earlier one than the run's last shows the run as it was then, and is not
            compared.

    Raises:
        NotFound: there is no such run or transition.
    """
    run = engine.get(run_id)
    if to is not None and not 1 <= to <= run.seq:
        raise NotFound(f"run {run.id} has no transition {to}; it has 1 to {run.seq}")
    last = run.seq if to is None else to
    rows = takewhile(lambda row: row.transition.seq <= last, engine.follow(run.id))
    folded = fold(engine.store.inputs(run), rows)
    values = engine.store.values_at(run, None, last)
    if last < run.seq:
        return Replayed(run, values, folded, ())
    told = tuple(differences(folded, run, values))
    if told:
        engine.get(run.id)  # one that was pruned meanwhile has lost its ledger, and is not there any more
    return Replayed(run, values, folded, told)


def replays(engine: Engine) -> Iterator[Replayed]:
    """Replay every run, newest first; one that is pruned meanwhile is left out."""
    before: str | None = None
    while page := engine.runs(limit=PAGE_RUNS, before=before):
        for run in page:
            try:
                yield replay(engine, run.id)
            except NotFound:
                continue
        before = page[-1].id
