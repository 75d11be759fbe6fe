"""The worker drives many runs at once: both kinds of actions, their limits, retries, timers, whose turn it is."""

import asyncio
import contextlib
import logging
import threading
from collections import Counter
from typing import Any

import pytest

import fsm
from tests.engine.builders import House, events, named
from tests.engine.crowd import ended, soon, status, work, working


class TestActions:
    def test_both_kinds_are_performed_and_every_run_comes_to_its_end(self, house: House) -> None:
        async def one(n: int) -> int:
            await asyncio.sleep(0)
            return n

        engine = work(house, one, lambda one: one * 2)
        runs = [engine.start("work", {"n": n}) for n in range(20)]
        engine.work(until="idle")
        assert [engine.get(run.id).output for run in runs] == [2 * n for n in range(20)]
        assert all(events(engine, run) == ["start", "success", "success"] for run in runs)

    def test_asynchronous_actions_are_in_flight_together(self, house: House) -> None:
        together = 20

        async def drive() -> None:
            all_here = asyncio.Barrier(together)

            async def one(n: int) -> int:
                await all_here.wait()
                return n

            engine = work(house, one)
            for n in range(together):
                engine.start("work", {"n": n})
            await engine.work_async(until="idle")
            assert Counter(run.status for run in engine.runs()) == {"succeeded": together}

        asyncio.run(drive())

    def test_synchronous_actions_that_block_get_a_thread_each(self, house: House) -> None:
        together = 40
        all_here = threading.Barrier(together)

        def one(n: int) -> int:
            all_here.wait(60)
            return n

        engine = work(house, one)
        for n in range(together):
            engine.start("work", {"n": n})
        engine.work(until="idle")
        assert Counter(run.status for run in engine.runs()) == {"succeeded": together}

    def test_there_may_be_as_many_threads_as_runs_are_driven_at_once(self, house: House) -> None:
        together = 300
        all_here = threading.Barrier(together)

        def one(n: int, ctx: fsm.Context) -> int:
            all_here.wait(60)
            return ctx.once("n", lambda: n)

        engine = work(house, one)
        for n in range(together):
            engine.start("work", {"n": n})
        engine.work(until="idle", concurrency=together)
        assert Counter(run.status for run in engine.runs(limit=together)) == {"succeeded": together}

    def test_no_more_runs_are_driven_at_once_than_asked_for(self, house: House) -> None:
        inside: list[int] = []
        most: list[int] = []

        async def one(n: int) -> int:
            inside.append(n)
            most.append(len(inside))
            await asyncio.sleep(0.001)
            inside.remove(n)
            return n

        engine = work(house, one)
        for n in range(20):
            engine.start("work", {"n": n})
        engine.work(until="idle", concurrency=3)
        assert max(most) == 3
        assert ended(engine)

    def test_contexts_work_in_both_kinds(self, house: House) -> None:
        calls: list[str] = []

        async def one(n: int, ctx: fsm.AsyncContext) -> list[Any]:
            def count() -> int:
                calls.append("one")
                return n

            ctx.heartbeat(ctx.attempt)
            found = [await ctx.once("n", count), ctx.last_heartbeat]
            if ctx.attempt == 1:
                raise fsm.Unavailable("down")
            return found

        def two(one: list[Any], ctx: fsm.Context) -> list[Any]:
            def count() -> int:
                calls.append("two")
                return 2

            ctx.heartbeat({"half": True})
            return [*one, ctx.once("n", count), ctx.once("n", count), ctx.last_heartbeat]

        engine = work(house, one, two, retry="{attempts: 2, delay: 0s}")
        run = engine.start("work", {"n": 7})
        engine.work(until="idle")
        assert engine.get(run.id).output == [7, 2, 2, 2, {"half": True}]
        assert calls == ["one", "two"]

    def test_a_synchronous_action_past_its_timeout_is_abandoned_and_refused(self, house: House) -> None:
        gate, refused = threading.Event(), threading.Event()

        def one(n: int, ctx: fsm.Context) -> int:
            if ctx.attempt == 1:
                gate.wait()
                try:
                    ctx.once("late", lambda: 1)
                except fsm.LeaseLost:
                    refused.set()
                    raise
                return -1
            assert ctx.interrupted
            return n

        engine = work(house, one, retry="{attempts: 2, delay: 0s}", options="timeout: 20ms,")
        run = engine.start("work", {"n": 7})
        engine.work(until="idle")
        assert engine.get(run.id).output == 7
        assert events(engine, run) == ["start", "retry:1", "success", "success"]
        gate.set()
        assert refused.wait(60)
        assert engine.get(run.id).output == 7

    def test_an_asynchronous_action_past_its_timeout_is_cancelled(self, house: House) -> None:
        cancelled: list[int] = []

        async def one(n: int, ctx: fsm.AsyncContext) -> int:
            if ctx.attempt == 1:
                try:
                    await asyncio.Event().wait()
                finally:
                    cancelled.append(n)
            return n

        engine = work(house, one, retry="{attempts: 2, delay: 0s}", options="timeout: 20ms,")
        run = engine.start("work", {"n": 7})
        engine.work(until="idle")
        assert (engine.get(run.id).output, cancelled) == (7, [7])
        assert events(engine, run) == ["start", "retry:1", "success", "success"]

    def test_calls_that_hang_take_no_thread_from_the_others(self, house: House) -> None:
        """More of them than the crew begins with; all of them are given up, and the rest is performed."""
        gate = threading.Event()

        def one(n: int, ctx: fsm.Context) -> int:
            if n < 30 and ctx.attempt == 1:
                gate.wait()
            return n

        engine = work(house, one, retry="{attempts: 2, delay: 0s}", options="timeout: 50ms,")
        for n in range(60):
            engine.start("work", {"n": n})
        engine.work(until="idle", concurrency=60)
        gate.set()
        assert sorted(run.output for run in engine.runs(limit=100)) == list(range(60))

    def test_an_action_that_blocks_the_loop_does_not_lose_its_runs(self, house: House) -> None:
        """The lease is extended by a thread of its own."""
        house.define("""
            workflow: slow
            version: 1
            start: one
            defaults: {retry: never, error: failed}
            states:
              one: {action: s.one, idempotent: true, success: done}
              done: {end: success}
              failed: {end: failure}
        """)
        other = house.engine(clock=None)

        async def one() -> None:
            lease = other.store.sql.execute("SELECT max(expires_at) FROM workers").fetchall  # type: ignore[attr-defined]
            ((before,),) = lease()
            while lease() == [(before,)]:  # no await: the loop is blocked
                pass

        engine = house.engine(named("s.one", one), clock=None)
        run = engine.start("slow")
        engine.work(until="idle", lease_s=1)
        assert (engine.get(run.id).status, engine.get(run.id).crashes) == ("succeeded", 0)


class TestTime:
    def test_a_retry_is_made_when_it_is_due_and_not_before(self, house: House) -> None:
        def one(n: int, ctx: fsm.Context) -> int:
            if ctx.attempt < 3:
                raise fsm.Unavailable("down")
            return n

        engine = work(house, one, retry="{attempts: 3, delay: 10s, factor: 1, jitter: none}")
        run = engine.start("work", {"n": 7})
        for attempt in (2, 3):
            engine.work(until="idle")
            assert (engine.get(run.id).status, engine.get(run.id).attempt) == ("waiting", attempt)
            house.clock.instant += 9_999
            engine.work(until="idle")
            assert engine.get(run.id).attempt == attempt
            house.clock.instant += 1
        engine.work(until="idle")
        assert engine.get(run.id).output == 7

    def test_timers_and_retries_wake_it(self, house: House) -> None:
        house.define("""
            workflow: timed
            version: 1
            start: rest
            defaults: {retry: {attempts: 3, delay: 30ms, jitter: none}, error: failed}
            states:
              rest: {wait: 40ms, success: act}
              act: {action: t.act, idempotent: true, success: again}
              again: {wait: {for: "0.03"}, success: human}
              human: {signal: {go: done}, deadline: 60ms, error: {DeadlineExceeded: late, else: failed}}
              done: {end: success}
              late: {end: failure, reason: "'nobody came'"}
              failed: {end: failure}
        """)

        async def act(ctx: fsm.AsyncContext) -> None:
            if ctx.attempt < 3:
                raise fsm.Unavailable("down")

        engine = house.engine(named("t.act", act), clock=None)

        async def drive() -> None:
            runs = [engine.start("timed") for _ in range(5)]
            async with working(engine):
                await soon(lambda: ended(engine))
            for run in runs:
                assert engine.get(run.id).reason == "nobody came"
                rows = [row.transition for row in engine.history(run.id)]
                assert [row.event for row in rows] == [
                    "start", "elapsed", "retry:1", "retry:1", "success", "elapsed", "error:DeadlineExceeded"
                ]  # fmt: skip
                due = [row.due_at for row in rows]
                assert all(
                    at >= due_at for due_at, at in zip(due, [row.at for row in rows[1:]], strict=False) if due_at
                )

        asyncio.run(drive())

    def test_until_idle_waits_for_no_timer_and_no_signal(self, house: House) -> None:
        house.define("""
            workflow: rests
            version: 1
            start: which
            input: {timed: bool}
            states:
              which: {switch: [{when: timed, to: rest}, {else: human}], error: done}
              rest: {wait: 1h, success: done, error: done}
              human: {signal: {go: done}, error: done}
              done: {end: success}
        """)
        engine = house.engine()
        runs = [engine.start("rests", {"timed": timed}) for timed in (True, False)]
        engine.work(until="idle")
        assert [status(engine, run) for run in runs] == [("rest", "waiting"), ("human", "waiting")]
        house.clock.instant += 3_600_000
        engine.signal(runs[1].id, "go")
        engine.work(until="idle")
        assert ended(engine)

    def test_a_run_with_no_edge_of_its_own_left_to_wait_for_is_not_waited_for(self, house: House) -> None:
        work(house, lambda n: n).work(until="idle")


class TestTurns:
    def test_workflows_take_turns_and_priorities_go_first(self, house: House) -> None:
        order: list[str] = []
        for name in ("a", "b"):
            house.define(f"""
                workflow: {name}
                version: 1
                start: act
                input: {{n: int}}
                defaults: {{retry: never, error: failed}}
                states:
                  act: {{action: {name}.act, idempotent: true, success: done}}
                  done: {{end: success}}
                  failed: {{end: failure}}
            """, f"{name}.yaml")  # fmt: skip
        engine = house.engine(
            named("a.act", lambda n: order.append(f"a{n}")), named("b.act", lambda n: order.append(f"b{n}"))
        )
        for n in range(4):
            engine.start("a", {"n": n}, priority=n // 2)
        for n in range(2):
            engine.start("b", {"n": n})
        engine.work(until="idle", concurrency=1)
        assert order == ["a2", "b0", "a3", "b1", "a0", "a1"]

    @pytest.mark.parametrize(
        "wrong", [{"concurrency": 0}, {"lease_s": 0.9}, {"grace_s": -1}], ids=["concurrency", "lease", "grace"]
    )
    def test_settings_out_of_range_are_refused(self, house: House, wrong: dict[str, Any]) -> None:
        with pytest.raises(fsm.UsageError, match="concurrency must be at least 1, lease_s at least 1 and grace_s"):
            work(house, lambda n: n).work(**wrong)


class TestWatching:
    def test_a_watch_is_told_of_every_transition_once(self, house: House) -> None:
        told: list[tuple[str, int, str]] = []
        engine = work(
            house, lambda n: n, watch=lambda run, row: told.append((run.id, row.seq, row.event))
        )  # fmt: skip
        runs = [engine.start("work", {"n": n}) for n in range(10)]
        engine.work(until="idle")
        expected = [
            (run.id, seq, event) for run in runs for seq, event in ((1, "start"), (2, "success"), (3, "success"))
        ]
        assert sorted(told) == sorted(expected)

    def test_a_watch_that_raises_stops_nobody(self, house: House, caplog: pytest.LogCaptureFixture) -> None:
        def watch(run: fsm.Run, row: fsm.Transition) -> None:
            if row.event != "start":
                raise SystemExit("no more")

        engine = work(house, lambda n: n, watch=watch)
        for n in range(3):
            engine.start("work", {"n": n})
        engine.work(until="idle")
        assert Counter(run.status for run in engine.runs()) == {"succeeded": 3}
        assert caplog.messages.count(f"what watches the transitions raised at run {engine.runs()[0].id}") == 2


class TestBeside:
    def test_two_workers_in_one_process_share_the_runs_and_none_is_driven_twice(self, house: House) -> None:
        calls: list[int] = []

        async def one(n: int) -> int:
            calls.append(n)
            await asyncio.sleep(0.001)
            return n

        engine = work(house, one)
        for n in range(40):
            engine.start("work", {"n": n})

        async def drive() -> None:
            await asyncio.gather(*(engine.work_async(until="idle", concurrency=4) for _ in range(2)))

        asyncio.run(drive())
        assert ended(engine)
        assert sorted(calls) == list(range(40))
        assert all(run.seq == 3 for run in engine.runs(limit=50))

    def test_workers_of_two_engines_on_two_threads_share_them_too(self, house: House) -> None:
        calls: list[int] = []

        def one(n: int) -> int:
            calls.append(n)
            return n

        engines = [work(house, one, clock=None) for _ in range(2)]
        for n in range(40):
            engines[0].start("work", {"n": n})
        threads = [threading.Thread(target=engine.work, kwargs={"until": "idle"}) for engine in engines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ended(engines[0])
        assert sorted(calls) == list(range(40))

    def test_a_run_driven_inline_beside_a_worker_is_driven_once(self, house: House) -> None:
        calls: list[int] = []

        async def one(n: int) -> int:
            calls.append(n)
            await asyncio.sleep(0.001)
            return n

        engine = work(house, one, clock=None)

        async def drive() -> None:
            async with working(engine):
                inline = [asyncio.to_thread(engine.run, "work", {"n": n}, key=str(n)) for n in range(8)]
                on_loop = [engine.run_async("work", {"n": n}, key=str(n)) for n in range(8, 16)]
                started = [engine.start_async("work", {"n": n}) for n in range(16, 24)]
                found = await asyncio.gather(*inline, *on_loop, *started)
                assert [run.output for run in found[:16]] == list(range(16))
                await soon(lambda: ended(engine))

        asyncio.run(drive())
        assert sorted(calls) == list(range(24))
        assert {run.crashes for run in engine.runs()} == {0}

    def test_an_action_may_start_runs_of_its_own(self, house: House) -> None:
        engine: Any = None

        async def one(n: int) -> int:
            if n:
                engine.start("work", {"n": n - 1})
            return n

        engine = work(house, one)
        engine.start("work", {"n": 5})
        engine.work(until="idle")
        assert sorted(run.output for run in engine.runs()) == list(range(6))

    def test_the_engine_can_be_used_after_its_worker_has_ended(self, house: House) -> None:
        gate = threading.Barrier(6)

        def one(n: int) -> int:
            with contextlib.suppress(threading.BrokenBarrierError):
                gate.wait(0.001 if n == 0 else 60)
            return n

        engine = work(house, one)
        engine.start("work", {"n": 0})
        engine.work(until="idle")
        gate.reset()
        for n in range(1, 7):
            engine.start("work", {"n": n})
        engine.work(until="idle")
        assert engine.run("work", {"n": 0}).status == "succeeded"
        assert ended(engine)


def test_what_it_does_is_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fsm.worker")
    engine = work(house, lambda n: n)
    engine.start("work", {"n": 1})
    engine.work(until="idle")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
