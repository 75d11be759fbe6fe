"""What pruning does to the file besides: workers that are dead and hold nothing are forgotten, and no others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.store.sqlite import SqliteStore
from tests.store.driving import FETCHED, Driver
from tests.store.processes import Line, children

DONE = FETCHED._replace(outcome="nothing")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(place: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(place)
    yield store
    store.close()


def pids(store: SqliteStore) -> set[int]:
    return {pid for (pid,) in store.sql.execute("SELECT pid FROM workers")}


def test_workers_are_forgotten_when_they_are_dead_and_hold_no_run(place: Path, store: SqliteStore) -> None:
    def end(line: Line) -> None:
        driver = Driver(SqliteStore(place))
        driver.go(driver.start(), DONE)
        line.send("done")
        line.recv()

    def hold(line: Line) -> None:
        line.send(Driver(SqliteStore(place)).start().id)
        line.recv()

    driver = Driver(store)
    driver.go(driver.start(), DONE)
    with children(end, hold) as (idle, holding):
        idle.hears()
        left = holding.hears()
        own = pids(store) - {idle.pid, holding.pid}
        store.prune([])
        assert pids(store) == {*own, idle.pid, holding.pid}
        idle.kill()
        store.prune([])
        assert pids(store) == {*own, holding.pid}
    store.prune([])
    assert pids(store) == {*own, holding.pid}
    run = driver.claim(store.get(left))
    assert run.crashes == 1
    store.prune([])
    assert pids(store) == own
    assert driver.go(run, DONE).status == "succeeded"


def test_a_worker_that_is_another_store_of_the_same_process_is_not_forgotten(place: Path, store: SqliteStore) -> None:
    other = SqliteStore(place)
    driver = Driver(other)
    driver.go(driver.start(), DONE)
    store.prune([])
    assert len(pids(store)) == 1
    run = driver.start()
    assert not store.claimable(driver.now)
    assert driver.go(run, DONE).status == "succeeded"
    other.close()
    store.prune([])
    assert pids(store) == set()
