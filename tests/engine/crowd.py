"""Workers for the tests: one in the background of a test's own event loop, and what to wait for beside it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import fsm
from fsm.engine.engine import Engine
from tests.engine.builders import House, named
from tests.store.processes import DEADLINE_S

WORK = """
    workflow: work
    version: 1
    start: one
    input: {n: int}
    defaults: {retry: RETRY, error: failed}
    states:
      one: {action: w.one, OPTIONS idempotent: true, success: two}
      two: {action: w.two, idempotent: true, success: done}
      done: {end: success, output: two}
      failed: {end: failure}
"""


def work(house: House, one: Any, two: Any = None, *, retry: str = "never", options: str = "", **more: Any) -> Engine:
    """Open an engine on a workflow of two actions; the second returns what the first did."""
    house.define(WORK.replace("RETRY", retry).replace("OPTIONS", options))
    return house.engine(named("w.one", one), named("w.two", two or (lambda one: one)), **more)


@asynccontextmanager
async def working(engine: Engine, **options: Any) -> AsyncIterator["asyncio.Task[None]"]:
    """Let a worker work during a block, and stop it by a cancellation."""
    task = asyncio.ensure_future(engine.work_async(**options))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def soon(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, while the loop goes on."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.002)


def status(engine: Engine, run: fsm.Run) -> tuple[str, str]:
    """Return where a run stands, and how."""
    now = engine.get(run.id)
    return now.state, now.status


def ended(engine: Engine) -> bool:
    """Return whether every run has ended."""
    return all(run.is_final for run in engine.runs(limit=1_000))
