"""A backup is the store of one instant, whole, whatever goes on meanwhile; and it harms nothing."""

import errno
import fcntl
import os
import signal
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fsm.errors import StoreError, UsageError
from fsm.store.sqlite import SqliteStore
from fsm.store.sqlite import backup as room
from tests.store.chain import breaks
from tests.store.driving import AGAIN, DRAFTED, FETCHED, LOOP, Driver
from tests.store.processes import Child, Line, children


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies" / "copy.db"


@pytest.fixture
def store(place: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(place)
    yield store
    store.close()


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PAGES_PER_STEP", 5)


def sound(path: Path) -> None:
    with closing(sqlite3.connect(path)) as sql:
        assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = sql.execute(
            "SELECT uid, seq, (SELECT count(*) FROM transitions WHERE run_id = runs.id) FROM runs"
        ).fetchall()
    assert [uid for uid, seq, written in rows if seq != written or breaks(path, uid)] == []


def names(folder: Path) -> list[str]:
    return sorted(place.name for place in folder.iterdir())


def refused(store: SqliteStore, path: Path | str, match: str, *, force: bool = False) -> None:
    with pytest.raises(UsageError, match=match):
        store.backup(path, force=force)


def test_a_backup_opens_as_a_store_at_once_and_holds_everything(store: SqliteStore, copy: Path) -> None:
    driver = Driver(store)
    runs = [driver.start(status="ready"), driver.go(driver.start(key="k"), FETCHED, DRAFTED)]
    assert store.backup(copy) == copy.stat().st_size
    assert names(copy.parent) == [copy.name]
    other = SqliteStore(copy)
    assert [other.get(run.id) for run in runs] == runs
    assert [list(other.history(run.id)) for run in runs] == [list(store.history(run.id)) for run in runs]
    assert other.values(runs[1], ["uri", "document", "text"]) == store.values(runs[1], ["uri", "document", "text"])
    other.close()
    sound(copy)


def test_what_one_does_to_the_copy_the_other_does_not_see(store: SqliteStore, copy: Path) -> None:
    driver = Driver(store)
    run = driver.start(status="ready")
    store.backup(copy)
    other = SqliteStore(copy)
    there = Driver(other, driver.now + 10)
    moved = there.go(there.claim(run), FETCHED)
    assert store.get(run.id) == run
    assert other.get(run.id) == moved
    other.close()


@pytest.mark.usefixtures("small_steps")
def test_a_backup_beside_processes_that_commit_is_the_store_of_one_instant(place: Path, copy: Path) -> None:
    def write(line: Line) -> None:
        driver = Driver(SqliteStore(place))
        run = driver.start(LOOP)
        while not line.poll():
            line.send((run.id, run.seq))
            run = driver.go(run, AGAIN)
        line.recv()
        line.send(None)

    with children(write, write) as writers:
        before = dict([_last(child, 40) for child in writers])
        store = SqliteStore(place)
        steps = []

        def told(done: int, total: int) -> None:
            """Let both writers commit before the next step; they may be ahead of what they have said."""
            steps.append((done, total))
            for run_id, seq in {run_id: store.get(run_id).seq for run_id in before}.items():
                while store.get(run_id).seq == seq:
                    pass
                during.setdefault(run_id, seq)

        during: dict[str, int] = {}
        store.backup(copy, told=told)
        ended = {run_id: store.get(run_id).seq for run_id in before}
        for child in writers:
            child.tell()
            list(iter(child.hears, None))
            assert child.ended() == 0
    assert len(steps) > 3
    assert steps[-1] == (steps[0][1], steps[0][1])
    sound(copy)
    other = SqliteStore(copy)
    for run_id, seq in before.items():
        assert seq <= other.get(run_id).seq <= ended[run_id]
        assert during[run_id] < ended[run_id], "it went on while the copy was made"
    assert sorted(other.claimable(2**60)) == sorted(before)
    driver = Driver(other, now=2**43)
    for run_id in before:
        claimed = driver.claim(other.get(run_id))
        assert (claimed.crashes, claimed.interrupted) == (1, True)
        assert driver.go(claimed, AGAIN, AGAIN._replace(outcome="success")).status == "succeeded"
    other.close()
    store.close()
    sound(copy)
    sound(place)


def _last(child: Child, count: int) -> tuple[str, int]:
    """Return the last of so many things that a child says."""
    *_, last = [child.hears() for _ in range(count)]
    return last  # type: ignore[no-any-return]


def test_runs_that_are_held_here_are_free_in_the_copy_and_stay_held_here(store: SqliteStore, copy: Path) -> None:
    driver = Driver(store)
    run = driver.start()
    store.backup(copy)
    other = SqliteStore(copy)
    claimed = other.claim(run.id, driver.now)
    assert claimed is not None
    assert (claimed.crashes, claimed.epoch) == (1, run.epoch + 1)
    assert store.held(run.id)
    assert driver.go(run, FETCHED).state == "draft"
    other.close()


def test_the_log_is_in_the_copy(store: SqliteStore, place: Path, copy: Path) -> None:
    driver = Driver(store)
    run = driver.go(driver.start(LOOP), *[AGAIN] * 20)
    assert place.with_name("runs.db-wal").stat().st_size > 0
    assert store.size() == place.stat().st_size + place.with_name("runs.db-wal").stat().st_size
    store.backup(copy)
    with closing(sqlite3.connect(f"{copy.as_uri()}?immutable=1", uri=True)) as sql:
        assert sql.execute("SELECT seq FROM runs").fetchall() == [(run.seq,)]


def test_a_file_that_is_there_is_kept_unless_the_backup_is_forced_over_it(store: SqliteStore, copy: Path) -> None:
    copy.write_text("my notes")
    refused(store, copy, "copy.db exists; name another file for the backup, or force it over this one")
    assert copy.read_text() == "my notes"
    store.backup(copy, force=True)
    sound(copy)
    assert names(copy.parent) == [copy.name]


@pytest.mark.parametrize("force", [False, True])
def test_the_store_itself_is_never_written_over(store: SqliteStore, place: Path, force: bool) -> None:
    Driver(store).start()
    link, hard = place.with_name("link.db"), place.with_name("hard.db")
    link.symlink_to(place)
    hard.hardlink_to(place)
    beside = [place.with_name(f"runs.db-{ending}") for ending in ("wal", "shm", "lock")]
    for name in (place, link, hard, place.parent / "." / "runs.db", *beside):
        refused(store, name, "belongs to the store itself", force=force)
    sound(place)


def test_a_place_that_cannot_hold_a_file_is_told(store: SqliteStore, copy: Path) -> None:
    refused(store, copy.parent, "copies is a folder; name a file")
    refused(store, copy.parent / "none" / "copy.db", "none does not exist; create the folder")


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("force", [False, True])
def test_what_another_database_left_beside_is_not_taken_for_a_part_of_the_copy(
    store: SqliteStore, copy: Path, ending: str, force: bool
) -> None:
    copy.with_name(copy.name + ending).write_bytes(b"frames of another time")
    refused(store, copy, f"copy.db{ending} lies beside the file to write", force=force)


def test_a_copy_that_is_in_use_as_a_store_is_not_replaced(store: SqliteStore, copy: Path) -> None:
    store.backup(copy)
    other = SqliteStore(copy)
    Driver(other).start()
    refused(store, copy, "a program has copy.db open", force=True)
    other.close()
    assert store.backup(copy, force=True) > 0


def test_the_copy_is_as_private_as_the_store(place: Path, copy: Path) -> None:
    SqliteStore(place).close()
    place.chmod(0o600)
    store = SqliteStore(place)
    store.backup(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    store.close()


def test_a_damaged_store_gives_no_backup(place: Path, copy: Path) -> None:
    store = SqliteStore(place)
    driver = Driver(store)
    driver.go(driver.start(LOOP), *[AGAIN] * 200)
    store.close()
    with place.open("r+b") as file:
        file.seek(4_096 * 8)
        file.write(os.urandom(4_096 * 8))
    store = SqliteStore(place)
    with pytest.raises(StoreError, match=r"the copy is not sound|malformed"):
        store.backup(copy)
    assert names(copy.parent) == []
    store.close()


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_backup_that_is_broken_off_leaves_nothing_and_keeps_what_was_there(
    store: SqliteStore, copy: Path, error: BaseException
) -> None:
    Driver(store).start()
    copy.write_text("the backup of yesterday")

    def told(_done: int, _total: int) -> None:
        raise error

    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else StoreError):
        store.backup(copy, force=True, told=told)
    assert (names(copy.parent), copy.read_text()) == ([copy.name], "the backup of yesterday")
    assert Driver(store, 2**43).start().seq == 1


@pytest.mark.usefixtures("small_steps")
def test_a_backup_that_is_killed_keeps_what_was_there_and_the_next_one_succeeds(place: Path, copy: Path) -> None:
    SqliteStore(place).close()
    copy.write_text("the backup of yesterday")

    def back_up(line: Line) -> None:
        def told(done: int, _total: int) -> None:
            line.send(done)
            line.recv()

        SqliteStore(place).backup(copy, force=True, told=told)

    with children(back_up) as (child,):
        child.hears()
        os.kill(child.pid, signal.SIGKILL)
        child.ended()
    assert copy.read_text() == "the backup of yesterday"
    store = SqliteStore(place)
    store.backup(copy, force=True)
    store.close()
    sound(copy)
    assert names(copy.parent) == [copy.name]


def test_what_lies_where_a_backup_is_written_is_written_over(store: SqliteStore, copy: Path) -> None:
    copy.with_name("copy.db.part").write_text("half of another backup, " * 10_000)
    store.backup(copy)
    assert names(copy.parent) == [copy.name]
    sound(copy)


@pytest.mark.usefixtures("small_steps")
def test_of_two_backups_into_one_file_the_second_is_refused(store: SqliteStore, place: Path, copy: Path) -> None:
    def back_up(line: Line) -> None:
        def told(done: int, total: int) -> None:
            if done < total and not heard:
                heard.append(done)
                line.send(done)
                line.recv()

        heard: list[int] = []
        line.send(SqliteStore(place).backup(copy, told=told))

    with children(back_up) as (child,):
        child.hears()
        refused(store, copy, "another backup is writing .*copy.db.part; wait for it")
        child.tell()
        assert child.hears() == copy.stat().st_size
    sound(copy)


def test_a_backup_that_ends_while_another_begins_is_not_written_over(
    store: SqliteStore, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one has opened the part, and gets its lock when the part has its name already."""
    store.backup(copy)
    whole = copy.read_bytes()
    part = copy.with_name("copy.db.part")
    take = fcntl.flock

    def late(fd: int, how: int) -> None:
        if part.exists() and os.path.samestat(os.fstat(fd), part.stat()):
            part.replace(copy)
        take(fd, how)

    part.write_bytes(whole)
    monkeypatch.setattr(fcntl, "flock", late)
    refused(store, copy, "another backup is writing", force=True)
    assert copy.read_bytes() == whole
