"""The turn to write: queued, bounded, and never two at once."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.errors import StoreBusy, StoreError
from fsm.store.lock import Life, LockFile, WriterLock, _Turn
from tests.store.processes import Line, children, eventually


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runs.db-lock"


@pytest.fixture
def locks(place: Path) -> Iterator[tuple[WriterLock, WriterLock]]:
    both = WriterLock(place, patience_s=0.05), WriterLock(place, patience_s=0.05)
    yield both
    for lock in both:
        lock.close()


def waiting_turns() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "fsm-writer-turn"]


def test_a_second_writer_gives_up_with_the_pid_of_the_first(locks: tuple[WriterLock, WriterLock]) -> None:
    first, second = locks
    said = rf"another process \(pid {os.getpid()}\) has kept .* locked for 0.05 s"
    with first.held(), pytest.raises(StoreBusy, match=said):
        second.acquire()
    second.patience_s = 30.0
    with second.held():
        pass


def test_a_writer_that_waits_gets_its_turn(place: Path) -> None:
    patient = WriterLock(place)

    def hold(line: Line) -> None:
        with WriterLock(place).held():
            line.send("held")
            line.recv()

    with children(hold) as (child,):
        child.hears()
        got = threading.Event()

        def take() -> None:
            with patient.held():
                got.set()

        thread = threading.Thread(target=take)
        thread.start()
        eventually(waiting_turns)
        assert not got.is_set()
        child.tell()
        thread.join()
        assert got.is_set()
    patient.close()


def test_a_turn_that_was_given_up_never_lets_a_later_one_go(locks: tuple[WriterLock, WriterLock]) -> None:
    first, second = locks
    first.acquire()
    with pytest.raises(StoreBusy):
        second.acquire()
    second.patience_s = 30.0
    later = threading.Thread(target=second.acquire)
    later.start()
    eventually(lambda: len(waiting_turns()) == 2)
    first.release()
    later.join()
    for _ in range(5):  # whenever the one that was given up comes and goes
        with pytest.raises(StoreBusy):
            first.acquire()
    second.release()
    first.patience_s = 30.0
    with first.held():
        pass


def test_a_turn_that_was_given_up_blocks_nobody(locks: tuple[WriterLock, WriterLock]) -> None:
    first, second = locks
    with first.held(), pytest.raises(StoreBusy):
        second.acquire()
    eventually(lambda: not waiting_turns())
    with first.held():
        pass


def test_an_interrupt_while_waiting_leaves_the_lock_to_others(
    locks: tuple[WriterLock, WriterLock], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = locks

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            first.release()
            assert super().wait(30)  # the turn comes just before the interrupt
            raise KeyboardInterrupt

    class Turn(_Turn):
        def __init__(self, file: LockFile) -> None:
            super().__init__(file)
            self.event = Interrupted()

    first.acquire()
    with monkeypatch.context() as patch:
        patch.setattr("fsm.store.lock._Turn", Turn)
        with pytest.raises(KeyboardInterrupt), second.held():
            pass
    with first.held():
        pass


def test_a_lock_that_its_process_took_to_the_grave_is_free(place: Path) -> None:
    def die(line: Line) -> None:
        WriterLock(place).acquire()
        line.send("held")
        line.recv()

    lock = WriterLock(place)
    with children(die) as (child,):
        child.hears()
        child.kill()
        with lock.held():
            pass
    lock.close()


def test_a_lock_file_that_was_deleted_is_refused(place: Path, locks: tuple[WriterLock, WriterLock]) -> None:
    place.unlink()
    with pytest.raises(StoreError, match="deleted while in use"), locks[0].held():
        pass


def test_a_sign_of_life_is_seen_by_others_until_its_process_ends(place: Path) -> None:
    def live(line: Line) -> None:
        life = Life(place)
        life.show(7)
        line.send(os.getpid())
        line.recv()

    here = Life(place)
    with children(live) as (child,):
        pid = child.hears()
        assert here.shown(7, pid)
        assert not here.shown(8, pid)
        child.kill()
        assert not here.shown(7, pid)
    here.close()


def test_where_such_locks_do_not_exist_the_pid_tells_who_lives(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsm.store.lock._OFD", False)
    here = Life(place)
    here.show(7)
    assert here.shown(7, os.getpid())
    assert here.shown(7, 1)
    with children(lambda _: None) as (child,):
        child.ended()
        assert not here.shown(7, child.pid)
    here.close()
