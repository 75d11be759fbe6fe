"""What goes wrong below the store: a full disk, a file that is gone, or locked."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fsm.errors import StoreBusy, StoreError
from fsm.model.run import Received, Run
from fsm.store.sqlite import SqliteStore
from tests.store.chain import breaks
from tests.store.driving import DRAFTED, FETCHED, Driver
from tests.store.processes import Line, children


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


def integrity(place: Path) -> str:
    with closing(sqlite3.connect(place)) as sql:
        return str(sql.execute("PRAGMA integrity_check").fetchone()[0])


# -- what is inside a transaction


def test_what_a_block_raises_itself_rolls_back_and_frees_the_turn(
    store: SqliteStore, driver: Driver, other: SqliteStore
) -> None:
    run = driver.start()
    store.keep(run, driver.signal("accept"))

    def spoilt(sql: sqlite3.Connection, error: type[BaseException]) -> None:
        sql.execute("DELETE FROM signals")
        raise error

    for error in (KeyboardInterrupt, MemoryError, ValueError):
        with pytest.raises(error), store._connection.transaction() as sql:
            spoilt(sql, error)
        assert len(store.kept(run, ["accept"])) == 1
        assert Driver(other).claim(Driver(other).start(status="ready")).status == "running"
    assert driver.go(run, FETCHED).state == "draft"


def test_a_text_that_can_not_be_stored_leaves_the_run_as_it_was(store: SqliteStore, driver: Driver) -> None:
    run = driver.go(driver.start(), FETCHED, DRAFTED)
    fresh = driver.signal("accept")._replace(actor="\udcff")
    decision = driver.decision(run, Received("accept", '"fine"', (), None))._replace(fresh=fresh)
    with pytest.raises(Exception, match="lone surrogate"):
        store.commit([decision])
    assert store.get(run.id) == run


def test_the_first_claim_of_a_process_registers_it_in_the_same_transaction(store: SqliteStore, driver: Driver) -> None:
    run = driver.start(status="ready")
    said: list[str] = []
    store.sql.set_trace_callback(said.append)
    assert driver.claim(run).status == "running"
    assert [word for word in said if word.startswith(("BEGIN", "COMMIT"))] == ["BEGIN IMMEDIATE", "COMMIT"]


@pytest.mark.parametrize("is_other_first", [False, True])
def test_a_claim_that_is_taken_back_takes_the_registration_along_and_the_next_one_registers_anew(
    store: SqliteStore, driver: Driver, other: SqliteStore, *, is_other_first: bool
) -> None:
    first, second = driver.start(status="ready"), driver.start(status="ready")

    def spoilt() -> None:
        driver.claim(first)
        raise ValueError

    _, (error,) = store.together([], [spoilt])
    assert isinstance(error, ValueError)
    claims = "SELECT count(*), count(DISTINCT worker_id) FROM runs JOIN workers ON workers.id = worker_id"
    assert store.sql.execute("SELECT * FROM workers").fetchall() == []
    pairs = [(Driver(other), second), (driver, first)] if is_other_first else [(driver, first), (Driver(other), second)]
    for number, (driven, run) in enumerate(pairs, 1):
        assert driven.claim(run).crashes == 0
        # The other one is not given the number of which the sign is still shown.
        assert store.sql.execute(claims).fetchall() == [(number, number)]
    assert (other.held(first.id), store.held(second.id)) == (True, True)


# -- no space


def test_a_full_database_refuses_an_edge_whole_and_goes_on_when_there_is_space(
    store: SqliteStore, driver: Driver
) -> None:
    run = driver.start()
    (pages,) = store.sql.execute("PRAGMA page_count").fetchone()
    large = driver.decision(run, FETCHED._replace(value='"' + "x" * 100_000 + '"'))
    store.sql.execute(f"PRAGMA max_page_count={pages}")
    for _ in range(3):
        with pytest.raises(StoreError, match=r"full; nothing was lost: free some space, then resume"):
            store.commit([large])
        assert store.get(run.id) == run
        assert store.values(run, ["document"]) == {}
        assert [row.transition.seq for row in store.history(run.id)] == [1]
    store.sql.execute("PRAGMA max_page_count=1000000")
    assert driver.commit(large).state == "draft"
    assert (integrity(store.path), breaks(store.path, run.id)) == ("ok", [])


FILLED = """
import itertools, os, sys
from fsm.errors import StoreError
from fsm.store.sqlite import SqliteStore
from tests.store.chain import breaks
from tests.store.driving import AGAIN, LOOP, Driver

folder = sys.argv[1]
store = SqliteStore(folder + "/runs.db")
driver = Driver(store)
run = driver.start(LOOP)
for size in range(50_000, 0, -2_500):
    try:
        for _ in itertools.count():
            run = driver.go(run, AGAIN._replace(value='"' + "x" * size + '"'))
    except StoreError as error:
        assert "free some space, then resume" in str(error) or "that it has space left" in str(error), error
    assert store.get(run.id) == run, "an edge that was refused is there in part"
reader = SqliteStore(folder + "/runs.db")
assert reader.get(run.id) == run
reader.close()
os.unlink(folder + "/reserve")
for _ in range(5):
    run = driver.go(run, AGAIN)
assert breaks(store.path, run.id) == []
assert store.sql.execute("PRAGMA integrity_check").fetchone() == ("ok",)
store.close()
print("went on at", run.seq)
"""


def test_on_a_full_disk_every_edge_is_there_whole_or_not_and_work_goes_on_with_space(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=3m none "$0" && dd if=/dev/zero of="$0/reserve" bs=1M count=1 status=none && '
    inside = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    tried = [*inside, mount + "true", str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run(tried, capture_output=True, check=False).returncode:
        pytest.skip("no small file system can be made here")
    command = [*inside, mount + 'exec "$1" -c "$2" "$0"', str(tmp_path), sys.executable, FILLED]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("went on at")


# -- the file goes


def renamed(place: Path) -> None:
    place.rename(place.with_name("elsewhere.db"))


def deleted(place: Path) -> None:
    place.unlink()


def replaced(place: Path) -> None:
    shutil.copy(place, place.with_name("copy.db"))
    place.with_name("copy.db").replace(place)


@pytest.mark.parametrize("gone", [renamed, deleted, replaced])
@pytest.mark.parametrize("thread", ["this thread", "a new connection"])
def test_nothing_is_written_where_the_file_was_moved_deleted_or_replaced(
    store: SqliteStore, driver: Driver, gone: Any, thread: str
) -> None:
    run = driver.start()
    decision = driver.decision(run, FETCHED)
    ready = driver.start(status="ready")
    gone(store.path)
    if thread == "a new connection":
        store.leave()
    before = {file.name: file.read_bytes() for file in store.path.parent.glob("*.db")}
    said = "was replaced by another file" if gone is replaced else "was moved or deleted while in use"
    for write in (
        lambda: store.commit([decision]), lambda: store.claim(ready.id, driver.now),
        lambda: store.release(run, interrupted=False), lambda: store.keep(run, driver.signal("accept")),
        lambda: store.beat(run, None, 1), driver.start,
    ):  # fmt: skip
        with pytest.raises(StoreError, match=f"{said}.*pen a new Engine"):
            write()
    assert {file.name: file.read_bytes() for file in store.path.parent.glob("*.db")} == before


def test_a_file_that_is_put_back_is_written_again(store: SqliteStore, driver: Driver) -> None:
    run = driver.start()
    renamed(store.path)
    with pytest.raises(StoreError, match="Put it back"):
        driver.go(run, FETCHED)
    store.path.with_name("elsewhere.db").rename(store.path)
    assert driver.go(run, FETCHED).state == "draft"


def test_a_lock_file_that_was_deleted_stops_all_writing(store: SqliteStore, driver: Driver) -> None:
    run = driver.start()
    Path(f"{store.path}-lock").unlink()
    for _ in range(2):
        with pytest.raises(StoreError, match="deleted while in use, so that other processes no longer see who works"):
            driver.go(run, FETCHED)
        store.leave()  # a new connection would make a new lock file
    assert not Path(f"{store.path}-lock").exists()


# -- the file is locked


def test_a_writer_that_is_stopped_in_its_transaction_makes_others_say_its_pid_and_go_on_after_it(
    store: SqliteStore, driver: Driver
) -> None:
    run = driver.start()
    decision = driver.decision(run, FETCHED)

    def hold(line: Line) -> None:
        own = SqliteStore(store.path)
        with own._connection.transaction():
            line.send("inside")
            line.recv()
        line.send("done")
        line.recv()

    with children(hold) as (child,):
        child.hears()
        child.stop()
        store._connection.lock.patience_s = 0.05
        for _ in range(3):
            with pytest.raises(StoreBusy, match=rf"another process \(pid {child.pid}\).*continue or end it"):
                store.commit([decision])
        assert store.get(run.id) == run
        child.go_on()
        child.tell()
        assert child.hears() == "done"
        store._connection.lock.patience_s = 30.0
        assert driver.commit(decision).state == "draft"


def test_a_program_that_locks_the_database_itself_makes_the_store_busy(store: SqliteStore, driver: Driver) -> None:
    run = driver.start()
    decision = driver.decision(run, FETCHED)

    def lock(line: Line) -> None:
        sql = sqlite3.connect(store.path, isolation_level=None)
        sql.execute("BEGIN IMMEDIATE")
        line.send("locked")
        line.recv()
        sql.execute("ROLLBACK")
        line.send("free")
        line.recv()

    with children(lock) as (child,):
        child.hears()
        store.sql.execute("PRAGMA busy_timeout=20")
        with pytest.raises(StoreBusy, match=r"is locked by another program .*close it and try again"):
            store.commit([decision])
        assert store.get(run.id) == run
        child.tell()
        child.hears()
        assert driver.commit(decision).state == "draft"


def test_a_long_reader_delays_no_writer_and_sees_one_moment(store: SqliteStore, driver: Driver) -> None:
    run: Run = driver.start()
    with closing(sqlite3.connect(store.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        seen = reader.execute("SELECT state, seq FROM runs").fetchall()
        store._connection._frames = 10_000  # a checkpoint falls into it
        run = driver.go(run, FETCHED, DRAFTED)
        assert reader.execute("SELECT state, seq FROM runs").fetchall() == seen
    assert store.get(run.id).state == "human"
