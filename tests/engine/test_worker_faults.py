"""What goes wrong in a worker stops nobody else: missing actions, ends of the process, faults, a full disk."""

import asyncio
import logging
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from fsm.errors import StoreError
from fsm.store.sqlite import connection as connections
from tests.engine.builders import House, events, named
from tests.engine.conftest import Commits
from tests.engine.crowd import ended, soon, status, work, working

PAIR = """
    workflow: NAME
    version: 1
    start: first
    defaults: {retry: never, error: failed}
    states:
      first: {action: NAME.first, idempotent: true, success: second}
      second: {action: NAME.second, idempotent: true, success: done}
      done: {end: success}
      failed: {end: failure}
"""


def nothing() -> None:
    """Be an action that does nothing."""


def pairs(house: House, *names: str) -> list[Any]:
    """Define workflows of two actions each, and return the actions."""
    for name in names:
        house.define(PAIR.replace("NAME", name), f"{name}.yaml")
    return [named(f"{name}.{state}", nothing) for name in names for state in ("first", "second")]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage() for record in caplog.records
        if record.levelno >= logging.WARNING and record.name in ("fsm.worker", "asyncio")
    ]  # fmt: skip


class TestMissing:
    def test_a_run_whose_action_is_missing_stays_and_is_told_of_once_and_the_others_go_on(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        first, second, *others = pairs(house, "a", "b")
        operator = house.engine(first, second, *others)
        stuck = [operator.start("a") for _ in range(3)]
        going = [operator.start("b") for _ in range(3)]
        house.engine(first, *others, definitions=[]).work(until="idle")
        assert [status(operator, run) for run in stuck] == [("second", "ready")] * 3
        assert [operator.get(run.id).status for run in going] == ["succeeded"] * 3
        assert {(run.crashes, run.interrupted) for run in operator.runs()} == {(0, False)}
        # All three were claimed at once; once one of them has shown that the action is missing, no more are.
        assert all('no action "a.second"' in said and "stays where it is" in said for said in warnings(caplog))
        assert 1 <= len(warnings(caplog)) <= 3
        operator.work(until="idle")
        assert ended(operator)

    def test_it_is_not_looked_at_again_and_again(self, house: House, caplog: pytest.LogCaptureFixture) -> None:
        first, second, *others = pairs(house, "a", "b")
        operator = house.engine(first, second, *others, clock=None)
        stuck = operator.start("a")
        lacking = house.engine(first, *others, definitions=[], clock=None)

        async def drive() -> None:
            async with working(lacking):
                await soon(lambda: warnings(caplog))
                epoch = operator.get(stuck.id).epoch
                for _ in range(3):
                    going = operator.start("b")
                    await soon(lambda going=going: operator.get(going.id).is_final)  # type: ignore[misc]
                assert operator.get(stuck.id).epoch == epoch

        asyncio.run(drive())
        assert len(warnings(caplog)) == 1

    def test_a_worker_that_has_the_action_takes_the_run_on_from_one_that_has_not(self, house: House) -> None:
        first, second = pairs(house, "a")
        operator = house.engine(first, second, clock=None)
        engines = [house.engine(first, definitions=[], clock=None), house.engine(second, definitions=[], clock=None)]
        for _ in range(20):
            operator.start("a")

        async def drive() -> None:
            async with working(engines[0]), working(engines[1]):
                await soon(lambda: ended(operator))

        asyncio.run(drive())
        assert Counter(run.status for run in operator.runs()) == {"succeeded": 20}
        assert {run.crashes for run in operator.runs()} == {0}

    def test_an_action_that_is_missing_further_on_hides_no_state_that_others_took_the_run_to(
        self, house: House
    ) -> None:
        """Between the give-back and the note of what is missing, somebody else may have moved the run on."""
        house.define(PAIR.replace("NAME", "a").replace("success: done", "success: third").replace(
            "      done:", "      third: {action: a.third, idempotent: true, success: done}\n      done:"))  # fmt: skip
        first, second, third = (named(f"a.{state}", nothing) for state in ("first", "second", "third"))
        other = house.engine(first, second, third)
        here = house.engine(first, third, definitions=[])
        run = other.start("a")
        release = here.store.release

        def release_and_lose(given: fsm.Run, *, interrupted: bool) -> None:
            release(given, interrupted=interrupted)
            if given.state == "second":
                claimed = other.store.claim(run.id, 0)
                assert claimed
                operations.pause(other, "a", "third")
                other.store.release(claimed, interrupted=False)
                other.resume(run.id)
                operations.unpause(other, "a", "third")

        here.store.release = release_and_lose  # type: ignore[method-assign,assignment]
        here.work(until="idle")
        assert other.get(run.id).status in ("ready", "succeeded")
        here.work(until="idle")
        assert other.get(run.id).status == "succeeded"


class TestUnreadable:
    @pytest.mark.parametrize("suspect", [False, True], ids=["a run", "a suspect"])
    def test_a_definition_that_cannot_be_read_stops_no_other_run(
        self, house: House, caplog: pytest.LogCaptureFixture, suspect: bool
    ) -> None:
        actions = pairs(house, "a", "b")
        operator = house.engine(*actions)
        stuck, going = operator.start("a"), operator.start("b")
        with closing(sqlite3.connect(house.store)) as sql:
            sql.execute("DROP TRIGGER workflows_fixed")
            sql.execute("UPDATE workflows SET text = 'workflow: [' WHERE name = 'a'")
            sql.execute("UPDATE runs SET crashes = ? WHERE name = 'a'", (3 if suspect else 0,))
            sql.commit()
        house.engine(*actions, definitions=[]).work(until="idle")
        assert status(operator, stuck) == ("first", "ready")
        assert status(operator, going) == ("done", "succeeded")
        assert len(warnings(caplog)) == 1
        assert f"run {stuck.id} cannot be driven" in warnings(caplog)[0]
        assert not operator.store.held(stuck.id)


class Farewell(BaseException):
    """What frameworks raise to end a process."""


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), Farewell("bye"), asyncio.CancelledError()])
@pytest.mark.parametrize("is_async", [True, False], ids=["asynchronous", "synchronous"])
class TestEndsOfTheProcess:
    def test_an_action_that_would_end_the_process_fails_and_the_others_go_on(
        self, house: House, error: BaseException, is_async: bool
    ) -> None:
        def act(n: int) -> int:
            if n == 1:
                raise error
            return n

        async def act_later(n: int) -> int:
            await asyncio.sleep(0)
            return act(n)

        engine = work(house, act_later if is_async else act)
        runs = [engine.start("work", {"n": n}) for n in range(4)]
        engine.work(until="idle")
        assert [engine.get(run.id).status for run in runs] == ["succeeded", "failed", "succeeded", "succeeded"]
        failed = engine.history(runs[1].id)[-1].transition
        assert (failed.event, failed.interrupted) == ("error:else", True)
        assert failed.detail is not None
        assert failed.detail["class"] == type(error).__name__
        assert engine.get(runs[1].id).crashes == 0

    def test_it_is_matched_by_its_class_and_asked_about_first(
        self, house: House, error: BaseException, is_async: bool
    ) -> None:
        name = type(error).__name__
        house.define(f"""
            workflow: mail
            version: 1
            start: send
            errors: {{{name}: []}}
            defaults: {{retry: never, error: {{{name}: ended, else: failed}}}}
            states:
              send: {{action: m.send, idempotent: false, interrupted: {{probe: m.find}}, success: done}}
              done: {{end: success, output: send}}
              ended: {{end: failure}}
              failed: {{end: failure}}
        """)
        answers = [fsm.Outcome("success", "found"), None]

        def send() -> None:
            raise error

        async def send_later() -> None:
            raise error

        engine = house.engine(named("m.send", send_later if is_async else send), named("m.find", answers_of(answers)))
        runs = []
        for _ in range(2):
            runs.append(engine.start("mail"))
            engine.work(until="idle")
        assert [status(engine, run) for run in runs] == [("done", "succeeded"), ("ended", "failed")]


def answers_of(answers: list[Any]) -> Any:
    """Return a probe that gives answers one after another."""

    def find() -> Any:
        return answers.pop(0)

    return find


class TestFaults:
    def test_a_fault_of_the_engine_is_told_of_and_not_repeated_without_end(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A value that was spoilt by hand cannot be read: that is nobody's error edge."""
        calls: list[int] = []

        def act(n: int) -> int:
            calls.append(n)
            return n

        house.define(PAIR.replace("NAME", "a").replace("start: first", "start: first\n    input: {n: int}").replace(
            "idempotent: true", "idempotent: n"))  # fmt: skip
        engine = house.engine(named("a.first", act), named("a.second", act))
        runs = [engine.start("a", {"n": n}) for n in range(3)]
        with closing(sqlite3.connect(house.store)) as sql:
            sql.execute("DROP TRIGGER artifacts_fixed")
            sql.execute("UPDATE artifacts SET value = '{' WHERE value = '1'")
            sql.commit()
        engine.work(until="idle")
        assert [engine.get(run.id).status for run in runs] == ["succeeded", "ready", "succeeded"]
        assert sorted(calls) == [0, 0, 2, 2]
        (told,) = warnings(caplog)
        assert told.startswith(f"run {runs[1].id} was given back, and is taken again in 1 s: JSONDecodeError")

    def test_a_run_that_met_a_fault_is_left_alone_for_longer_each_time(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen: list[int] = []
        down = [True]

        async def one(n: int) -> int:
            if n:
                return n
            seen.append(house.clock.instant)
            if down:
                raise StoreError("an engine of the action's own is broken")
            return n

        engine = work(house, one)
        run = engine.start("work", {"n": 0})
        begun = house.clock.instant

        async def drive() -> None:
            async with working(engine):
                for after_s in (0, 1, 3, 7):
                    house.clock.instant = begun + after_s * 1_000
                    await soon(lambda: len(warnings(caplog)) == len(seen) and seen[-1:] == [house.clock.instant])
                    house.clock.instant += 999
                    other = engine.start("work", {"n": 1})
                    await soon(lambda other=other: engine.get(other.id).is_final)  # type: ignore[misc]
                down.clear()
                house.clock.instant = begun + 15_000
                await soon(lambda: engine.get(run.id).is_final)

        asyncio.run(drive())
        assert [at - begun for at in seen] == [0, 1_000, 3_000, 7_000, 15_000]
        assert [f"run {run.id} was given back, and is taken again in {s} s: StoreError" in said
                for s, said in zip((1, 2, 4, 8), warnings(caplog), strict=True)] == [True] * 4  # fmt: skip

    def test_a_read_that_fails_after_the_claim_leaves_nothing_held(self, house: House) -> None:
        engine = work(house, lambda n: n)
        runs = [engine.start("work", {"n": n}) for n in range(3)]
        real, failures = engine.store.values_of, [StoreError("no"), StoreError("no")]

        def values_of(*arguments: Any) -> Any:
            if failures:
                raise failures.pop()
            return real(*arguments)

        engine.store.values_of = values_of  # type: ignore[method-assign,assignment]
        engine.work(until="idle")
        assert [engine.get(run.id).status for run in runs] == ["succeeded"] * 3
        assert {(run.crashes, run.interrupted) for run in engine.runs()} == {(0, False)}

    def test_a_decision_that_cannot_be_written_takes_no_other_along(self, house: House) -> None:
        """They share a transaction; what spoils it is found, and the rest is written."""
        engine = work(house, lambda n: n)
        runs = [engine.start("work", {"n": n}) for n in range(8)]
        real = engine.store.together

        def together(decisions: Any, works: Any) -> Any:
            if any(decision.run.id == runs[3].id for decision in decisions):
                raise ValueError("not fit")
            return real(decisions, works)

        engine.store.together = together  # type: ignore[method-assign]
        engine.work(until="idle")
        assert [engine.get(run.id).status for run in runs] == [
            "ready" if place == 3 else "succeeded" for place in range(8)
        ]


class TestWriting:
    """What an action has done is written as soon as it can be: it is not done again for a disk that was full."""

    def test_a_full_disk_delays_everything_and_repeats_nothing(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        calls: Counter[int] = Counter()
        inside = threading.Semaphore(0)
        gate = threading.Event()

        def one(n: int, ctx: fsm.Context) -> str:
            calls[n] += 1
            assert not ctx.interrupted
            inside.release()
            gate.wait(60)
            return "x" * 20_000

        engine = work(house, one, clock=None)
        for n in range(5):
            engine.start("work", {"n": n})

        async def drive() -> None:
            async with working(engine):
                for _ in range(5):
                    await asyncio.to_thread(inside.acquire)
                writer, _ = engine._hosts._hands()
                await writer.do(lambda: limit(engine, 0))
                gate.set()
                await soon(lambda: any("full; nothing was lost" in said for said in warnings(caplog)))
                late = house.engine(definitions=[], clock=None)
                assert {run.status for run in late.runs()} == {"running"}
                await writer.do(lambda: limit(engine, 1_000_000))
                await soon(lambda: ended(engine))

        asyncio.run(drive())
        assert calls == dict.fromkeys(range(5), 1)
        assert {(run.status, run.crashes) for run in engine.runs()} == {("succeeded", 0)}
        assert all(events(engine, run) == ["start", "success", "success"] for run in engine.runs())
        assert sum("nothing can be written" in said for said in warnings(caplog)) == 1

    def test_a_commit_whose_outcome_is_unknown_is_asked_for_again_and_made_once(
        self, house: House, commits: Commits
    ) -> None:
        calls: list[int] = []

        async def one(n: int) -> int:
            calls.append(n)
            commits.interrupt(connections.OutcomeUnknown("the disk hiccupped"), times=3)
            return n

        engine = work(house, one)
        run = engine.start("work", {"n": 7})
        engine.work(until="idle")
        assert (engine.get(run.id).output, calls) == (7, [7])
        assert events(engine, run) == ["start", "success", "success"]

    def test_claims_that_fail_are_tried_again_with_patience(
        self, house: House, commits: Commits, caplog: pytest.LogCaptureFixture
    ) -> None:
        engine = work(house, lambda n: n)
        run = engine.start("work", {"n": 7})
        engine.store.lease(0, None)  # registered, so that the next commit is that of the lease, then of the claim
        worker = engine._worker(256, 30.0, 30.0, "idle")
        waits: list[int] = []
        real = worker._rest

        async def rest() -> None:
            waits.append(worker._blind_ms)
            await real()

        worker._rest = rest  # type: ignore[method-assign]
        begin = worker._lease.begin

        def begin_then_fail() -> None:
            begin()
            commits.interrupt(StoreError("the disk is full"), times=5)  # each claim takes back what it took

        worker._lease.begin = begin_then_fail  # type: ignore[method-assign]
        worker._sweep = None
        asyncio.run(worker.work())
        assert engine.get(run.id).output == 7
        assert waits[:4] == [50, 100, 200, 0]
        assert warnings(caplog) == ["no runs could be claimed: the disk is full"] * 3

    def test_a_stop_does_not_wait_for_a_disk_that_stays_full(self, house: House, commits: Commits) -> None:
        engine = work(house, lambda n: n)
        run = engine.start("work", {"n": 7})
        worker = engine._worker(256, 30.0, 0.05, "stopped")
        worker._sweep = None

        async def drive() -> None:
            task = asyncio.ensure_future(worker.work())
            await soon(lambda: worker._unwritten)
            worker.stop()
            await task

        def never(commit: Any) -> None:
            commits.plan = never
            raise StoreError("the disk is full")

        real_crossed = worker.crossed

        def crossed(after: fsm.Run) -> None:
            real_crossed(after)
            commits.plan = never

        worker.crossed = crossed  # type: ignore[method-assign,assignment]
        asyncio.run(drive())
        commits.plan = None
        assert status(engine, run) == ("two", "running")
        assert engine.store.claimable(house.clock.instant) == [run.id]


def limit(engine: Engine, pages: int) -> None:
    """Let the store on this thread have no more than so many pages; 0: what it has."""
    store: Any = engine.store
    ((now,),) = store.sql.execute("PRAGMA page_count").fetchall()
    store.sql.execute(f"PRAGMA max_page_count={pages or now}")
