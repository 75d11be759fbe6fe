"""Runs that kill their process: counted at the claim, driven alone from the second crash on, given up at the fourth."""

import asyncio
import json
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.engine.engine import Engine
from tests.engine.builders import House, events
from tests.engine.crowd import ended, soon, status, work, working
from tests.store.processes import Line, children, eventually

POISON, NEIGHBOURS = 0, 4


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def left() -> None:
    os._exit(9)


class Outside:
    """What the outside world saw of the actions, in a file that outlives them."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "calls"

    def note(self, n: int, ctx: fsm.Context) -> None:
        fd = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, (json.dumps([n, ctx.key, ctx.attempt, ctx.interrupted]) + "\n").encode())
        os.close(fd)

    def calls(self, *of: int) -> list[list[Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [call for call in map(json.loads, lines) if call[0] in of]


def lives(house: House, action: Callable[..., Any]) -> Iterator[int]:
    """Let process after process work until one of them finds nothing more to do; yield how each ended."""

    def live(line: Line) -> None:
        del line
        work(house, action, clock=None).work(until="idle")

    code = -1
    while code:
        with children(live) as (child,):
            code = child.ended()
        yield code


@pytest.mark.parametrize("end", [killed, left])
@pytest.mark.parametrize("kind", ["asynchronous", "synchronous"])
def test_a_run_that_kills_every_process_is_given_up_and_its_neighbours_are_not(
    house: House, end: Callable[[], None], kind: str
) -> None:
    outside = Outside(house.folder)
    neighbours = range(1, NEIGHBOURS + 1)

    def is_crowded() -> bool:
        return len(outside.calls(*neighbours)) == len(neighbours) * len(outside.calls(POISON))

    def act(n: int, ctx: fsm.Context) -> int:
        """In the first two lives everybody is in flight when the process dies."""
        outside.note(n, ctx)
        if n == POISON and len(outside.calls(POISON)) <= 2:
            eventually(is_crowded)
        if n == POISON:
            end()
        if len(outside.calls(POISON)) < 3:
            threading.Event().wait()
        return n

    async def act_later(n: int, ctx: fsm.AsyncContext) -> int:
        outside.note(n, ctx)
        if n == POISON and len(outside.calls(POISON)) <= 2:
            await soon(is_crowded)
        if n == POISON:
            end()
        if len(outside.calls(POISON)) < 3:
            await asyncio.Event().wait()
        return n

    action: Any = act_later if kind == "asynchronous" else act
    engine = work(house, action, retry="{attempts: 3, delay: 1ms}", clock=None)
    runs = [engine.start("work", {"n": n}) for n in (POISON, *neighbours)]
    died = -signal.SIGKILL if end is killed else 9
    assert list(lives(house, action)) == [died, died, died, died, 0]
    assert [engine.get(run.id).status for run in runs] == ["failed"] + ["succeeded"] * NEIGHBOURS
    assert events(engine, runs[0]) == ["start", "error:else"]
    last = engine.history(runs[0].id)[-1].transition
    assert last.detail is not None
    assert last.detail["class"] == "Interrupted"
    assert "4 crashes in" in last.detail["message"]
    poison = outside.calls(POISON)
    assert [told for *_, told in poison] == [False, True, True, True]
    assert len({key for _, key, *_ in poison}) == 1
    for n in neighbours:
        assert [told for *_, told in outside.calls(n)] == [False, True, True]
        assert len({key for _, key, *_ in outside.calls(n)}) == 1
    assert all(events(engine, run) == ["start", "success", "success"] for run in runs[1:])


def test_progress_forgives_crashes(house: House) -> None:
    outside = Outside(house.folder)

    def act(n: int, ctx: fsm.Context) -> int:
        outside.note(n, ctx)
        for part in range(8):
            if len(outside.calls(n)) <= part:
                ctx.once(f"part {part}", lambda: 1)
                killed()
        return n

    engine = work(house, act, clock=None)
    run = engine.start("work", {"n": 7})
    assert list(lives(house, act)) == [-signal.SIGKILL] * 7 + [0]
    assert engine.get(run.id).output == 7
    assert [told for *_, told in outside.calls(7)] == [False] + [True] * 7


def suspected(house: House, engine: Engine, n: int) -> fsm.Run:
    """Return a new run that has crashed two processes."""
    run = engine.start("work", {"n": n})
    with closing(sqlite3.connect(house.store)) as sql:
        sql.execute("UPDATE runs SET crashes = 2, interrupted = 1 WHERE uid = ?", (run.id,))
        sql.commit()
    return run


class TestAlone:
    def test_a_suspect_is_alone_until_it_has_got_over_what_crashed_it(self, house: House) -> None:
        begun: list[int] = []
        others = asyncio.Event()

        async def one(n: int) -> int:
            begun.append(n)
            if n == 0:
                assert begun == [0]
                await asyncio.sleep(0.1)  # two looks and more
                assert begun == [0]
            return n

        async def two(one: int) -> int:
            if one == 0:
                await others.wait()
            elif sorted(begun) == [0, 1, 2, 3]:
                others.set()
            return one

        engine = work(house, one, two, clock=None)
        for n in range(1, 4):
            engine.start("work", {"n": n})
        suspected(house, engine, 0)

        async def drive() -> None:
            async with working(engine):
                await soon(lambda: ended(engine))

        asyncio.run(drive())
        assert {run.status for run in engine.runs()} == {"succeeded"}

    def test_for_a_suspect_that_comes_later_the_others_are_given_back_between_edges(self, house: House) -> None:
        inside, gate = asyncio.Event(), asyncio.Event()
        order: list[tuple[str, int]] = []

        async def one(n: int) -> int:
            order.append(("one", n))
            if n == 1:
                inside.set()
                await gate.wait()
            return n

        async def two(one: int) -> int:
            order.append(("two", one))
            return one

        engine = work(house, one, two, clock=None)

        async def drive() -> None:
            worker = engine._worker(256, 30.0, 30.0, "stopped")
            task = asyncio.ensure_future(worker.work())
            engine.start("work", {"n": 1})
            await inside.wait()
            suspected(house, engine, 0)
            await soon(worker.yields)
            late = engine.start("work", {"n": 2})
            gate.set()
            await soon(lambda: ended(engine))
            assert engine.get(late.id).crashes == 0
            worker.stop()
            await task

        asyncio.run(drive())
        assert order[:2] == [("one", 1), ("one", 0)]
        assert sorted(order) == sorted((state, n) for state in ("one", "two") for n in range(3))

    def test_a_worker_that_makes_room_for_a_suspect_goes_on_when_another_one_has_taken_it(self, house: House) -> None:
        inside, gate, taken = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def one(n: int) -> int:
            if n == 1:
                inside.set()
                await gate.wait()
            if n == 0:
                taken.set()
                await gate.wait()
            return n

        here, there = (work(house, one, clock=None) for _ in range(2))

        async def drive() -> None:
            async with working(here):
                long = here.start("work", {"n": 1})
                await inside.wait()
                suspect = suspected(house, here, 0)
                late = here.start("work", {"n": 2})
                async with working(there):
                    await taken.wait()
                    await soon(lambda: here.get(late.id).is_final)
                    assert [status(here, run) for run in (long, suspect)] == [("one", "running")] * 2
                    gate.set()
                    await soon(lambda: ended(here))

        asyncio.run(drive())

    def test_suspects_end_like_all_others_when_nothing_crashes_any_more(self, house: House) -> None:
        engine = work(house, lambda n: n, clock=None)
        for n in range(10):
            (suspected(house, engine, n) if n % 2 else engine.start("work", {"n": n}))
        engine.work(until="idle")
        assert sorted(run.output for run in engine.runs()) == list(range(10))
