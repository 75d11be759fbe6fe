"""A worker is stopped: runs are given back between edges, and what is in flight ends; told again, it is interrupted."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.engine import stopping
from fsm.engine.engine import Engine
from tests.engine.builders import House, events
from tests.engine.crowd import soon, status, work
from tests.store.processes import Line, children, eventually


def inside(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


class Actions:
    """Two actions that say when they are inside, and stay there until a file is there."""

    def __init__(self, folder: Path) -> None:
        self.log, self.gate = folder / "inside", folder / "gate"

    def note(self, n: int) -> None:
        with self.log.open("a") as file:
            file.write(f"{n}\n")

    def block(self, n: int) -> int:
        self.note(n)
        while not self.gate.exists():
            time.sleep(0.001)
        return n

    async def wait(self, n: int) -> int:
        self.note(n)
        await soon(self.gate.exists)
        return n


class Tells(logging.Handler):
    """Sends what is logged over a line."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line

    def emit(self, record: logging.LogRecord) -> None:
        self.line.send(record.getMessage())


def live(house: House, kind: str, options: dict[str, Any], repeat_s: float = 0.0) -> Callable[[Line], None]:
    """Return what a process does that works until it is told to stop; it tells what the worker logs."""

    def work_until_told(line: Line) -> None:
        stopping.REPEAT_S = repeat_s
        log = logging.getLogger("fsm.worker")
        log.setLevel(logging.INFO)
        log.addHandler(Tells(line))
        work(house, getattr(Actions(house.folder), kind), clock=None).work(**options)
        line.send("left")
        line.recv()

    return work_until_told


@pytest.mark.parametrize("kind", ["block", "wait"])
class TestBySignal:
    """Real processes, told by real signals."""

    @pytest.fixture
    def operator(self, house: House) -> Engine:
        """An engine beside the worker, with three runs started."""
        engine = work(house, lambda n: n, clock=None)
        for n in range(3):
            engine.start("work", {"n": n})
        return engine

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_what_is_in_flight_ends_and_the_runs_are_given_back_between_two_edges(
        self, house: House, operator: Engine, kind: str, number: int
    ) -> None:
        actions = Actions(house.folder)
        with children(live(house, kind, {})) as (child,):
            eventually(lambda: inside(actions.log) == 3)
            os.kill(child.pid, number)
            assert child.hears() == "stopping; 3 runs are in flight"
            operator.start("work", {"n": 3})
            actions.gate.touch()
            assert child.hears() == "left"
            runs = operator.runs()
            assert not any(operator.store.held(run.id) for run in runs)
        assert Counter((run.state, run.status, run.interrupted, run.crashes) for run in runs) == {
            ("two", "ready", False, 0): 3, ("one", "ready", False, 0): 1
        }  # fmt: skip
        assert inside(actions.log) == 3
        assert sorted(operator.artifacts(run)["one"] for run in runs if run.state == "two") == [0, 1, 2]

    def test_the_second_signal_interrupts_what_is_in_flight(self, house: House, operator: Engine, kind: str) -> None:
        with children(live(house, kind, {})) as (child,):
            eventually(lambda: inside(Actions(house.folder).log) == 3)
            os.kill(child.pid, signal.SIGTERM)
            assert child.hears() == "stopping; 3 runs are in flight"
            os.kill(child.pid, signal.SIGINT)
            assert child.hears() == "left"
            runs = operator.runs()
            assert not any(operator.store.held(run.id) for run in runs)
        assert Counter((run.state, run.status, run.interrupted, run.crashes) for run in runs) == {
            ("one", "ready", True, 0): 3
        }  # fmt: skip

    def test_after_the_grace_what_is_still_in_flight_is_interrupted(
        self, house: House, operator: Engine, kind: str
    ) -> None:
        with children(live(house, kind, {"grace_s": 0.05})) as (child,):
            eventually(lambda: inside(Actions(house.folder).log) == 3)
            os.kill(child.pid, signal.SIGTERM)
            assert child.hears() == "stopping; 3 runs are in flight"
            assert child.hears() == "left"
        assert Counter((run.state, run.status, run.interrupted) for run in operator.runs()) == {
            ("one", "ready", True): 3
        }  # fmt: skip

    def test_a_signal_that_is_sent_twice_at_once_counts_once(self, house: House, operator: Engine, kind: str) -> None:
        """`timeout`, among others, sends it to the process and to its group."""
        actions = Actions(house.folder)
        with children(live(house, kind, {}, repeat_s=60.0)) as (child,):
            eventually(lambda: inside(actions.log) == 3)
            os.kill(child.pid, signal.SIGTERM)
            os.kill(child.pid, signal.SIGINT)
            assert child.hears() == "stopping; 3 runs are in flight"
            actions.gate.touch()
            assert child.hears() == "left"
        assert Counter((run.state, run.status, run.interrupted) for run in operator.runs()) == {
            ("two", "ready", False): 3
        }  # fmt: skip


def test_what_a_program_did_about_signals_it_does_again_afterwards(house: House) -> None:
    def heard(_number: int, _frame: object) -> None:
        """Be the program's own."""

    before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGINT)}
    interval_s = sys.getswitchinterval()
    try:
        work(house, lambda n: n).work(until="idle")
        assert {signal.getsignal(number) for number in before} == {heard}
        assert sys.getswitchinterval() == interval_s
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_off_the_main_thread_it_works_without_signals(house: House) -> None:
    engine = work(house, lambda n: n)
    engine.start("work", {"n": 7})
    thread = threading.Thread(target=lambda: engine.work(until="idle"))
    thread.start()
    thread.join()
    assert [run.output for run in engine.runs()] == [7]


class TestByCancellation:
    def test_it_interrupts_what_is_in_flight_and_gives_everything_back(self, house: House) -> None:
        began, cleaned = asyncio.Event(), []

        async def one(n: int) -> int:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                cleaned.append(n)
            return n

        engine = work(house, one)
        run = engine.start("work", {"n": 7})

        async def drive() -> None:
            task = asyncio.ensure_future(engine.work_async())
            await began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(drive())
        after = engine.get(run.id)
        assert (after.state, after.status, after.interrupted, cleaned) == ("one", "ready", True, [7])
        assert not engine.store.held(run.id)

    def test_at_any_moment_it_leaves_no_run_held(self, house: House) -> None:
        """Cancelled after n turns of the loop, for all n until everything is done before that."""

        async def one(n: int) -> int:
            await asyncio.sleep(0)
            return n

        engine = work(house, one)
        for n in range(3):
            engine.start("work", {"n": n})

        async def cancelled_after(turns: int) -> bool:
            task = asyncio.ensure_future(engine.work_async(until="idle"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return task.cancelled()

        turns = 0
        while asyncio.run(cancelled_after(turns)):
            for run in engine.runs():
                assert run.status == "ready" or run.is_final
                assert not engine.store.held(run.id)
            turns += 1 + turns // 4
        engine.work(until="idle")
        assert sorted(run.output for run in engine.runs()) == [0, 1, 2]
        assert all(run.crashes == 0 for run in engine.runs())
        assert all(events(engine, run) == ["start", "success", "success"] for run in engine.runs())


def test_runs_that_were_claimed_while_it_was_told_to_stop_are_given_back_unbegun(house: House) -> None:
    calls: list[int] = []

    def one(n: int) -> None:
        calls.append(n)

    engine = work(house, one)
    run = engine.start("work", {"n": 7})
    worker = engine._worker(256, 30.0, 30.0, "stopped")
    real = engine.store.claim_some

    async def drive() -> None:
        loop = asyncio.get_running_loop()

        def claim_some(*arguments: Any, **more: Any) -> Any:
            claimed = real(*arguments, **more)
            loop.call_soon_threadsafe(worker.stop)
            return claimed

        engine.store.claim_some = claim_some  # type: ignore[method-assign]
        await worker.work()

    asyncio.run(drive())
    assert (calls, status(engine, run), engine.get(run.id).epoch) == ([], ("one", "ready"), 2)
    assert not engine.store.held(run.id)


def test_an_engine_that_is_closed_under_a_worker_does_not_make_it_spin(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "fsm.worker")
    engine = work(house, lambda n: n)
    worker = engine._worker(256, 30.0, 30.0, "stopped")

    async def drive() -> None:
        task = asyncio.ensure_future(worker.work())
        await soon(lambda: worker._version != -1)
        engine.store.close()
        waits: list[int] = []
        while len(waits) < 4:
            await soon(lambda: worker._blind_ms not in waits)
            waits.append(worker._blind_ms)
        assert waits[-4:] in ([0, 50, 100, 200], [50, 100, 200, 400])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(drive())
    assert all("this store" in said for said in caplog.messages)


def test_a_run_that_fails_while_it_stops_is_left_as_it_is(house: House) -> None:
    def one(n: int, ctx: fsm.Context) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        raise fsm.Unavailable("down")

    engine = work(house, one, retry="{attempts: 3, delay: 10s, jitter: none}")
    run = engine.start("work", {"n": 1})
    engine.work()
    assert (status(engine, run), engine.get(run.id).attempt) == (("one", "waiting"), 2)
