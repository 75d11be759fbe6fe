"""What is opened, and what is refused without being touched."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fsm.errors import SchemaError, StoreBusy, StoreError
from fsm.store.lock import WriterLock
from fsm.store.sqlite import SqliteStore, schema
from fsm.store.sqlite.connection import APPLICATION_ID, refuse_network
from tests.store.driving import Driver
from tests.store.processes import Line, children, in_threads

SETTINGS = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "trusted_schema": 0, "mmap_size": 0}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(place: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(place)
    yield store
    store.close()


def schema_of(place: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(place)) as sql:
        return sql.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()


# -- settings


def test_every_connection_of_every_thread_has_the_settings_that_durability_needs(store: SqliteStore) -> None:
    found: list[dict[str, object]] = []

    def look(_: int) -> None:
        found.append({name: store.sql.execute(f"PRAGMA {name}").fetchone()[0] for name in SETTINGS})
        store.leave()
        found.append({name: store.sql.execute(f"PRAGMA {name}").fetchone()[0] for name in SETTINGS})

    look(0)
    in_threads(3, look)
    assert found == [SETTINGS] * 8


def test_a_setting_that_reads_back_otherwise_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsm.store.sqlite.connection._SETTINGS", SETTINGS | {"page_size": 100})
    with pytest.raises(StoreError, match=r"SQLite answers page_size=4096 instead of 100; the file system"):
        SqliteStore(place)


def test_the_file_is_marked_as_a_store_of_this_engine(store: SqliteStore) -> None:
    assert store.sql.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert store.sql.execute("PRAGMA user_version").fetchone() == (len(schema.SCRIPTS),)


# -- files that are none of ours


def untouched(place: Path, error: type[StoreError], cure: str) -> None:
    before = place.read_bytes()
    with pytest.raises(error, match=cure) as raised:
        SqliteStore(place)
    assert type(raised.value) is error
    assert str(place) in str(raised.value)
    assert place.read_bytes() == before
    assert not Path(f"{place}-wal").exists()


def test_a_database_of_something_else_is_refused_and_left_as_it_is(place: Path) -> None:
    with closing(sqlite3.connect(place)) as sql:
        sql.execute("CREATE TABLE customers(name)")
    untouched(place, SchemaError, "an SQLite database of something else; name another file")


@pytest.mark.parametrize("text", ["dear diary, " * 1_000, "xy", "SQLite format 3\0 or nearly so" * 200])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(place: Path, text: str) -> None:
    place.write_text(text)
    untouched(place, SchemaError, "not an SQLite database; name another file")


def test_an_empty_file_becomes_a_store(place: Path) -> None:
    place.touch()
    SqliteStore(place).close()
    assert ("table", "runs", "runs") in [row[:3] for row in schema_of(place)]


def test_a_newer_schema_is_refused_and_left_as_it_is(place: Path) -> None:
    SqliteStore(place).close()
    with closing(sqlite3.connect(place)) as sql:
        sql.execute(f"PRAGMA user_version={len(schema.SCRIPTS) + 1}")
    untouched(place, SchemaError, r"has schema \d+; this version of fsm knows \d+: upgrade fsm")


def test_a_damaged_store_is_refused_with_what_to_do(place: Path) -> None:
    SqliteStore(place).close()
    content = bytearray(place.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    place.write_bytes(content)
    with pytest.raises(StoreError, match="check the disk, and restore a backup"):
        Driver(SqliteStore(place)).start()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder; name a file"):
        SqliteStore(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the folder must exist"):
        SqliteStore(tmp_path / "nowhere" / "runs.db")


def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StoreError):
        SqliteStore(tmp_path / "loop")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_without_write_permission_the_cure_is_named_and_nothing_written(tmp_path: Path, what: str) -> None:
    place = tmp_path / "runs.db"
    if what == "file":
        SqliteStore(place).close()
        for file in (place, Path(f"{place}-lock")):
            file.chmod(0o444)
    tmp_path.chmod(0o555 if what == "folder" else 0o755)
    opened_up = [folder for folder in tmp_path.parents if not folder.stat().st_mode & 0o001]
    before = sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir())

    def attempt(line: Line) -> None:
        if os.geteuid() == 0:
            os.setuid(65_534)
        with pytest.raises(StoreError, match="the process needs write permission on the file and its folder"):
            SqliteStore(place)
        line.send("refused")

    modes = {folder: folder.stat().st_mode for folder in opened_up}
    try:
        for folder in opened_up:
            folder.chmod(modes[folder] | 0o001)
        with children(attempt) as (child,):
            assert child.hears() == "refused"
    finally:
        for folder, mode in modes.items():
            folder.chmod(mode)
        tmp_path.chmod(0o755)
    assert sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir()) == before


# -- file systems


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "9p", "fuse.sshfs"])
def test_a_network_file_system_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    share = tmp_path / "share of ana"
    share.mkdir()
    mounts = tmp_path / "mounts"
    escaped = str(share).replace("\\", "\\134").replace(" ", "\\040")
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/ana {escaped} {kind} rw 0 0\nproc /proc proc rw 0 0\n")
    with pytest.raises(StoreError, match=rf"share of ana, a network file system \({kind}\); put the store on a local"):
        refuse_network(share / "deep" / "runs.db", str(mounts))
    refuse_network(tmp_path / "share of ana and ben" / "runs.db", str(mounts))
    refuse_network(tmp_path / "runs.db", str(mounts))


def test_of_file_systems_on_one_folder_the_last_counts(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"auto {tmp_path} autofs rw 0 0\nserver:/ana {tmp_path} nfs4 rw 0 0\n")
    with pytest.raises(StoreError, match="nfs4"):
        refuse_network(tmp_path / "runs.db", str(mounts))
    mounts.write_text(f"server:/ana {tmp_path} nfs4 rw 0 0\ntmpfs {tmp_path} tmpfs rw 0 0\n")
    refuse_network(tmp_path / "runs.db", str(mounts))


def test_a_local_disk_below_a_network_mount_is_fine_and_a_link_to_a_share_is_not(tmp_path: Path) -> None:
    share, disk = tmp_path / "share", tmp_path / "share" / "disk"
    disk.mkdir(parents=True)
    (tmp_path / "link").symlink_to(share)
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/ana {share} nfs rw 0 0\n/dev/vdb {disk} ext4 rw 0 0\n\nodd\n")
    refuse_network(disk / "runs.db", str(mounts))
    with pytest.raises(StoreError, match="nfs"):
        refuse_network(tmp_path / "link" / "runs.db", str(mounts))


def test_without_a_table_of_mounts_nothing_is_refused(tmp_path: Path) -> None:
    refuse_network(tmp_path / "runs.db", str(tmp_path / "nothing"))


def test_however_a_file_is_named_its_users_share_one_lock_and_see_each_other(
    tmp_path: Path, store: SqliteStore
) -> None:
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "other.db"
    link.symlink_to(store.path)
    run = Driver(store).start()
    other = SqliteStore(link)
    assert other.held(run.id)
    assert other.claim(run.id, run.started_at) is None
    assert list((tmp_path / "links").iterdir()) == [link]
    other.close()


# -- migrations


def released(place: Path, scripts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a store as the version with these scripts made it, with another law than today's."""
    texts = {name: schema.script(name) for name in scripts} | {
        schema.LAW: "CREATE TRIGGER of_old BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'old'); END;\n"
    }
    with monkeypatch.context() as patch:
        patch.setattr(schema, "SCRIPTS", scripts)
        patch.setattr(schema, "script", texts.__getitem__)
        SqliteStore(place).close()


@pytest.mark.parametrize("known", range(1, len(schema.SCRIPTS)))
def test_a_migrated_schema_equals_a_fresh_one(tmp_path: Path, known: int, monkeypatch: pytest.MonkeyPatch) -> None:
    released(tmp_path / "old.db", schema.SCRIPTS[:known], monkeypatch)
    for name in ("old.db", "fresh.db"):
        SqliteStore(tmp_path / name).close()
    assert schema_of(tmp_path / "old.db") == schema_of(tmp_path / "fresh.db")


def test_a_store_of_an_older_version_is_migrated_when_opened_and_keeps_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = SqliteStore(tmp_path / "old.db")
    run = Driver(old).start()
    old.close()
    texts = {name: schema.script(name) for name in (*schema.SCRIPTS, schema.LAW)} | {
        "9999_made": "CREATE TABLE made(x TEXT) STRICT;\n"
    }
    monkeypatch.setattr(schema, "SCRIPTS", (*schema.SCRIPTS, "9999_made"))
    monkeypatch.setattr(schema, "script", texts.__getitem__)
    for name in ("old.db", "fresh.db", "old.db"):
        SqliteStore(tmp_path / name).close()
    assert schema_of(tmp_path / "old.db") == schema_of(tmp_path / "fresh.db")
    migrated = SqliteStore(tmp_path / "old.db")
    assert migrated.get(run.id) == run
    assert migrated.sql.execute("PRAGMA user_version").fetchone() == (len(schema.SCRIPTS),)
    migrated.close()


def test_a_migration_that_fails_leaves_nothing_behind(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "script", lambda _: "CREATE TABLE half(x);\nCREATE TABLE half(x);\n")
        with pytest.raises(StoreError, match="half already exists"):
            SqliteStore(place)
        assert schema_of(place) == []
    SqliteStore(place).close()


def test_no_statement_of_a_script_is_lost_when_it_is_split() -> None:
    with closing(sqlite3.connect(":memory:")) as whole, closing(sqlite3.connect(":memory:")) as split:
        for name in (*schema.SCRIPTS, schema.LAW):
            whole.executescript(schema.script(name))
            for statement in schema.statements(schema.script(name)):
                split.execute(statement)
        looked = "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2"
        assert whole.execute(looked).fetchall() == split.execute(looked).fetchall()


def test_processes_that_open_a_new_file_at_once_all_get_the_same_store(place: Path) -> None:
    def open_and_start(line: Line) -> None:
        line.send("here")
        line.recv()
        line.send(Driver(SqliteStore(place)).start().id)
        line.recv()

    with children(*[open_and_start] * 8) as all_of:
        for child in all_of:
            child.hears()
        for child in all_of:
            child.tell()
        started = [child.hears() for child in all_of]
    store = SqliteStore(place)
    assert sorted(run.id for run in store.runs()) == sorted(started)
    assert store.sql.execute("SELECT count(*) FROM _sqlite_migrations").fetchone() == (len(schema.SCRIPTS),)
    store.close()


def test_whether_a_file_is_a_store_is_looked_at_when_nobody_is_making_it_one(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    def look(sql: sqlite3.Connection, path: Path) -> None:
        with pytest.raises(StoreBusy), WriterLock(Path(f"{path}-lock"), patience_s=0.02).held():
            pass
        looked.append(sql)

    monkeypatch.setattr("fsm.store.sqlite.connection.refuse_foreign", look)
    SqliteStore(place).close()
    assert len(looked) == 1
