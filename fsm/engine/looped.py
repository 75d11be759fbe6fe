"""The event loop's host, and the portal through which a synchronous run reaches a loop.

Asynchronous actions are awaited, and giving one up cancels it. What blocks (commits, synchronous actions) runs on
threads, so that the loop stays free.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

from fsm.actions.registry import Registry
from fsm.engine.inline import Common, Outside, Stage, Watch, Watcher
from fsm.engine.perform import Call, Raised, Returned, raised
from fsm.model.run import Decision, Failure, Run
from fsm.store import Store

T = TypeVar("T")


class Looped(Common):
    """Drives on the running event loop; what blocks runs on a desk thread, synchronous actions on stages."""

    def __init__(
        self, store: Store, registry: Registry, clock: Outside, desk: Executor, watch: Watcher | None = None
    ) -> None:
        super().__init__(store, registry, clock, watch)
        self._desk = desk

    async def call(self, call: Call) -> Returned | Raised:
        if call.action.is_async:
            return await awaited(call)
        stage = Stage(self.store)
        try:
            return await asyncio.get_running_loop().run_in_executor(None, stage.perform, call)
        finally:
            stage.close()

    async def commit(self, decision: Decision) -> Run:
        return await self.at_desk(lambda: self._commit(decision))

    async def claim(self, run_id: str) -> Run | None:
        return await self.at_desk(
            lambda: self.store.claim(run_id, self.now()),
            undo=lambda run: self._release(run, interrupted=False) if run else None,
        )

    async def release(self, run: Run, *, interrupted: bool) -> None:
        await self.at_desk(lambda: self._release(run, interrupted=interrupted))

    async def sleep(self, delay_ms: int) -> None:
        await asyncio.sleep(delay_ms / 1_000)

    async def at_desk(self, work: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
        """Do blocking work on the desk thread; a cancellation waits for it, so that no commit is left in doubt.

        Args:
            undo: what to do with a result that a cancellation leaves nobody to take.
        """
        answer = asyncio.get_running_loop().run_in_executor(self._desk, work)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            await asyncio.wait([answer])
            if undo and not answer.exception():
                await self.at_desk(lambda: undo(answer.result()))
            raise


async def awaited(call: Call) -> Returned | Raised:
    """Await an asynchronous action; past its limits it is cancelled and given up."""
    task = asyncio.ensure_future(_performed(call))
    watch = Watch(call)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=watch.left_s())
            if not task.done() and (failure := watch.spent()):
                task.cancel()
                await asyncio.wait({task}, timeout=1.0)
                return Raised(failure)
    except asyncio.CancelledError:
        task.cancel()
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await task
        raise
    result = task.result()
    if isinstance(result, BaseException):
        raise result
    return result


async def _performed(call: Call) -> Returned | Raised | BaseException:
    """Make a call; an interruption comes back as a value, since raised in a task it would stop the loop."""
    try:
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
