"""What every part of the contract works on: a way to open the store, and runs driven through it."""

from collections.abc import Callable, Iterator

import pytest

from fsm.store import Store
from tests.store.driving import Driver

Opener = Callable[[], Store]
"""Opens the same place once more: another store object on it, in this process or another."""


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
