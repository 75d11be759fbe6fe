"""What every part of the contract works on: a way to open the store, and runs driven through it."""

from collections.abc import Callable, Iterator

import pytest

from fsm.model.run import Run
from fsm.store import Store
from tests.store.driving import Driver
from tests.store.processes import Line, children

Opener = Callable[[], Store]
"""Opens the same place once more: another store object on it, in this process or another."""


def crashed(driver: Driver, opened: Opener) -> Run:
    """Return a run, claimed here, whose first process died in mid-action."""
    run = driver.start(status="ready")

    def hold(line: Line) -> None:
        line.send(Driver(opened()).claim(run).id)
        line.recv()

    with children(hold) as (child,):
        child.hears()
    claimed = driver.claim(run)
    assert claimed.crashes == 1
    return claimed


class Subject:
    """Subclasses have a fixture `opened`, an Opener; it closes what it opened in this process."""

    @pytest.fixture
    def store(self, opened: Opener) -> Iterator[Store]:
        store = opened()
        yield store
        store.close()

    @pytest.fixture
    def driver(self, store: Store) -> Driver:
        return Driver(store)
