"""Which runs are wanted, and a page of those that were found."""

from typing import NamedTuple

from fsm.model.run import Run, Status


class Wanted(NamedTuple):
    """What runs have to be to be listed; None, or nothing, lets all through.

    Attributes:
        workflow: of this name.
        statuses: with one of these.
        state: standing in this one.
        key: whose key begins so.
        since, until: whose last transition was then or later, or then or earlier; UTC milliseconds.
        paused: held back by a pause.
        held: driven by a living process.
    """

    workflow: str | None = None
    statuses: tuple[Status, ...] = ()
    state: str | None = None
    key: str | None = None
    since: int | None = None
    until: int | None = None
    paused: bool = False
    held: bool = False


class Page(NamedTuple):
    """Some runs, newest first.

    Attributes:
        before: the id that the next page goes on from; None where there is nothing more.
        is_cut: whether it ends before it is full, since enough runs were looked at.
    """

    runs: list[Run]
    before: str | None
    is_cut: bool = False
