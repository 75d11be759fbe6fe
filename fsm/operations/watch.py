"""Watch: what there is in a store now, and how fast it moves, as often as one looks."""

from typing import NamedTuple

from fsm.engine.engine import Engine
from fsm.model.census import Present
from fsm.operations.naming import require_stored


class Glance(NamedTuple):
    """One look at a store.

    Attributes:
        at: when, UTC milliseconds.
        edges_per_s: transitions since the look before, of all workflows; None for the first look.
    """

    at: int
    present: Present
    edges_per_s: float | None


def watch(engine: Engine, before: Glance | None = None, *, workflow: str | None = None) -> Glance:
    """Look at what there is now; costs as much as there are live and dead runs.

    Args:
        before: the look before this one, for the speed.
        workflow: only runs of this one.

    Raises:
        NotFound: the store has no such workflow.
    """
    if before is None:
        require_stored(engine, workflow)
    now = engine.clock.now()
    present = engine.store.present(now, workflow=workflow)
    speed = None
    if before is not None and now > before.at:
        speed = max(present.last - before.present.last, 0) * 1_000 / (now - before.at)
    return Glance(now, present, speed)
