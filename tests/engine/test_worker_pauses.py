"""Operators beside a worker: pauses, stops, cancellations of what is in flight."""

import asyncio
import threading
from typing import Any

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from tests.engine.builders import House, events
from tests.engine.crowd import ended, soon, status, work, working


@pytest.fixture
def operator(house: House) -> Engine:
    """Somebody else on the same store."""
    return house.engine(definitions=[], clock=None)


class TestPause:
    def test_what_is_in_flight_ends_and_nothing_new_begins_until_it_is_over(
        self, house: House, operator: Engine
    ) -> None:
        inside, gate = threading.Event(), threading.Event()
        calls: list[str] = []

        def one(n: int) -> int:
            calls.append("one")
            inside.set()
            gate.wait(60)
            return n

        def two(one: int) -> int:
            calls.append("two")
            return one

        engine = work(house, one, two, clock=None)

        async def drive() -> None:
            run = engine.start("work", {"n": 7})
            async with working(engine):
                await asyncio.to_thread(inside.wait)
                operations.pause(operator, "work", actor="ana")
                gate.set()
                await soon(lambda: status(engine, run) == ("two", "ready"))
                late = engine.start("work", {"n": 8})
                assert (status(engine, late), calls) == (("one", "ready"), ["one"])
                assert not operator.store.held(run.id)
                operations.unpause(operator, "work")
                await soon(lambda: ended(engine))

        asyncio.run(drive())
        assert sorted(run.output for run in engine.runs()) == [7, 8]

    def test_other_workflows_and_states_go_on(self, house: House, operator: Engine) -> None:
        engine = work(house, lambda n: n, clock=None)
        operations.pause(engine, "work", "two")

        async def drive() -> None:
            async with working(engine):
                run = engine.start("work", {"n": 7})
                await soon(lambda: status(engine, run) == ("two", "ready"))
                other = engine.start("work", {"n": 8})
                await soon(lambda: status(engine, other) == ("two", "ready"))
                operations.unpause(operator, "work", "two")
                await soon(lambda: ended(engine))

        asyncio.run(drive())

    def test_a_timer_that_comes_due_under_a_pause_fires_after_it(self, house: House, operator: Engine) -> None:
        house.define("""
            workflow: rests
            version: 1
            start: rest
            states:
              rest: {wait: 40ms, success: done, error: done}
              done: {end: success}
        """)
        engine = house.engine(clock=None)

        async def drive() -> None:
            async with working(engine):
                operations.pause(engine, "rests", actor="ana")
                held = engine.start("rests")
                assert held.due_at is not None
                await soon(lambda: engine.clock.now() > (held.due_at or 0))
                assert engine.get(held.id).state == "rest"
                operations.unpause(operator, "rests")
                await soon(lambda: ended(engine))

        asyncio.run(drive())


class TestStop:
    """`pause --now`."""

    def test_asynchronous_actions_are_cancelled_and_begin_again_after_it(self, house: House, operator: Engine) -> None:
        told: list[bool] = []
        cleaned: list[str] = []

        async def one(n: int, ctx: fsm.AsyncContext) -> int:
            told.append(ctx.interrupted)
            if ctx.interrupted:
                return n
            try:
                await asyncio.Event().wait()
            finally:
                for _ in range(3):
                    operator.start("nothing")
                    await soon(lambda: worker._version == engine.store.version())  # it has looked again
                cleaned.append("to the end")
            return -1

        house.define("""
            workflow: nothing
            version: 1
            start: done
            states: {done: {end: success}}
        """, "nothing.yaml")  # fmt: skip
        operator = house.engine(definitions=[house.definitions / "nothing.yaml"], clock=None)
        engine = work(house, one, clock=None)
        worker = engine._worker(1, 30.0, 30.0, "stopped")  # it has no room to claim, and looks all the same

        async def drive() -> None:
            run = engine.start("work", {"n": 7})
            working = asyncio.ensure_future(worker.work())
            await soon(lambda: told)
            operations.pause(operator, "work", now=True, actor="ana")
            await soon(lambda: status(engine, run) == ("one", "ready"))
            assert (engine.get(run.id).interrupted, cleaned) == (True, ["to the end"])
            operations.unpause(operator, "work")
            await soon(lambda: engine.get(run.id).output == 7)
            worker.stop()
            await working

        asyncio.run(drive())
        assert told == [False, True]

    def test_a_synchronous_action_and_other_states_are_left_to_end(self, house: House, operator: Engine) -> None:
        inside, gate = threading.Event(), threading.Event()

        def one(n: int) -> int:
            inside.set()
            gate.wait(60)
            return n

        both = asyncio.Event()

        async def two(one: int) -> int:
            both.set()
            await soon(gate.is_set)
            return one

        engine = work(house, one, two, clock=None)

        async def drive() -> None:
            async with working(engine):
                run = engine.start("work", {"n": 7})
                await asyncio.to_thread(inside.wait)
                operations.pause(operator, "work", "one", now=True, actor="ana")
                gate.set()
                await soon(lambda: engine.get(run.id).output == 7)
                gate.clear()
                operations.unpause(operator, "work", "one")
                both.clear()
                late = engine.start("work", {"n": 8})
                await soon(lambda: status(engine, late)[0] == "one")
                gate.set()
                await soon(lambda: ended(engine))

        asyncio.run(drive())
        assert {(run.crashes, run.interrupted) for run in engine.runs()} == {(0, False)}


class TestCancel:
    @pytest.mark.parametrize("kind", ["asynchronous", "synchronous"])
    def test_a_run_that_is_cancelled_while_in_flight_ends_there_and_its_result_is_discarded(
        self, house: House, operator: Engine, kind: str
    ) -> None:
        inside, gate = threading.Event(), threading.Event()

        def one(n: int) -> int:
            inside.set()
            gate.wait(60)
            return n

        async def one_later(n: int) -> int:
            inside.set()
            await soon(gate.is_set)
            return n

        action: Any = one_later if kind == "asynchronous" else one
        engine = work(house, action, clock=None)

        async def drive() -> None:
            run = engine.start("work", {"n": 7})
            async with working(engine, concurrency=1):
                await asyncio.to_thread(inside.wait)
                operator.cancel(run.id, actor="ana", reason="no more")
                assert status(engine, run) == ("one", "cancelled")
                gate.set()
                other = engine.start("work", {"n": 8})
                await soon(lambda: engine.get(other.id).output == 8)
            assert events(engine, run) == ["start", "cancel"]
            row = engine.history(run.id)[-1].transition
            assert (row.interrupted, row.actor) == (True, "ana")

        asyncio.run(drive())
