"""Threads of one process: each on its own connection, all of one mind; and the end of a store."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.errors import SchemaError, StoreError
from fsm.store.sqlite import SqliteStore
from tests.store.driving import FETCHED, Driver
from tests.store.processes import eventually, in_threads


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(place: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(place)
    yield store
    store.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


def test_many_threads_use_one_store_each_on_a_connection_of_its_own(store: SqliteStore) -> None:
    used = []

    def work(number: int) -> None:
        driver = Driver(store, now=1_700_000_000_000 + number * 1_000)
        driver.go(driver.start(), FETCHED)
        used.append(store.sql)

    in_threads(8, work)
    assert len(set(map(id, used))) == 8
    assert len(store.runs(state="draft")) == 8


def test_connections_of_ended_threads_are_let_go(store: SqliteStore) -> None:
    def read(_: int) -> None:
        store.runs()

    in_threads(8, read)
    before = open_files()
    for _ in range(10):
        in_threads(8, read)
    assert open_files() < before + 20  # SQLite itself keeps some for the next connections
    store.leave()
    store.runs()
    assert len(store._connections) == 1
    in_threads(8, read)
    store.close()
    assert store._connections == []


def test_a_thread_that_leaves_may_come_back(store: SqliteStore) -> None:
    run = Driver(store).start()
    store.leave()
    store.leave()
    assert store.get(run.id) == run
    assert store.held(run.id)


def test_a_run_that_one_thread_drives_is_not_left_behind_for_another(store: SqliteStore) -> None:
    run = Driver(store).start()
    found: list[object] = []

    def look(_: int) -> None:
        found.append((store.claimable(run.started_at), store.claim(run.id, run.started_at), store.held(run.id)))

    in_threads(2, look)
    assert found == [([], None, True)] * 2


# -- closing


def test_a_closed_store_says_so_and_may_be_closed_again(store: SqliteStore) -> None:
    run = Driver(store).start()
    store.close()
    store.close()
    for use in (
        lambda: store.get(run.id), lambda: store.claim(run.id, 1), lambda: store.claimable(1),
        lambda: store.held(run.id),
    ):  # fmt: skip
        with pytest.raises(StoreError, match="is closed; open a new Engine"):
            use()


def test_a_store_that_is_dropped_frees_its_runs(place: Path, store: SqliteStore) -> None:
    other = SqliteStore(place)
    run = Driver(other).start()
    assert store.held(run.id)
    del other
    eventually(lambda: not store.held(run.id))


def test_an_open_that_fails_leaves_no_file_open(tmp_path: Path) -> None:
    place = tmp_path / "diary.txt"
    place.write_text("dear diary, " * 1_000)

    def attempt() -> None:
        with pytest.raises(SchemaError):
            SqliteStore(place)

    attempt()
    before = open_files()
    for _ in range(3):
        attempt()
    assert open_files() == before


def test_the_last_one_out_leaves_one_whole_file_that_may_be_copied(tmp_path: Path, store: SqliteStore) -> None:
    run = Driver(store).start()
    store.close()
    copied = SqliteStore(shutil.copy(store.path, tmp_path / "copy.db"))
    assert copied.get(run.id) == run
    copied.close()
