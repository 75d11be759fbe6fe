"""Listing: runs by what they are, newest first."""

from collections.abc import Callable, Collection

from fsm.engine.engine import Engine
from fsm.model.listing import Page, Wanted
from fsm.model.run import Run, Status

LOOKED_AT_MAX = 1_000_000
"""How many runs are looked at, about, before a listing says how far it has come."""

_STEPS_MAX = LOOKED_AT_MAX // 100_000


def listing(
    engine: Engine, *, workflow: str | None = None, statuses: Collection[Status] = (), state: str | None = None,
    key: str | None = None, since: int | None = None, until: int | None = None, paused: bool = False,
    held: bool = False, limit: int = 50, before: str | None = None, watch: Callable[[int], object] | None = None,
) -> Page:  # fmt: skip
    """Return runs, newest first, and where the next page begins.

    What is live or dead, has a key, or moved lately is found by an index where it is not very much. Otherwise runs are
    looked at newest first, about a million at most, in short reads; `is_cut` says that older ones were not looked at.

    Args:
        workflow: only its runs, of every version.
        statuses: only with one of these; all when empty.
        state: only runs in this state.
        key: only runs whose key begins so.
        since: only runs whose last transition was then or later, UTC milliseconds.
        until: only runs whose last transition was then or earlier.
        paused: only live runs that a pause covers.
        held: only runs that a living process drives.
        limit: how many at most, from 1.
        before: the id that the page before gave.
        watch: called before each look with how many were found so far.
    """
    wanted = Wanted(workflow, tuple(statuses), state, key, since, until, paused, held)
    found: list[Run] = []
    for _ in range(_STEPS_MAX):
        if watch:
            watch(len(found))
        page = engine.store.page(wanted, limit - len(found), before, engine.clock.now())
        found += page.runs
        before = page.before
        if not page.is_cut or len(found) == limit:
            return Page(found, before, page.is_cut)
    return Page(found, before, is_cut=True)
