"""Limits of an attempt and of a visit: timeouts, heartbeats, deadlines, and what becomes of an attempt given up."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import fsm
from fsm import operations
from fsm.actions.registry import Action
from fsm.engine.call import Call
from fsm.engine.inline import Watch
from tests.engine.builders import NOW, House, events, named

FLOW = """
    workflow: slow
    version: 1
    start: work
    defaults: {error: failed}
    states:
      work:
        action: a.work
        OPTIONS
        success: done
        error: {Timeout: late, HeartbeatLost: silent, DeadlineExceeded: over, else: failed}
      done: {end: success, output: work}
      late: {end: failure}
      silent: {end: failure}
      over: {end: failure}
      failed: {end: failure}
"""


def slow(house: House, options: str) -> None:
    house.define(flow(options))


def flow(options: str) -> str:
    """Return the workflow with options, written as for a map on one line."""
    pairs = yaml.safe_load(f"{{{options}}}")
    return FLOW.replace("OPTIONS", "\n        ".join(f"{name}: {json.dumps(value)}" for name, value in pairs.items()))


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Hold what hangs until the test is over."""
    opened = threading.Event()
    yield opened
    opened.set()


class TestTimeout:
    def test_a_synchronous_attempt_that_hangs_is_given_up(self, house: House, gate: threading.Event) -> None:
        slow(house, "timeout: 20ms, retry: never")
        engine = house.engine(named("a.work", gate.wait))
        run = engine.run("slow")
        assert (run.state, run.reason) == ("late", "Timeout: no result after 20 ms")
        assert engine.history(run.id)[-1].transition.interrupted

    def test_its_late_result_and_whatever_it_still_asks_for_is_refused(
        self, house: House, gate: threading.Event
    ) -> None:
        slow(house, "timeout: 300ms, retry: {attempts: 2, delay: 0s}")
        refused: list[str] = []
        over = threading.Event()

        @fsm.action("a.work")
        def work(ctx: fsm.Context) -> str:
            if ctx.attempt == 2:
                return f"told: {ctx.interrupted}"
            gate.wait()
            for ask in (lambda: ctx.once("late", int), ctx.heartbeat):
                try:
                    ask()
                except fsm.LeaseLost as lost:
                    refused.append(str(lost))
            over.set()
            return "too late"

        engine = house.engine(work)
        run = engine.run("slow")
        assert run.output == "told: True"
        gate.set()
        assert over.wait(10)
        assert refused == ['this attempt of "work" was abandoned; its result no longer counts'] * 2
        assert events(engine, run) == ["start", "retry:1", "success"]
        assert engine.get(run.id) == run

    def test_an_asynchronous_attempt_is_cancelled(self, house: House) -> None:
        slow(house, "timeout: 20ms, retry: never")
        ended: list[str] = []

        @fsm.action("a.work")
        async def work(ctx: fsm.AsyncContext) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(ctx.state)

        assert house.engine(work).run("slow").state == "late"
        assert ended == ["work"]

    def test_an_asynchronous_attempt_that_will_not_be_cancelled_is_left_behind(self, house: House) -> None:
        slow(house, "timeout: 20ms, retry: never")
        refused: list[bool] = []

        @fsm.action("a.work")
        async def work(ctx: fsm.AsyncContext) -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                try:
                    await ctx.once("late", int)
                except fsm.LeaseLost:
                    refused.append(True)
            return "too late"

        engine = house.engine(work)
        run = engine.run("slow")
        assert (run.state, refused) == ("late", [True])
        assert events(engine, run) == ["start", "error:Timeout"]

    def test_on_an_event_loop_both_kinds_are_given_up(self, house: House, gate: threading.Event) -> None:
        slow(house, "timeout: 20ms, retry: never")
        soon_too = flow("timeout: 20ms, retry: never").replace("workflow: slow", "workflow: soon")
        house.define(soon_too.replace("a.work", "a.soon"), "soon.yaml")

        @fsm.action("a.soon")
        async def soon() -> None:
            await asyncio.Event().wait()

        engine = house.engine(named("a.work", gate.wait), soon)

        async def both() -> list[Any]:
            runs = await asyncio.gather(engine.run_async("slow"), engine.run_async("soon"))
            gate.set()
            return [run.state for run in runs]

        assert asyncio.run(both()) == ["late", "late"]

    def test_an_attempt_that_raises_timeout_itself_is_one(self, house: House) -> None:
        slow(house, "timeout: 1m, retry: never")

        @fsm.action("a.work")
        def work() -> None:
            raise TimeoutError("the socket says so")

        run = house.engine(work).run("slow")
        assert (run.state, run.reason) == ("late", "TimeoutError: the socket says so")

    def test_the_next_attempts_of_a_thread_that_was_given_up_run_on_another(
        self, house: House, gate: threading.Event
    ) -> None:
        slow(house, "timeout: 300ms, retry: {attempts: 3, delay: 0s}")
        threads: list[str] = []

        @fsm.action("a.work")
        def work(ctx: fsm.Context) -> int:
            threads.append(str(threading.get_ident()))
            if ctx.attempt < 3:
                gate.wait()
            return ctx.attempt

        assert house.engine(work).run("slow").output == 3
        assert len(set(threads)) == 3

    def test_an_attempt_in_time_comes_back_from_its_thread_with_all_it_raised(self, house: House) -> None:
        slow(house, "timeout: 1m, retry: {attempts: 2, delay: 0s, errors: [Exception]}")
        mine = threading.get_ident()

        @fsm.action("a.work")
        def work(ctx: fsm.Context) -> bool:
            if ctx.attempt == 1:
                raise KeyError("once")
            return threading.get_ident() != mine

        engine = house.engine(work)
        run = engine.run("slow")
        assert run.output is True
        assert (engine.history(run.id)[1].transition.detail or {})["class"] == "KeyError"


class TestHeartbeat:
    def test_an_attempt_that_falls_silent_is_given_up(self, house: House, gate: threading.Event) -> None:
        slow(house, "timeout: 1m, heartbeat: 20ms, retry: never")

        @fsm.action("a.work")
        def work(ctx: fsm.Context) -> None:
            ctx.heartbeat({"page": 1})
            gate.wait()

        run = house.engine(work).run("slow")
        assert (run.state, run.reason) == ("silent", "HeartbeatLost: no heartbeat for 20 ms")

    def test_one_without_a_context_is_silent_from_the_start(self, house: House, gate: threading.Event) -> None:
        slow(house, "timeout: 1m, heartbeat: 20ms, retry: never")
        assert house.engine(named("a.work", gate.wait)).run("slow").state == "silent"

    def test_an_asynchronous_one_too(self, house: House) -> None:
        slow(house, "timeout: 1m, heartbeat: 20ms, retry: never")

        @fsm.action("a.work")
        async def work(ctx: fsm.AsyncContext) -> None:
            ctx.heartbeat()
            await asyncio.Event().wait()

        assert house.engine(work).run("slow").state == "silent"

    def test_the_next_attempt_knows_how_far_the_silent_one_came(self, house: House, gate: threading.Event) -> None:
        slow(house, "timeout: 1m, heartbeat: 300ms, retry: {attempts: 2, delay: 0s}")

        @fsm.action("a.work")
        def work(ctx: fsm.Context) -> Any:
            if ctx.attempt == 1:
                ctx.heartbeat({"page": 7})
                gate.wait()
            return [ctx.last_heartbeat, ctx.interrupted]

        assert house.engine(work).run("slow").output == [{"page": 7}, True]


class Pulse:
    """What a watch sees of a context."""

    def __init__(self, beat_s: float) -> None:
        self.beat_s = beat_s
        self.revoked = False

    def revoke(self) -> None:
        self.revoked = True


class TestWatch:
    """The limits themselves, with time as an argument."""

    @pytest.fixture
    def time(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [100.0]
        monkeypatch.setattr("fsm.engine.inline.time.monotonic", lambda: now[0])
        return now

    def call(self, context: Any = None, **limits: Any) -> Call:
        given = {"limit_ms": None, "beat_ms": None, **limits}
        return Call(Action("a.b", lambda: None), {}, context, **given)

    def test_without_limits_there_is_no_end(self, time: list[float]) -> None:
        watch = Watch(self.call())
        time[0] += 10**9
        assert (watch.left_s(), watch.spent()) == (None, None)

    def test_a_timeout_is_over_at_its_end_and_not_before(self, time: list[float]) -> None:
        pulse = Pulse(100.0)
        watch = Watch(self.call(pulse, limit_ms=2_000))
        time[0] = 101.75
        assert (watch.left_s(), watch.spent(), pulse.revoked) == (0.25, None, False)
        time[0] = 102.0
        failure = watch.spent()
        assert failure is not None
        assert (failure.name, failure.interrupted, failure.verdict, pulse.revoked) == ("Timeout", True, False, True)
        assert watch.left_s() == 0

    def test_each_sign_of_life_begins_the_silence_anew(self, time: list[float]) -> None:
        pulse = Pulse(100.0)
        watch = Watch(self.call(pulse, limit_ms=60_000, beat_ms=1_000))
        for beat in range(1, 20):
            time[0] = 100.0 + beat * 0.75
            assert watch.spent() is None
            pulse.beat_s = time[0]
        time[0] += 1.0
        failure = watch.spent()
        assert failure is not None
        assert failure.name == "HeartbeatLost"

    def test_signs_of_life_do_not_outlast_the_timeout(self, time: list[float]) -> None:
        watch = Watch(self.call(Pulse(160.0), limit_ms=60_000, beat_ms=1_000))
        time[0] = 160.0
        failure = watch.spent()
        assert failure is not None
        assert failure.name == "Timeout"

    def test_a_limit_that_is_the_visit_s_deadline_is_no_timeout(self, time: list[float]) -> None:
        watch = Watch(self.call(limit_ms=1_000, ends_visit=True))
        time[0] += 1
        failure = watch.spent()
        assert failure is not None
        assert (failure.name, failure.verdict, failure.interrupted) == ("DeadlineExceeded", True, True)


class TestDeadline:
    def test_it_cuts_off_an_attempt_that_has_no_timeout_of_its_own(self, house: House, gate: threading.Event) -> None:
        slow(house, "deadline: 30ms, retry: never")
        run = house.engine(named("a.work", gate.wait)).run("slow")
        assert (run.state, run.reason) == ("over", "DeadlineExceeded: no result after 30 ms, at the deadline")

    def test_a_timeout_that_ends_earlier_is_a_timeout(self, house: House, gate: threading.Event) -> None:
        slow(house, "timeout: 20ms, deadline: 1m, retry: never")
        assert house.engine(named("a.work", gate.wait)).run("slow").state == "late"

    def test_it_covers_all_attempts_and_what_is_left_limits_each(self, house: House, gate: threading.Event) -> None:
        slow(
            house,
            "timeout: 1h, deadline: 10s, "
            "retry: {attempts: unlimited, delay: 4s, factor: 1, jitter: none, errors: NotReady}",
        )
        limits: list[int | None] = []

        @fsm.action("a.work")
        def work() -> None:
            raise fsm.NotReady("later")

        engine = house.engine(work)
        host = engine._hosts.inline()
        real = host.call

        def counted(call: Call) -> Any:
            limits.append(call.limit_ms)
            return real(call)

        host.call = counted  # type: ignore[method-assign]
        run = engine.run("slow")
        assert (run.state, house.clock.slept, limits) == ("over", [4_000, 4_000], [10_000, 6_000, 2_000])
        assert events(engine, run) == ["start", "retry:1", "retry:1", "error:DeadlineExceeded"]

    def test_one_that_passed_while_nobody_drove_is_taken_without_an_attempt(self, house: House) -> None:
        slow(house, "deadline: 10s, retry: never")
        called: list[int] = []
        engine = house.engine(named("a.work", lambda: called.append(1)))
        engine.start("slow")
        house.clock.instant = NOW + 10_000
        assert [run.state for run in engine.resume()] == ["over"]
        assert called == []

    def test_a_server_s_wait_beyond_it_fails_at_once(self, house: House) -> None:
        slow(house, "deadline: 10s, retry: 3")

        @fsm.action("a.work")
        def work() -> None:
            raise fsm.RateLimited("slow down", retry_after_s=60)

        run = house.engine(work).run("slow")
        assert (run.state, house.clock.slept) == ("over", [])
        assert run.reason == 'DeadlineExceeded: "work" was not done by its deadline after RateLimited: slow down'

    def test_a_redrive_begins_it_anew(self, house: House) -> None:
        house.define("""
            workflow: slow
            version: 1
            start: work
            states:
              work: {action: a.work, deadline: 10s, retry: never, success: done, error: dead}
              done: {end: success}
              dead: {end: dead_letter}
        """)
        engine = house.engine(named("a.work", lambda: 1))
        run = engine.start("slow")
        house.clock.instant += 10_000
        assert [late.status for late in engine.resume()] == ["dead"]
        operations.redrive(engine, run.id)
        house.clock.instant += 5_000
        assert [done.status for done in engine.resume()] == ["succeeded"]
