"""The event loop's host, and the portal through which a synchronous run reaches a loop.

Asynchronous actions are awaited, and giving one up cancels it. What blocks (commits, synchronous actions) runs on
threads, so that the loop stays free.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fsm.actions.registry import Registry
from fsm.engine.call import Call, Raised, Returned, raised
from fsm.engine.cells import Cells
from fsm.engine.crew import Crew
from fsm.engine.inline import Common, Outside, Watch
from fsm.engine.writer import Writer
from fsm.errors import LeaseLost, StoreError
from fsm.model.run import Decision, Failure, Run
from fsm.store import Store

T = TypeVar("T")

CLEANING_S = 1.0
"""How long an asynchronous action that is given up may take to clean up after itself."""


class Looped(Common):
    """Drives on the running event loop; one thread writes for all of it, synchronous actions run on a crew's."""

    def __init__(
        self, store: Store, registry: Registry, clock: Outside, cells: Cells, writer: Writer, crew: Crew
    ) -> None:
        super().__init__(store, registry, clock, cells)
        self.writer = writer
        self.crew = crew
        self.desk = Desk(store, writer)

    async def call(self, call: Call) -> Returned | Raised:
        if call.action.isolation == "process":
            return await self.cells.perform_async(call)
        if call.action.is_async:
            return await awaited(call)
        return await self.crew.perform(call)

    async def commit(self, decision: Decision) -> Run:
        try:
            run = await self.writer.commit(decision)
        except StoreError as error:
            run = await self.insist(decision, error)
        if run is None:
            raise LeaseLost(f"run {decision.run.id} was taken by another process; this result was discarded")
        self.crossed(run)
        return run

    async def insist(self, decision: Decision, error: StoreError) -> Run | None:
        """Return what became of a decision that could not be written."""
        del decision
        raise error

    def crossed(self, run: Run) -> None:
        """Take note of a run that was committed."""

    async def claim(self, run_id: str) -> Run | None:
        return await self.writer.do(
            lambda: self.store.claim(run_id, self.now()),
            undo=lambda run: self._release(run, interrupted=False) if run else None,
        )

    async def release(self, run: Run, *, interrupted: bool, because: BaseException | None = None) -> None:
        del because
        await self.writer.do(lambda: self._release(run, interrupted=interrupted))

    async def sleep(self, delay_ms: int) -> None:
        await asyncio.sleep(delay_ms / 1_000)


class Desk:
    """What contexts ask for, written by the writer: with others' writes, and without blocking the loop."""

    def __init__(self, store: Store, writer: Writer) -> None:
        self._store = store
        self._writer = writer
        self._told: dict[tuple[int, int], str] = {}
        self._lost: set[tuple[int, int, int]] = set()

    def _read(self, read: Callable[[], T]) -> T:
        """Read on the loop's own connection, or else on the writer's: one for each thread would be too many files."""
        is_on_loop = asyncio._get_running_loop() is not None  # noqa: SLF001 - public in all but its name
        return read() if is_on_loop else self._writer.wait(read)

    def checkpoint(self, run: Run, name: str) -> str | None:
        return self._read(lambda: self._store.checkpoint(run, name))

    def save_checkpoint(self, run: Run, name: str, value: str) -> None:
        self._writer.wait(lambda: self._store.save_checkpoint(run, name, value))

    def last_beat(self, run: Run) -> Any:
        told = self._told.get((run.row, run.visit))
        return self._read(lambda: self._store.last_beat(run)) if told is None else json.loads(told)

    def beat(self, run: Run, detail: str | None, now: int) -> None:
        """Record a sign of life; on the loop itself without waiting, so that a lost lease shows at the next one."""
        if asyncio._get_running_loop() is None:  # noqa: SLF001 - public in all but its name; the public one raises
            self._writer.wait(lambda: self._store.beat(run, detail, now))
            return
        attempt, visit = (run.row, run.epoch, run.seq), (run.row, run.visit)
        if attempt in self._lost:
            self._lost.discard(attempt)
            raise LeaseLost(f'run {run.id} has moved on from this attempt of "{run.state}"')
        if detail is not None:
            self._told[visit] = detail

        def told(error: BaseException | None) -> None:
            if self._told.get(visit) == detail:
                self._told.pop(visit, None)
            if isinstance(error, LeaseLost):
                self._lost.add(attempt)

        self._writer.soon(lambda: self._store.beat(run, detail, now), told)


async def awaited(call: Call) -> Returned | Raised:
    """Await an asynchronous action; past its limits it is cancelled and given up."""
    is_free = call.limit_ms is None and call.beat_ms is None
    result = await (_performed(call) if is_free else _within(call))
    if isinstance(result, BaseException):
        raise result
    return result


async def _within(call: Call) -> Returned | Raised | BaseException:
    """Make a call in a task of its own, which is cancelled when a limit is over, and given up if it minds that not."""
    limit = _Limit(call)
    try:
        result = await limit.task
        return Raised(limit.failure) if limit.failure else result
    except asyncio.CancelledError:
        if limit.is_over():
            return Raised(limit.failure)
        limit.watch.revoke()
        limit.task.cancel()
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await limit.task
        raise
    finally:
        limit.timer.cancel()


class _Limit:
    """The limits of an asynchronous call, and the task that makes it.

    Attributes:
        failure: which limit is over; None while none is.
    """

    def __init__(self, call: Call) -> None:
        self.watch = Watch(call)
        self.failure: Any = None
        self._caller = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._has_let_go = False
        self.task = self._loop.create_task(_performed(call))
        self.timer = self._loop.call_later(self.watch.left_s() or 0, self._look)

    def _look(self) -> None:
        self.failure = self.watch.spent()
        if self.failure:
            self.task.cancel()
            self.timer = self._loop.call_later(CLEANING_S, self._let_go)
        else:
            self.timer = self._loop.call_later(self.watch.left_s() or 0, self._look)

    def _let_go(self) -> None:
        """Wake who waits for the task, as only a cancellation can."""
        assert self._caller is not None
        self._has_let_go = True
        self._caller.cancel()

    def is_over(self) -> bool:
        """Return whether a limit, not somebody outside, ended the wait."""
        assert self._caller is not None
        if self._has_let_go:
            return self._caller.uncancel() == 0
        return self.failure is not None and not self._caller.cancelling()


async def _performed(call: Call) -> Returned | Raised | BaseException:
    """Make a call; an interruption comes back as a value, since raised in a task it would stop the loop."""
    try:
        if call.within:
            loop = asyncio.get_running_loop()
            return Returned(await loop.create_task(call.action.function(**call.arguments), context=call.within))
        return Returned(await call.action.function(**call.arguments))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled the attempt: something inside it was cancelled, and it did not mind that itself.
        said = "something that the action awaited was cancelled"
        return Raised(Failure("CancelledError", said, frozenset({"CancelledError"}), interrupted=True))
    except Exception as error:  # noqa: BLE001 - what an action raises is data
        return raised(error)
    except BaseException as error:  # noqa: BLE001 - goes on where the call was asked for
        return error


class Portal:
    """An event loop on a thread of its own, for asynchronous actions of a synchronous run."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fsm-loop", daemon=True)
        self._thread.start()

    def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end from another thread; an interruption of the wait cancels it."""
        future = asyncio.run_coroutine_threadsafe(_carried(work), self._loop)
        try:
            result = future.result()
        except BaseException:
            future.cancel()
            raise
        if isinstance(result, BaseException):
            raise result
        return result

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=1.0)
        if not self._thread.is_alive():
            self._loop.close()


async def _carried(work: Coroutine[Any, Any, T]) -> T | BaseException:
    """Carry an interruption to the thread that waits; raised here it would end the loop's thread."""
    try:
        return await work
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001
        return error
