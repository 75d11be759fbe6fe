"""What others do wakes a worker: runs that they start, signals that they send, processes of theirs that die."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

import fsm
from fsm import operations
from tests.engine.builders import House, named
from tests.engine.crowd import ended, soon, status, work, working
from tests.store.processes import Line, children

HUMAN = """
    workflow: human
    version: 1
    start: ask
    states:
      ask: {signal: {go: answer}, error: done}
      answer: {action: h.answer, idempotent: true, retry: never, success: done, error: done}
      done: {end: success, optional: ask, output: ask}
"""

ACTIONS = """
import fsm

@fsm.action("w.one")
def one(n: int) -> int: ...

@fsm.action("w.two")
def two(one: int) -> int: ...
"""

Elsewhere = Callable[..., None]


def in_another_process(house: House, *words: str) -> None:
    """Give one command line; a forked process would not do, since a worker is busy in this one."""
    actions = house.folder / "actions.py"
    actions.write_text(ACTIONS)
    given = ["--store", str(house.store), *(["--import", str(actions)] if words[0] == "run" else [])]
    done = subprocess.run(
        [sys.executable, "-m", "fsm", words[0], *given, *words[1:]], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 4), done.stderr


def on_another_thread(house: House, *words: str) -> None:
    """Call the verb that the command line stands for, with an engine of that thread."""
    verb, first, *rest = words

    def act() -> None:
        bare = house.engine(definitions=[], clock=None)
        if verb == "run":
            house.engine(named("w.one", lambda n: n), named("w.two", lambda one: one), clock=None).start(
                "work", {"n": 7}
            )
        elif verb == "signal":
            bare.signal(first, rest[0], {"by": "ana"})
        else:
            operations.redrive(bare, first, actor="ana")

    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


elsewhere = pytest.mark.parametrize(
    "elsewhere", [in_another_process, on_another_thread], ids=["another process", "another thread"]
)


class TestElsewhere:
    @elsewhere
    def test_a_run_that_is_started_elsewhere_is_picked_up(self, house: House, elsewhere: Elsewhere) -> None:
        engine = work(house, lambda n: n, clock=None)

        async def drive() -> None:
            async with working(engine):
                await asyncio.to_thread(
                    elsewhere, house, "run", str(house.definitions / "flow.yaml"), "-i", "n=7", "--detach"
                )
                await soon(lambda: [run.output for run in engine.runs()] == [7])

        asyncio.run(drive())

    @elsewhere
    def test_a_signal_that_is_sent_elsewhere_is_picked_up(self, house: House, elsewhere: Elsewhere) -> None:
        house.define(HUMAN)
        engine = house.engine(named("h.answer", lambda ask: ask), clock=None)

        async def drive() -> None:
            run = engine.start("human")
            async with working(engine):
                await soon(lambda: status(engine, run) == ("ask", "waiting"))
                await asyncio.to_thread(elsewhere, house, "signal", run.id, "go", "-p", "by=ana")
                await soon(lambda: ended(engine))
            assert engine.get(run.id).output == {"by": "ana"}

        asyncio.run(drive())

    @elsewhere
    def test_a_signal_that_comes_before_it_is_awaited_is_taken_on_entry(
        self, house: House, elsewhere: Elsewhere
    ) -> None:
        house.define(
            HUMAN.replace("start: ask", "start: early").replace(
                "states:",
                """states:
      early: {action: h.early, idempotent: true, retry: never, success: ask, error: done}""",
            )
        )
        inside, gate = threading.Event(), threading.Event()

        def early() -> None:
            inside.set()
            gate.wait(60)

        engine = house.engine(named("h.answer", lambda ask: ask), named("h.early", early), clock=None)

        async def drive() -> None:
            run = engine.start("human")
            async with working(engine):
                await asyncio.to_thread(inside.wait)
                await asyncio.to_thread(elsewhere, house, "signal", run.id, "go", "-p", "by=ana")
                gate.set()
                await soon(lambda: ended(engine))
            assert engine.get(run.id).output == {"by": "ana"}

        asyncio.run(drive())

    @elsewhere
    def test_a_redriven_run_is_picked_up(self, house: House, elsewhere: Elsewhere) -> None:
        down = [True]

        def one(n: int) -> int:
            if down:
                raise ValueError("down")
            return n

        engine = work(house, one, clock=None)

        async def drive() -> None:
            run = engine.start("work", {"n": 7})
            async with working(engine):
                await soon(lambda: status(engine, run) == ("failed", "failed"))
                down.clear()
                await asyncio.to_thread(elsewhere, house, "redrive", run.id, "--actor", "ana")
                await soon(lambda: engine.get(run.id).output == 7)

        asyncio.run(drive())

    def test_what_a_process_left_behind_that_was_killed_is_taken_over(self, house: House) -> None:
        calls: list[tuple[str, bool]] = []

        def one(n: int, ctx: fsm.Context) -> int:
            calls.append((ctx.key, ctx.interrupted))
            return n

        engine = work(house, one, clock=None)

        def hold(line: Line) -> None:
            def stay(n: int, ctx: fsm.Context) -> None:
                line.send((ctx.run_id, ctx.key))
                line.recv()

            other = house.engine(named("w.one", stay), named("w.two", lambda one: one), clock=None)
            other.run("work", {"n": 7})

        async def drive() -> None:
            with children(hold) as (child,):
                run_id, key = await asyncio.to_thread(child.hears)
                async with working(engine):
                    child.kill()
                    await soon(lambda: ended(engine))
            assert (engine.get(run_id).output, calls) == (7, [(key, True)])

        asyncio.run(drive())


class TestHere:
    def test_what_the_thread_of_the_loop_itself_starts_is_picked_up(self, house: House) -> None:
        """Where nobody else writes, only this connection has changed anything."""
        engine = work(house, lambda n: n, clock=None)

        async def drive() -> None:
            async with working(engine):
                for n in range(3):
                    run = engine.start("work", {"n": n})
                    await soon(lambda run=run: engine.get(run.id).is_final)  # type: ignore[misc]

        asyncio.run(drive())
        assert sorted(run.output for run in engine.runs()) == [0, 1, 2]

    def test_a_run_that_its_operator_takes_back_while_it_is_in_flight_is_driven_anew(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        """For a while this worker drives the same run twice: the old attempt counts no more, and harms nobody."""
        caplog.set_level(logging.INFO)
        inside, gate = threading.Event(), threading.Event()
        seen: list[int] = []

        def two(one: int, ctx: fsm.Context) -> int:
            seen.append(ctx.visit)
            if len(seen) == 1:
                inside.set()
                gate.wait(60)
                return -1
            return one

        engine = work(house, lambda n: n, two, clock=None)

        async def drive() -> None:
            run = engine.start("work", {"n": 7})
            async with working(engine):
                await asyncio.to_thread(inside.wait)
                operations.rewind(engine, run.id, 2, actor="ana")
                await soon(lambda: engine.get(run.id).is_final)
                gate.set()
                await soon(lambda: any("was taken by somebody else" in said for said in caplog.messages))
                last = engine.start("work", {"n": 8})
                await soon(lambda: engine.get(last.id).is_final)

        asyncio.run(drive())
        assert sorted(run.output for run in engine.runs()) == [7, 8]
        assert seen == [2, 3, 2]
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
