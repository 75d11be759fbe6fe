"""The SQLite store keeps the contract."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fsm.errors import StoreError
from fsm.store import Store
from fsm.store.sqlite import SqliteStore
from tests.store.contract import Contract


class TestSqlite(Contract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Iterator[Callable[[], Store]]:
        made: list[SqliteStore] = []

        def another() -> Store:
            made.append(SqliteStore(tmp_path / "runs.db"))
            return made[-1]

        yield another
        for store in made:
            with suppress(StoreError):
                store.close()
