"""Migrate: runs of one version of a workflow go on under another."""

from collections.abc import Mapping
from typing import NamedTuple

from fsm.engine.engine import Engine
from fsm.engine.prospect import obstructed
from fsm.errors import UsageError
from fsm.model.migration import Obstacle, Passage
from fsm.model.run import Run
from fsm.operations.migration import Migration


class Migrated(NamedTuple):
    """What became of a migration: the runs that were moved, as they stand now, and what was in the way of the rest."""

    moved: list[Run]
    left: list[Passage]


def migrate(
    engine: Engine, workflow: str, old: int, new: int, *, states: Mapping[str, str] | None = None,
    run_id: str | None = None, failed: bool = False, running: bool = False, where_possible: bool = False,
    actor: str | None = None, reason: str | None = None,
) -> Migrated:  # fmt: skip
    """Move live and dead runs of one version of a workflow to another; `resume` drives on those that are live.

    Every run is checked before any is moved: its state exists there, and whatever it can come to read is written.
    Visit, key, attempts and checkpoints stay. Values that only the new version has as inputs get their defaults.

    Args:
        old, new: the versions; the new one may be in a definition file or in the store.
        states: which state becomes which, where the name is another; a state is else the one of its name.
        run_id: only this run.
        failed: runs that ended at an `end: failure`, too.
        running: runs that are driven at this moment, too: they are taken, and their attempts recorded as unknown.
        where_possible: move those that can be moved, and leave the others.

    Raises:
        NotFound: there is no such version or run.
        UsageError: some run cannot be moved; nothing was done.
    """
    plan = Migration(engine, workflow, old, new, states or {}, running=running)
    passages = plan.passages(run_id, failed=failed)
    left = [passage for passage in passages if not passage.is_open]
    if left and not where_possible:
        first = f"run {left[0].run.id}: {obstructed(left[0])}"
        raise UsageError(f"{len(left)} of {len(passages)} runs cannot be moved, so none was: {first}")
    plan.prepare()
    moved = []
    for passage in passages:
        if passage.is_open:
            try:
                moved.append(plan.move(passage.run.id, actor, reason))
            except UsageError as fault:  # it moved meanwhile
                left.append(passage._replace(obstacles=(Obstacle("", str(fault), ""),)))
    return Migrated(moved, left)
