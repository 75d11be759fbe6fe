"""Many processes on one file: writers beside each other, forks, and the death of either side."""

import mmap
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from multiprocessing import Pipe
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fsm.errors import StoreBusy, StoreError
from fsm.store.lock import _OFD, WriterLock
from fsm.store.sqlite import SqliteStore
from tests.store.chain import breaks
from tests.store.driving import AGAIN, DRAFTED, FETCHED, LOOP, Driver
from tests.store.processes import Child, Line, children, eventually, in_line

WRITERS, EDGES = 8, 60
MEMORY = "/dev/shm"
"""Where syncs are free, if it is there."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(place: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(place)
    yield store
    store.close()


@pytest.fixture
def driver(store: SqliteStore) -> Driver:
    return Driver(store)


def sound(place: Path) -> None:
    """Assert that the file is whole, and that the ledger and the chain of every run agree with it."""
    with closing(sqlite3.connect(place)) as sql:
        assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = sql.execute(
            "SELECT uid, seq, (SELECT count(*) FROM transitions WHERE run_id = runs.id) FROM runs"
        ).fetchall()
    assert [uid for uid, seq, written in rows if seq != written or breaks(place, uid)] == []


# -- writers beside each other


def test_eight_writers_lose_nothing_and_break_no_chain(place: Path) -> None:
    def write(line: Line) -> None:
        store = SqliteStore(place)
        store._connection._frames = 900  # checkpoints come soon, while others write
        driver = Driver(store)
        run = driver.start(LOOP)
        line.send("here")
        line.recv()
        for _ in range(EDGES):
            run = driver.go(run, AGAIN)
        line.send(run.seq)

    with children(*[write] * WRITERS) as all_of:
        for child in all_of:
            child.hears()
        for child in all_of:
            child.tell()
        assert [child.hears() for child in all_of] == [EDGES + 1] * WRITERS
        assert [child.ended() for child in all_of] == [0] * WRITERS
    sound(place)
    store = SqliteStore(place)
    assert sorted(run.seq for run in store.runs()) == [EDGES + 1] * WRITERS
    store.close()


def test_of_eight_writers_the_busiest_commits_at_most_twice_what_the_least_does(place: Path) -> None:
    edges = memoryview(mmap.mmap(-1, 8 * WRITERS)).cast("q")
    with TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else place.parent) as folder:
        path = Path(folder) / "runs.db"

        def write(number: int, line: Line) -> None:
            driver = Driver(SqliteStore(path))
            run = driver.start(LOOP)
            line.send("here")
            line.recv()
            while sum(edges) < 4_000:
                run = driver.go(run, AGAIN)
                edges[number] += 1

        with children(*[lambda line, number=number: write(number, line) for number in range(WRITERS)]) as all_of:
            for child in all_of:
                child.hears()
            for child in all_of:
                child.tell()
            assert [child.ended() for child in all_of] == [0] * WRITERS
        sound(path)
    assert max(edges) <= 2 * min(edges), list(edges)


def test_eight_threads_lose_nothing_and_break_no_chain(store: SqliteStore) -> None:
    reached = []

    def write(number: int) -> None:
        driver = Driver(store, now=1_700_000_000_000 + number * 1_000_000)
        run = driver.go(driver.start(LOOP), *[AGAIN] * 20)
        reached.append(run.seq)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reached == [21] * 8
    sound(store.path)


def rest_of(child: Child) -> list[tuple[str, int]]:
    """Return what a dead child had said and nobody heard yet."""
    said = []
    with suppress(EOFError):
        while child.line.poll():
            said.append(child.line.recv())
    return said


def test_writers_killed_at_any_moment_leave_a_sound_file_and_every_answered_edge(place: Path) -> None:
    def write(line: Line) -> None:
        driver = Driver(SqliteStore(place))
        run = driver.start(LOOP)
        while True:
            line.send((run.id, run.seq))
            run = driver.go(run, AGAIN)

    answered: dict[str, int] = {}
    for edges in (1, 3, 7, 20):
        with children(write, write) as both:
            for child in both:
                answered.update([child.hears() for _ in range(edges)])
            for child in both:
                os.kill(child.pid, signal.SIGKILL)
            for child in both:
                child.ended()
                answered.update(rest_of(child))
    sound(place)
    store = SqliteStore(place)
    assert len(answered) == 8
    for uid, seq in answered.items():
        assert store.get(uid).seq in (seq, seq + 1)
    assert sorted(store.claimable(2**60)) == sorted(answered)
    store.close()


# -- forks


def outlast(line: Line) -> None:
    """Live on until the test lets go."""
    with suppress(EOFError):
        line.recv()


def use(store: SqliteStore) -> None:
    """Assert that a forked child is refused by every verb, and hurts nothing."""
    driver = Driver(store)
    for verb in (
        lambda: store.get("x"), lambda: store.claimable(1), lambda: store.claim("x", 1), lambda: store.held("x"),
        lambda: store.commit([]), lambda: driver.start(LOOP), store.runs, lambda: store.text("x"),
    ):  # fmt: skip
        with pytest.raises(StoreError, match="opened before a fork; open a new Engine in the child"):
            verb()
    store.leave()
    store.close()
    store.close()


@pytest.mark.parametrize("forked_by", ["the thread that uses it", "a thread that never used it", "a thread beside it"])
def test_a_forked_child_is_refused_while_its_parent_goes_on(store: SqliteStore, driver: Driver, forked_by: str) -> None:
    run = driver.go(driver.start(LOOP), AGAIN)
    codes: list[int] = []

    def fork_and_wait() -> None:
        if forked_by == "a thread beside it":
            store.runs()
        with children(lambda _: use(store)) as (child,):
            codes.append(child.ended())

    if forked_by == "the thread that uses it":
        fork_and_wait()
    else:
        thread = threading.Thread(target=fork_and_wait)
        thread.start()
        thread.join()
    assert codes == [0]
    assert store.held(run.id)
    assert driver.go(run, AGAIN, AGAIN).seq == 4
    sound(store.path)


def test_a_forked_child_may_open_a_store_of_its_own(store: SqliteStore, driver: Driver) -> None:
    run = driver.start()

    def own(line: Line) -> None:
        own = Driver(SqliteStore(store.path))
        assert own.store.held(run.id)
        line.send(own.go(own.start(), FETCHED).state)

    with children(own) as (child,):
        assert child.hears() == "draft"
        assert child.ended() == 0
    assert driver.go(run, FETCHED).state == "draft"


def test_a_fork_in_the_middle_of_a_transaction_takes_neither_its_lock_nor_its_rows(
    store: SqliteStore, driver: Driver
) -> None:
    run = driver.start()
    codes: list[int] = []

    def fork_and_wait() -> None:
        with children(lambda _: use(store)) as (child,):
            codes.append(child.ended())

    with store._connection.transaction() as sql:
        sql.execute("INSERT INTO signals(run_id, name, payload, at) VALUES (?, 'accept', '1', 0)", (run.row,))
        thread = threading.Thread(target=fork_and_wait)
        thread.start()
        thread.join()
        with pytest.raises(StoreBusy), WriterLock(Path(f"{store.path}-lock"), patience_s=0.05).held():
            pass
    assert codes == [0]
    assert len(store.kept(run, ["accept"])) == 1
    assert driver.go(run, FETCHED).state == "draft"
    sound(store.path)


@pytest.mark.parametrize("killed", ["between edges", "inside a transaction", "while it waits for its turn"])
def test_what_a_killed_parent_held_is_free_though_its_forked_child_lives_on(
    place: Path, store: SqliteStore, driver: Driver, killed: str
) -> None:
    """The child shares the parent's descriptors, and locks belong to what is shared."""
    here, there = Pipe()

    def grandchild(line: Line) -> None:
        line.send("here")
        here.close()
        outlast(there)

    def parent(line: Line) -> None:
        own = SqliteStore(place)
        run = Driver(own).start()

        def fork_and_tell() -> None:
            born = Child(grandchild)
            born.hears()
            line.send((run.id, born.pid))
            line.recv()

        if killed == "inside a transaction":
            with own._connection.transaction():
                fork_and_tell()
        if killed == "while it waits for its turn":
            with own._connection.transaction():
                threading.Thread(target=lambda: Driver(own).start(), daemon=True).start()
                eventually(lambda: in_line(place.with_name("runs.db-lock")) == int(_OFD))
                fork_and_tell()
        fork_and_tell()

    with children(parent) as (child,):
        run_id, pid = child.hears()
        assert store.held(run_id)
        child.kill()
        os.kill(pid, 0)
        assert store.claimable(driver.now) == [run_id]
        store._connection.lock.patience_s = 5.0
        claimed = store.claim(run_id, driver.now)
        assert claimed is not None
        assert claimed.crashes == 1
        os.kill(pid, 0)
        assert driver.go(claimed, FETCHED).state == "draft"
    here.close()
    there.close()
    sound(place)


FORKING = """
import os, sys, threading
from fsm.store.sqlite import SqliteStore
from tests.store.driving import AGAIN, LOOP, Driver

store = SqliteStore(sys.argv[1])
driver = Driver(store)
run = driver.go(driver.start(LOOP), *[AGAIN] * 5)
threading.Thread(target=lambda: (store.runs(), threading.Event().wait()), daemon=True).start()
for way in ("exit", "collect", "raise"):
    with store._connection.transaction():
        child = os.fork()
        if child == 0:  # leaves the block, too
            if way == "exit":
                sys.exit(0)   # runs every finalizer of the interpreter
            if way == "collect":
                del driver, store, run
                import gc; gc.collect()
                sys.exit(0)
            os.close(2)
            raise RuntimeError("a child that dies of an error")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (1 if way == "raise" else 0)
        assert os.path.getsize(sys.argv[1] + "-wal") > 0, "the child closed what it inherited"
    run = driver.go(run, *[AGAIN] * 5)
assert store.held(run.id)
print(run.seq, flush=True)
os._exit(0)
"""


def test_a_forked_child_that_ends_like_any_program_harms_neither_transaction_nor_log(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, str(place)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("21\n", "")
    sound(place)
    store = SqliteStore(place)
    assert [run.seq for run in store.runs()] == [21]
    store.close()


LEAVING = """
import gc, os, sys
from fsm.store.sqlite import SqliteStore

def handles():
    links = (os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
    return sum(link in (sys.argv[1], sys.argv[1] + "-wal") for link in links)

store = SqliteStore(sys.argv[1])
store.runs()
if os.fork() == 0:
    before = handles()
    store.close()
    del store
    gc.collect()
    print(before > 0, handles() == before, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_forked_child_never_closes_what_it_inherited(place: Path) -> None:
    """SQLite forbids it: closing takes part in the parent's shared memory."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LEAVING, str(place)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("True True\n", "")


def test_a_program_started_by_the_parent_inherits_no_lock(place: Path, store: SqliteStore, driver: Driver) -> None:
    def parent(line: Line) -> None:
        own = SqliteStore(place)
        run = Driver(own).start()
        sleeper = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE,
                                   close_fds=False)  # fmt: skip
        line.send((run.id, sleeper.pid))
        line.recv()

    with children(parent) as (child,):
        run_id, sleeper = child.hears()
        assert store.held(run_id)
        child.kill()
        assert store.claimable(driver.now) == [run_id]
    assert sleeper


def test_a_reader_in_another_process_never_sees_half_an_edge(store: SqliteStore, driver: Driver) -> None:
    run = driver.start()

    def read(line: Line) -> None:
        with closing(sqlite3.connect(store.path)) as sql:
            line.send("here")
            looks = 0
            while not line.poll():
                looks += 1
                (pair,) = sql.execute(
                    "SELECT (SELECT max(seq) FROM transitions), (SELECT seq FROM runs), "
                    "(SELECT state FROM runs), (SELECT target FROM transitions ORDER BY seq DESC)"
                )
                assert pair[0] == pair[1]
                assert pair[2] == pair[3]
            line.send(looks)

    with children(read) as (child,):
        child.hears()
        driver.go(run, FETCHED, DRAFTED)
        child.tell()
        assert child.hears() > 0
