"""What an edge costs in the currency that counts: syncs and pages of the log."""

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from fsm.store.sqlite import SqliteStore
from tests.store.driving import AGAIN, LOOP, Driver

FRAME_BYTES = 4_096 + 24
COUNTING = """
#include <unistd.h>
#include <sys/syscall.h>
static int syncs;
int fsync(int fd) { syncs++; return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { syncs++; return syscall(SYS_fdatasync, fd); }
int synced(void) { return syncs; }
"""
COUNTED = """
import ctypes, sys
from fsm.model.run import Rest
from fsm.store.sqlite import SqliteStore
from tests.store.driving import AGAIN, LOOP, Driver

synced = ctypes.CDLL(None).synced
store = SqliteStore(sys.argv[1])
driver = Driver(store)
run = driver.go(driver.start(LOOP), AGAIN)

def cost(work):
    before = synced()
    result = work()
    return synced() - before, result

edges = []
for _ in range(50):
    decision = driver.decision(run, AGAIN)
    syncs, (run,) = cost(lambda: store.commit([decision]))
    edges.append(syncs)
print("edge", *sorted(set(edges)))
runs = [driver.start(LOOP) for _ in range(64)]
batch = [driver.decision(one, AGAIN) for one in runs]
print("batch", cost(lambda: store.commit(batch))[0])
print("rest", cost(lambda: store.commit([driver.decision(run, Rest(None))]))[0])
print("claim", cost(lambda: store.claim(run.id, driver.now))[0])
print("a claim in vain", cost(lambda: store.claim(run.id, driver.now))[0])
print("late", cost(lambda: store.commit([decision]))[0])
print("start", cost(lambda: driver.start(LOOP))[0])
print("read", cost(lambda: (store.get(run.id), store.claimable(1), list(store.history(run.id))))[0])
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that counts syncs, for LD_PRELOAD."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or not compiler:
        pytest.skip("needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "counting.c").write_text(COUNTING)
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "counting.so"), str(folder / "counting.c")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("the compiler makes no shared library")
    return folder / "counting.so"


def test_an_edge_a_batch_a_claim_and_a_start_are_one_sync_each_and_what_writes_nothing_none(
    tmp_path: Path, shim: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, str(tmp_path / "runs.db")], env={"LD_PRELOAD": str(shim)},
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stderr == ""
    assert dict(line.rsplit(" ", 1) for line in done.stdout.splitlines()) == {
        "edge": "1", "batch": "1", "rest": "1", "claim": "1", "start": "1", "a claim in vain": "0", "late": "0",
        "read": "0",
    }  # fmt: skip


@pytest.mark.parametrize("others", [0, 60])
def test_an_edge_writes_at_most_six_pages_to_the_log(tmp_path: Path, others: int) -> None:
    store = SqliteStore(tmp_path / "runs.db")
    driver = Driver(store)
    for _ in range(others):
        driver.start(LOOP)
    run = driver.start(LOOP)
    log = Path(f"{store.path}-wal")
    store.sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert log.stat().st_size == 0
    sizes = [0]
    for _ in range(100):
        run = driver.go(run, AGAIN)
        sizes.append(log.stat().st_size)
    pages = [(after - before) // FRAME_BYTES for before, after in pairwise(sizes)]
    assert max(pages) <= 6 + 3, "a page that splits costs three more"
    assert sum(pages) <= 6 * len(pages)
    store.close()
