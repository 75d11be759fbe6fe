"""COMMIT fails: whether it took effect can only be read back, and is."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fsm.errors import StoreError
from fsm.kernel.decide import begin
from fsm.model.run import Received, Rest, Run
from fsm.store.sqlite import SqliteStore
from fsm.store.sqlite.connection import OutcomeUnknown
from tests.store.chain import breaks
from tests.store.driving import DRAFTED, FETCHED, URI, Driver, artifacts_of

BEFORE, AFTER = "before it took effect", "after it took effect"
when = pytest.mark.parametrize("when", [BEFORE, AFTER])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "runs.db")
    yield store
    store.close()


@pytest.fixture
def driver(store: SqliteStore) -> Driver:
    return Driver(store)


@pytest.fixture
def other(tmp_path: Path, store: SqliteStore) -> Iterator[SqliteStore]:
    """The same file, seen from elsewhere."""
    other = SqliteStore(tmp_path / "runs.db")
    yield other
    other.close()


class Failing:
    """An SQLite connection whose next COMMIT fails, before or after it took effect."""

    def __init__(self, sql: sqlite3.Connection, when: str) -> None:
        self._sql = sql
        self._when = when
        self.commits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sql, name)

    def execute(self, statement: str, *parameters: Any) -> Any:
        if statement != "COMMIT":
            return self._sql.execute(statement, *parameters)
        self.commits += 1
        if self._when == AFTER:
            self._sql.execute(statement)
        raise sqlite3.OperationalError("disk I/O error")


def spoil(store: SqliteStore, when: str) -> Failing:
    failing = Failing(store._connection.sql, when)
    store._connection.sql = failing  # type: ignore[assignment]
    return failing


def unknown() -> Any:
    return pytest.raises(OutcomeUnknown, match=r"the commit failed \(disk I/O error\); check the disk")


@when
def test_an_edge_whose_commit_failed_is_read_back(
    store: SqliteStore, driver: Driver, other: SqliteStore, when: str
) -> None:
    run = driver.start()
    decision = driver.decision(run, FETCHED)
    failing = spoil(store, when)
    if when == BEFORE:
        with unknown():
            store.commit([decision])
        assert other.get(run.id) == store.get(run.id) == run
        assert store.held(run.id)
        after = driver.commit(decision)
    else:
        (committed,) = store.commit([decision])
        assert committed is not None
        assert committed == other.get(run.id)
        after = committed
    assert failing.commits == 1
    assert driver.go(after, DRAFTED).state == "human"
    assert breaks(store.path, run.id) == []


@when
def test_a_batch_whose_commit_failed_is_there_whole_or_not_at_all(
    store: SqliteStore, driver: Driver, when: str
) -> None:
    runs = [driver.start() for _ in range(4)]
    decisions = [driver.decision(run, FETCHED) for run in runs]
    decisions[1] = driver.decision(runs[1], Rest(driver.now + 9))
    decisions[2] = decisions[2]._replace(transition=decisions[2].transition._replace(epoch=9))  # type: ignore[union-attr]
    spoil(store, when)
    if when == BEFORE:
        with unknown():
            store.commit(decisions)
        assert [store.get(run.id) for run in runs] == runs
    else:
        after = store.commit(decisions)
        assert [run and run.seq for run in after] == [2, 1, None, 2]
        assert [store.get(run.id) for run in runs] == [run or runs[place] for place, run in enumerate(after)]


def test_a_commit_that_wrote_nothing_is_not_unknown(store: SqliteStore, driver: Driver) -> None:
    run = driver.start()
    late = driver.decision(run, FETCHED)
    driver.go(run, FETCHED)
    spoil(store, BEFORE)
    assert store.commit([late]) == [None]


@when
def test_a_start_whose_commit_failed_is_read_back(store: SqliteStore, driver: Driver, when: str) -> None:
    driver.start()
    spoil(store, when)
    if when == BEFORE:
        with unknown():
            driver.start(key="k")
        assert store.find("review", "k") is None
        run = driver.start(key="k")
    else:
        run = driver.start(key="k")
    assert store.get(run.id) == run
    assert driver.go(run, FETCHED).state == "draft"


@when
def test_the_first_claim_of_a_process_survives_a_commit_that_fails(tmp_path: Path, driver: Driver, when: str) -> None:
    run = driver.start(status="ready")
    fresh = SqliteStore(tmp_path / "runs.db")
    spoil(fresh, when)
    if when == BEFORE:
        with unknown():
            fresh.claim(run.id, driver.now)
    claimed = fresh.claim(run.id, driver.now)
    assert claimed is not None, "it was registered and claimed in one transaction, which is read back"
    assert driver.store.held(run.id)
    fresh.close()
    assert not driver.store.held(run.id)


@when
def test_a_claim_whose_commit_failed_is_read_back(
    store: SqliteStore, driver: Driver, other: SqliteStore, when: str
) -> None:
    driver.start()
    run = driver.start(status="ready")
    spoil(store, when)
    if when == BEFORE:
        with unknown():
            store.claim(run.id, driver.now)
        assert other.get(run.id) == run
        assert other.claimable(driver.now) == [run.id]
        claimed = driver.claim(run)
    else:
        claimed = driver.claim(run)
    assert claimed.epoch == 2
    assert other.held(run.id)
    assert driver.go(claimed, FETCHED).crashes == 0


@pytest.mark.parametrize("verb", ["start", "claim"])
def test_what_was_not_taken_after_all_is_not_taken_from_who_has_it_now(
    store: SqliteStore, driver: Driver, other: SqliteStore, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row number and an epoch that were rolled back are given to the next one who asks."""
    driver.start()
    ready = driver.start(status="ready")
    elsewhere = Driver(other, driver.now)
    theirs: list[Run] = []

    left = store.leave

    def leave() -> None:
        monkeypatch.undo()
        left()
        theirs.append(elsewhere.start() if verb == "start" else elsewhere.claim(ready))

    monkeypatch.setattr(store, "leave", leave)
    spoil(store, BEFORE)
    with unknown():
        driver.start() if verb == "start" else store.claim(ready.id, driver.now)
    assert store.held(theirs[0].id)
    assert other.get(theirs[0].id) == theirs[0]


@when
def test_a_signal_whose_commit_failed_is_read_back(store: SqliteStore, driver: Driver, when: str) -> None:
    run = driver.start()
    spoil(store, when)
    if when == BEFORE:
        with unknown():
            store.keep(run, driver.signal("accept"))
        assert store.kept(run, ["accept"]) == []
        assert store.keep(run, driver.signal("accept"))
    else:
        assert store.keep(run, driver.signal("accept"))
    assert len(store.kept(run, ["accept"])) == 1


@when
def test_a_fresh_signal_and_its_edge_are_read_back_together(store: SqliteStore, driver: Driver, when: str) -> None:
    run = driver.go(driver.start(), FETCHED, DRAFTED)
    fresh = driver.signal("accept", message_id="m1")
    decision = driver.decision(run, Received("accept", '"fine"', (), None))._replace(fresh=fresh)
    spoil(store, when)
    if when == BEFORE:
        with unknown():
            store.commit([decision])
        assert store.message(run, "m1") is None
    after = driver.commit(decision) if when == BEFORE else store.commit([decision])[0]
    assert after is not None
    assert (after.state, store.message(run, "m1") is None) == ("pause", False)


@when
def test_a_checkpoint_whose_commit_failed_is_read_back(store: SqliteStore, driver: Driver, when: str) -> None:
    run = driver.start()
    spoil(store, when)
    if when == BEFORE:
        with unknown():
            store.save_checkpoint(run, "half", "1")
        assert store.checkpoint(run, "half") is None
    else:
        store.save_checkpoint(run, "half", "1")
        assert store.checkpoint(run, "half") == "1"


@when
def test_a_workflow_whose_commit_failed_is_read_back(store: SqliteStore, driver: Driver, when: str) -> None:
    spoil(store, when)
    if when == BEFORE:
        with unknown():
            driver.start()
        assert store.newest("review") is None
    assert driver.start().state == "fetch"


def test_a_run_whose_release_could_not_be_written_may_be_claimed_again_by_the_same_process(
    store: SqliteStore, driver: Driver, other: SqliteStore
) -> None:
    run = driver.start()
    spoil(store, BEFORE)
    with unknown():
        store.release(run, interrupted=True)
    assert other.claimable(driver.now) == []
    assert store.claimable(driver.now) == [run.id]
    claimed = driver.claim(run)
    assert (claimed.crashes, claimed.interrupted) == (1, True)


# -- many writes in one transaction


@when
def test_writes_that_share_a_commit_that_failed_are_each_read_back(
    store: SqliteStore, driver: Driver, other: SqliteStore, when: str
) -> None:
    edge, late, acting = driver.start(), driver.start(), driver.start()
    ready = driver.start(status="ready")
    decisions = [driver.decision(edge, FETCHED), driver.decision(late, FETCHED)]
    decisions[1] = decisions[1]._replace(transition=decisions[1].transition._replace(epoch=9))  # type: ignore[union-attr]
    new = driver.new(key="k")
    refusal = ValueError("no")

    def refuse() -> None:
        store.save_checkpoint(acting, "b", "1")
        raise refusal

    works: list[Callable[[], Any]] = [
        lambda: store.claim(ready.id, driver.now), lambda: store.save_checkpoint(acting, "a", "1"), refuse,
        lambda: store.start(new, artifacts_of(URI), begin(driver.flow(new), new, driver.now, URI)),
        lambda: store.checkpoint(acting, "c"),
    ]  # fmt: skip
    failing = spoil(store, when)
    committed, (claimed, saved, refused, born, looked) = store.together(decisions, works)
    assert failing.commits == 1
    assert (refused, looked) == (refusal, None)
    if when == BEFORE:
        assert all(isinstance(answer, OutcomeUnknown) for answer in (committed, claimed, saved, born))
        assert (other.get(edge.id), other.get(ready.id), other.find("review", "k")) == (edge, ready, None)
        assert store.checkpoint(acting, "a") is None
        assert store.held(edge.id)
        assert not store.held(ready.id)
        claimed = driver.claim(ready)
        committed = store.commit(decisions)
        store.save_checkpoint(acting, "a", "1")
        born = store.start(new, artifacts_of(URI), begin(driver.flow(new), new, driver.now, URI))
    assert isinstance(committed, list)
    assert [run and run.seq for run in committed] == [2, None]
    assert other.get(edge.id) == committed[0]
    assert (claimed.epoch, claimed.crashes, other.held(ready.id)) == (2, 0, True)
    assert (other.checkpoint(acting, "a"), other.checkpoint(acting, "b")) == ("1", None)
    assert other.get(born.id) == born
    assert (driver.go(claimed, FETCHED).seq, driver.go(born, FETCHED).seq) == (2, 2)
    assert breaks(store.path, edge.id) == breaks(store.path, born.id) == []


@when
def test_runs_claimed_at_once_by_a_commit_that_failed_are_read_back(
    store: SqliteStore, driver: Driver, other: SqliteStore, when: str
) -> None:
    driver.start()
    runs = [driver.start(status="ready") for _ in range(3)]
    spoil(store, when)
    if when == BEFORE:
        with unknown():
            store.claim_some(9, driver.now, alone=True)
        assert [other.get(run.id) for run in runs] == runs
    claimed = store.claim_some(9, driver.now, alone=True).runs
    assert claimed == [other.get(run.id) for run in runs]
    assert [other.get(run.id).epoch for run in runs] == [2, 2, 2]
    assert all(other.held(run.id) for run in runs)


def test_what_sqlite_refuses_to_one_fails_all_that_share_its_transaction(store: SqliteStore, driver: Driver) -> None:
    run, acting = driver.start(), driver.start()
    ((pages,),) = store.sql.execute("PRAGMA page_count").fetchall()
    store.sql.execute(f"PRAGMA max_page_count={pages}")
    works = [
        lambda: store.save_checkpoint(acting, "a", "1"),
        lambda: store.save_checkpoint(acting, "b", json.dumps("x" * 100_000)),
    ]
    with pytest.raises(StoreError, match="full; nothing was lost: free some space"):
        store.together([driver.decision(run, FETCHED)], works)
    assert store.checkpoint(acting, "a") is None
    assert (store.get(run.id), store.held(run.id)) == (run, True)
    store.sql.execute("PRAGMA max_page_count=1000000")
    committed, answers = store.together([driver.decision(run, FETCHED)], works)
    assert isinstance(committed, list)
    assert (committed, answers) == ([store.get(run.id)], [None, None])
