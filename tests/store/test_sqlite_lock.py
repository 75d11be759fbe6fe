"""The turn to write: first come, first served, bounded, and never two at once."""

import mmap
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fsm.errors import StoreBusy, StoreError
from fsm.store import lock
from fsm.store.lock import Life, WriterLock
from tests.store.processes import Child, Line, children, eventually, in_line

lined = pytest.mark.skipif(not lock._OFD, reason="there is no line without locks of open file descriptions")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runs.db-lock"


@pytest.fixture
def locks(place: Path) -> Iterator[tuple[WriterLock, WriterLock]]:
    both = WriterLock(place, patience_s=0.05), WriterLock(place, patience_s=0.05)
    yield both
    for one in both:
        one.close()


@pytest.fixture
def patient(place: Path) -> Iterator[WriterLock]:
    one = WriterLock(place)
    yield one
    one.close()


@pytest.fixture
def sleepless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is taken for stopped, however busy the machine is."""
    monkeypatch.setattr(lock, "_AWAKE_NS", 3_600_000_000_000)


def test_a_second_writer_gives_up_with_the_pid_of_the_first(locks: tuple[WriterLock, WriterLock], place: Path) -> None:
    first, second = locks
    said = rf"another process \(pid {os.getpid()}\) has kept .* locked for 0.05 s"
    with first.held():
        for _ in range(2):
            with pytest.raises(StoreBusy, match=said):
                second.acquire()
    assert in_line(place) == 0
    for one in locks:
        with one.held():
            pass


@pytest.mark.parametrize("with_a_line", [pytest.param(True, marks=lined), False])
def test_a_writer_that_waits_gets_its_turn(
    place: Path, patient: WriterLock, with_a_line: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_OFD", with_a_line)
    patient.acquire()
    with children(lambda line: stand(place, line)) as (child,):
        assert child.hears() == "comes"
        eventually(lambda: in_line(place) == int(with_a_line))
        assert not child.line.poll()
        patient.release()
        assert child.hears() == "has it"
        child.tell()
        with patient.held():
            pass


def test_a_lock_that_was_closed_is_refused(locks: tuple[WriterLock, WriterLock]) -> None:
    first, second = locks
    first.close()
    with pytest.raises(StoreError, match="is closed"), first.held():
        pass
    first.close()
    with second.held():
        pass


# -- the line


def stand(place: Path, line: Line) -> None:
    """Say that a writer comes, and when it has its turn; keep that until told."""
    own = WriterLock(place)
    line.send("comes")
    with own.held():
        line.send("has it")
        line.recv()


@lined
@pytest.mark.usefixtures("sleepless")
def test_writers_in_line_get_their_turns_in_the_order_they_came_in(place: Path, patient: WriterLock) -> None:
    patient.acquire()
    with ExitStack() as all_of:
        waiting: list[Child] = []

        def stands() -> bool:
            return in_line(place) == len(waiting)

        for _ in range(6):
            waiting += all_of.enter_context(children(lambda line: stand(place, line)))
            eventually(stands)
        assert [child.hears() for child in waiting] == ["comes"] * 6
        patient.release()
        for place_in_line, child in enumerate(waiting, 1):
            assert child.hears() == "has it"
            assert not any(other.line.poll() for other in waiting[place_in_line:])
            child.tell()


@lined
@pytest.mark.usefixtures("sleepless")
def test_a_writer_that_comes_again_at_once_goes_behind_those_that_wait(place: Path, patient: WriterLock) -> None:
    def write(line: Line) -> None:
        with WriterLock(place).held():
            line.send("had it")

    patient.acquire()
    with children(write, write, write) as all_of:
        eventually(lambda: in_line(place) == 3)
        patient.release()
        patient.acquire()
        assert [child.line.poll() for child in all_of] == [True] * 3


@lined
def test_a_writer_that_gave_up_leaves_the_line(locks: tuple[WriterLock, WriterLock], place: Path) -> None:
    first, second = locks
    with first.held(), pytest.raises(StoreBusy):
        second.acquire()
    assert in_line(place) == 0
    with second.held():
        pass


def test_a_writer_that_is_interrupted_in_line_leaves_it(place: Path, patient: WriterLock) -> None:
    def write(line: Line) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        own = WriterLock(place)
        try:
            line.send("comes")
            own.acquire()
        except KeyboardInterrupt:
            line.send("interrupted")
        line.recv()

    patient.acquire()
    with children(write) as (child,):
        assert child.hears() == "comes"
        eventually(lambda: in_line(place) == int(lock._OFD))
        os.kill(child.pid, signal.SIGINT)
        assert child.hears() == "interrupted"
        assert in_line(place) == 0
        patient.release()
        with patient.held():
            pass


@lined
def test_a_writer_that_died_in_line_is_not_waited_for(place: Path, patient: WriterLock) -> None:
    patient.acquire()
    with children(lambda line: stand(place, line)) as (child,):
        eventually(lambda: in_line(place) == 1)
        child.kill()
        assert in_line(place) == 0
    patient.release()
    with patient.held():
        pass


@lined
def test_a_writer_that_is_stopped_in_line_is_overtaken_and_has_its_turn_when_it_goes_on(
    place: Path, patient: WriterLock
) -> None:
    patient.acquire()
    with children(lambda line: stand(place, line)) as (child,):
        assert child.hears() == "comes"
        eventually(lambda: in_line(place) == 1)
        child.stop()
        patient.release()
        for _ in range(3):
            with patient.held():
                assert in_line(place) == 1
        child.go_on()
        assert child.hears() == "has it"
        child.tell()
        assert child.ended() == 0
    assert in_line(place) == 0


def test_eight_writers_that_come_again_at_once_take_turns(place: Path) -> None:
    turns = memoryview(mmap.mmap(-1, 8 * 8)).cast("q")

    def write(number: int, line: Line) -> None:
        own = WriterLock(place)
        line.send("here")
        line.recv()
        while sum(turns) < 800:
            with own.held():
                turns[number] += 1
                sum(range(20_000))  # long, beside the time until it comes again

    with children(*[lambda line, number=number: write(number, line) for number in range(8)]) as all_of:
        for child in all_of:
            child.hears()
        for child in all_of:
            child.tell()
        assert [child.ended() for child in all_of] == [0] * 8
    assert max(turns) <= 2 * min(turns), list(turns)


# -- the end of its process, and signs of life


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
