"""The crew: as many threads as calls need that block, and never too few because of some that hang."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fsm.actions.registry import Registry
from fsm.engine.call import Call, Raised, Returned
from fsm.engine.crew import Crew
from fsm.store.sqlite import SqliteStore
from tests.engine.builders import named
from tests.engine.crowd import soon


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "runs.db")
    yield store
    store.close()


def call(function: Callable[[], Any], limit_ms: int | None = None) -> Call:
    return Call(Registry([named("a", function)])["a"], {}, None, limit_ms, None)


def test_calls_that_wait_for_each_other_all_get_a_thread(store: SqliteStore) -> None:
    barrier = threading.Barrier(30)

    async def all_of() -> Any:
        crew = Crew(store)
        try:
            return await asyncio.gather(*(crew.perform(call(lambda: barrier.wait(60) >= 0)) for _ in range(30)))
        finally:
            crew.close()

    assert asyncio.run(all_of()) == [Returned(True)] * 30


def test_a_call_that_waits_gets_the_place_of_one_that_was_given_up(store: SqliteStore) -> None:
    gate, crew = threading.Event(), Crew(store, threads_max=2)

    async def all_of() -> Any:
        hanging = [crew.perform(call(gate.wait, 20)) for _ in range(2)]
        return await asyncio.gather(*hanging, *(crew.perform(call(lambda: "made")) for _ in range(3)))

    *given_up, first, second, third = asyncio.run(all_of())
    assert all(isinstance(one, Raised) and one.failure.name == "Timeout" for one in given_up)
    assert [first, second, third] == [Returned("made")] * 3
    gate.set()
    crew.close()


def test_a_call_that_was_given_up_before_it_began_is_not_made(store: SqliteStore) -> None:
    gate, made = threading.Event(), []
    crew = Crew(store, threads_max=1)

    async def all_of() -> Any:
        holding = asyncio.ensure_future(crew.perform(call(gate.wait)))
        waiting = asyncio.ensure_future(crew.perform(call(lambda: made.append("late"), 20)))
        result = await waiting
        gate.set()
        return [result, await holding, await crew.perform(call(lambda: "next"))]

    late, held, following = asyncio.run(all_of())
    assert isinstance(late, Raised)
    assert (held, following, made) == (Returned(True), Returned("next"), [])
    crew.close()


def test_a_crew_that_grew_on_a_loop_which_was_closed_grows_on_the_next_one(store: SqliteStore) -> None:
    """The first loop ends before it could look whether more threads are needed."""
    gate, barrier, crew = threading.Event(), threading.Barrier(3), Crew(store)

    async def leave() -> None:
        tasks = [asyncio.ensure_future(crew.perform(call(gate.wait))) for _ in range(2)]
        await soon(lambda: crew._growing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def again() -> Any:
        return await asyncio.gather(*(crew.perform(call(lambda: barrier.wait(60) >= 0)) for _ in range(3)))

    asyncio.run(leave())
    gate.set()
    assert asyncio.run(again()) == [Returned(True)] * 3
    crew.close()
