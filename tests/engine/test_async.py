"""The same verbs from asyncio: asynchronous and synchronous actions, many runs at once, cancellation."""

import asyncio
import threading
from typing import Any

import pytest

import fsm
from fsm.engine.engine import Engine
from tests.engine.builders import Hand, House, events, named

FLOW = """
    workflow: fetch
    version: 1
    start: get
    input: {n: int}
    defaults: {error: failed}
    states:
      get: {action: f.get, retry: RETRY, OPTIONS success: add}
      add: {action: f.add, retry: never, success: done}
      done: {end: success, output: add}
      failed: {end: failure}
"""


def fetch(house: House, get: Any = None, *, retry: str = "never", options: str = "", **more: Any) -> Engine:
    house.define(FLOW.replace("RETRY", retry).replace("OPTIONS", options))

    async def at_hand(n: int) -> int:
        await asyncio.sleep(0)
        return n

    return house.engine(named("f.get", get or at_hand), named("f.add", lambda get: get + 1), **more)


class TestRunning:
    def test_both_kinds_of_actions_run_on_a_loop(self, house: House) -> None:
        engine = fetch(house)
        run = asyncio.run(engine.run_async("fetch", {"n": 1}))
        assert (run.status, run.output) == ("succeeded", 2)
        assert events(engine, run) == ["start", "success", "success"]

    def test_both_kinds_run_without_one(self, house: House) -> None:
        assert fetch(house).run("fetch", {"n": 1}).output == 2

    def test_inside_a_running_loop_the_synchronous_verbs_work_too(self, house: House) -> None:
        engine = fetch(house)

        async def inside() -> fsm.Run:
            return engine.run("fetch", {"n": 1})

        assert asyncio.run(inside()).output == 2

    def test_asynchronous_actions_are_awaited_on_the_caller_s_loop_and_others_leave_it_free(self, house: House) -> None:
        """The synchronous action waits for something that only the free loop can give it."""
        given = threading.Event()
        loops: list[Any] = []
        inside = asyncio.Event()

        async def get(n: int) -> int:
            loops.append(asyncio.get_running_loop())
            inside.set()
            return n

        house.define(FLOW.replace("RETRY", "never").replace("OPTIONS", ""))
        engine = house.engine(named("f.get", get), named("f.add", lambda get: given.wait(10)))

        async def drive() -> bool:
            running = asyncio.ensure_future(engine.run_async("fetch", {"n": 1}))
            await inside.wait()
            given.set()
            return (await running).output is True and loops == [asyncio.get_running_loop()]

        assert asyncio.run(drive())

    def test_many_at_once_are_each_their_own(self, house: House) -> None:
        together = 20
        all_here = asyncio.Barrier(together)

        async def get(n: int) -> int:
            await all_here.wait()
            return n

        engine = fetch(house, get)

        async def drive() -> list[fsm.Run]:
            return await asyncio.gather(*(engine.run_async("fetch", {"n": n}, key=str(n)) for n in range(together)))

        runs = asyncio.run(drive())
        assert [run.output for run in runs] == [n + 1 for n in range(together)]

    def test_the_same_key_at_once_is_one_run(self, house: House) -> None:
        calls: list[int] = []

        async def get(n: int) -> int:
            calls.append(n)
            await asyncio.sleep(0)
            return n

        engine = fetch(house, get, clock=None)

        async def drive() -> list[fsm.Run]:
            return await asyncio.gather(*(engine.run_async("fetch", {"n": 1}, key="k") for _ in range(5)))

        runs = asyncio.run(drive())
        assert len({run.id for run in runs}) == 1
        assert ({run.output for run in runs}, calls) == ({2}, [1])

    def test_retries_sleep_on_the_loop(self, house: House) -> None:
        async def get(n: int, ctx: fsm.AsyncContext) -> int:
            if ctx.attempt < 3:
                raise fsm.Unavailable("down")
            return ctx.attempt

        engine = fetch(house, get, retry="{attempts: 3, delay: 1ms}", clock=None)
        assert asyncio.run(engine.run_async("fetch", {"n": 1})).output == 4

    def test_the_other_verbs_do_not_block_the_loop_either(self, house: House) -> None:
        house.define("""
            workflow: s
            version: 1
            start: ask
            states:
              ask: {signal: {go: done}, error: done}
              done: {end: success, optional: ask, output: ask}
        """)
        engine = house.engine()

        async def drive() -> list[Any]:
            one, two = await engine.start_async("s", key="1"), await engine.start_async("s", key="2")
            await engine.resume_async()
            signalled = await engine.signal_async(one.id, "go", 5, actor="ana")
            cancelled = await engine.cancel_async(two.id, reason="no more")
            rows = await engine.history_async(one.id)
            return [signalled.output, cancelled.status, (await engine.get_async(two.id)).status,
                    [row.transition.event for row in rows]]  # fmt: skip

        assert asyncio.run(drive()) == [5, "cancelled", "cancelled", ["start", "signal:go"]]

    def test_resuming_drives_what_is_ready(self, house: House) -> None:
        engine = fetch(house)
        for n in range(3):
            engine.start("fetch", {"n": n})
        runs = asyncio.run(engine.resume_async())
        assert [run.output for run in runs] == [1, 2, 3]

    def test_errors_of_the_caller_s_own_are_raised_there(self, house: House) -> None:
        engine = fetch(house)
        with pytest.raises(fsm.NotFound):
            asyncio.run(engine.run_async("nothing"))
        with pytest.raises(fsm.UsageError, match='"n" \\(int\\) is missing'):
            asyncio.run(engine.run_async("fetch"))


class TestContext:
    def test_once_awaits_and_keeps(self, house: House) -> None:
        calls: list[str] = []

        async def soon(word: str) -> str:
            calls.append(word)
            return word

        def now(word: str) -> str:
            calls.append(word)
            return word

        async def get(n: int, ctx: fsm.AsyncContext) -> int:
            found = [
                await ctx.once("soon", soon, "a"),
                await ctx.once("now", now, "b"),
                await ctx.once("soon", soon, "c"),
            ]
            ctx.heartbeat(ctx.attempt)
            if ctx.attempt == 1:
                raise fsm.NotReady(str(found))
            assert (found, ctx.last_heartbeat) == (["a", "b", "a"], 2)
            return n

        engine = fetch(house, get, retry="{attempts: 2, delay: 0s, errors: [NotReady]}", options="idempotent: n, ")
        assert asyncio.run(engine.run_async("fetch", {"n": 1})).output == 2
        assert calls == ["a", "b"]
        assert engine.run("fetch", {"n": 2}).output == 3


class TestCancellation:
    """A task that is cancelled leaves a run that anybody can take up."""

    def drive(self, engine: Engine, until: Any) -> fsm.Run:
        async def cancelled() -> None:
            task = asyncio.ensure_future(engine.run_async("fetch", {"n": 1}, key="k"))
            await until()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        run = engine.find("fetch", "k")
        assert run is not None
        return run

    def test_in_an_asynchronous_action_it_is_cancelled_too(self, house: House) -> None:
        inside, ended = asyncio.Event(), []

        async def get(n: int, ctx: fsm.AsyncContext) -> Any:
            if ctx.interrupted:
                return n
            inside.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(n)

        engine = fetch(house, get)
        run = self.drive(engine, inside.wait)
        assert (run.status, run.state, run.interrupted, ended) == ("ready", "get", True, [1])
        assert engine.run("fetch", {"n": 1}, key="k").output == 2

    def test_in_a_synchronous_action_its_result_is_discarded(self, house: House) -> None:
        inside, gate = threading.Event(), threading.Event()

        def get(n: int, ctx: fsm.Context) -> Any:
            if ctx.interrupted:
                return n
            inside.set()
            gate.wait()
            return -1

        engine = fetch(house, get)

        async def until() -> None:
            await asyncio.to_thread(inside.wait)
            asyncio.get_running_loop().call_later(0.01, gate.set)

        run = self.drive(engine, until)
        assert (run.status, run.interrupted) == ("ready", True)
        assert engine.run("fetch", {"n": 1}, key="k").output == 2

    @pytest.mark.parametrize("verb", ["start", "claim", "together"])
    def test_at_the_desk_what_was_begun_is_finished_and_nothing_stays_held(self, house: House, verb: str) -> None:
        """Wherever the cancellation falls, the run is not left claimed by a task that is gone."""
        inside, gate = threading.Event(), threading.Event()
        engine = fetch(house)
        if verb == "claim":
            engine.start("fetch", {"n": 1}, key="k")
        real = getattr(engine.store, verb)

        def slowly(*arguments: Any) -> Any:
            done = real(*arguments)
            inside.set()
            gate.wait()
            return done

        setattr(engine.store, verb, slowly)

        async def until() -> None:
            await asyncio.to_thread(inside.wait)
            asyncio.get_running_loop().call_later(0.01, gate.set)

        run = self.drive(engine, until)
        setattr(engine.store, verb, real)
        assert run.status == "ready"
        assert not run.interrupted or verb == "together"
        (done,) = house.engine(named("f.get", lambda n: n), named("f.add", lambda get: get + 1)).resume()
        assert (done.id, done.output) == (run.id, 2)

    def test_before_anything_was_done_there_is_no_run(self, house: House) -> None:
        engine = fetch(house, clock=Hand())
        busy, gate = threading.Event(), threading.Event()

        async def cancelled() -> None:
            writer = engine._hosts.looped().writer
            blocker = asyncio.ensure_future(writer.do(lambda: [step() for step in (busy.set, gate.wait)]))
            await asyncio.to_thread(busy.wait)
            task = asyncio.ensure_future(engine.run_async("fetch", {"n": 1}, key="k"))
            await asyncio.sleep(0)
            task.cancel()
            asyncio.get_running_loop().call_later(0.01, gate.set)
            with pytest.raises(asyncio.CancelledError):
                await task
            await blocker

        asyncio.run(cancelled())
        left = engine.find("fetch", "k")
        assert left is None or left.status == "ready"
