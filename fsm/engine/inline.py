"""The inline host: drives on the caller's thread.

A synchronous action without limits runs right there; one with a `timeout` runs on a thread that can be given up.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from fsm.actions.registry import Registry
from fsm.engine.call import Call, Raised, Returned, raised
from fsm.engine.cells import Cells
from fsm.errors import LeaseLost, StoreError
from fsm.model.run import Decision, Failure, Run, Transition
from fsm.store import Store

if TYPE_CHECKING:
    from fsm.actions.context import Desk
    from fsm.engine.looped import Portal
    from fsm.telemetry import Telemetry


class Outside(Protocol):
    """Time and chance, as `fsm.clock.Clock` gives them."""

    def now(self) -> int: ...
    def draw(self) -> float: ...
    def sleep(self, delay_ms: int) -> None: ...


Watcher = Callable[[Run, Transition], None]
"""Told of every transition after it is committed."""


class Common:
    """What both hosts share."""

    def __init__(self, store: Store, registry: Registry, clock: Outside, cells: Cells) -> None:
        self.store = store
        self.desk: Desk = store
        self.registry = registry
        self.clock = clock
        self.cells = cells
        self.telemetry: Telemetry | None = None

    def now(self) -> int:
        return self.clock.now()

    def draw(self) -> float:
        return self.clock.draw()

    def yields(self) -> bool:
        """Return whether driven runs are to be given back between two edges."""
        return False

    def _release(self, run: Run, *, interrupted: bool) -> None:
        # Where even this cannot be written, the end of the process frees the run.
        with contextlib.suppress(StoreError):
            self.store.release(run, interrupted=interrupted)


class Inline(Common):
    """Drives on the caller's thread; its coroutines never suspend."""

    def __init__(
        self, store: Store, registry: Registry, clock: Outside, cells: Cells, watch: Watcher | None = None
    ) -> None:
        super().__init__(store, registry, clock, cells)
        self.watch = watch
        self._stage: Stage | None = None
        self._portal: Portal | None = None

    async def call(self, call: Call) -> Returned | Raised:
        if call.action.isolation == "process":
            return self.cells.perform(call)
        if call.action.is_async:
            from fsm.engine.looped import Portal, awaited  # noqa: PLC0415 - asyncio, only where it is used

            self._portal = self._portal or Portal()
            return self._portal.finish(awaited(call))
        if call.limit_ms is None and call.beat_ms is None:
            return _called(call)
        if self._stage is None or not self._stage.is_free:
            self._stage = Stage(self.store)
        return self._stage.perform(call)

    async def commit(self, decision: Decision) -> Run:
        (run,) = self.store.commit([decision])
        if run is None:
            raise LeaseLost(f"run {decision.run.id} was taken by another process; this result was discarded")
        if self.watch and decision.transition:
            self.watch(run, decision.transition)
        return run

    async def claim(self, run_id: str) -> Run | None:
        return self.store.claim(run_id, self.now())

    async def release(self, run: Run, *, interrupted: bool, because: BaseException | None = None) -> None:
        del because
        self._release(run, interrupted=interrupted)

    async def sleep(self, delay_ms: int) -> None:
        self.clock.sleep(delay_ms)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """End the threads that calls were made on; ones in mid-call are left to themselves."""
        if self._stage:
            self._stage.close()
        if self._portal:
            self._portal.close()
            self._portal = None


def _called(call: Call) -> Returned | Raised:
    try:
        if call.within:
            return Returned(call.within.run(lambda: call.action.function(**call.arguments)))
        return Returned(call.action.function(**call.arguments))
    except Exception as error:  # noqa: BLE001 - what an action raises is data
        return raised(error)


class Watch:
    """The limits of one call: its timeout, and the silence between heartbeats.

    Args:
        since_s: the monotonic instant that its timeout counts from; now by default.
    """

    def __init__(self, call: Call, since_s: float | None = None) -> None:
        self._call = call
        self._began_s = time.monotonic()
        began_s = self._began_s if since_s is None else since_s
        self._ends_s = None if call.limit_ms is None else began_s + call.limit_ms / 1_000

    def left_s(self) -> float | None:
        """Return how long to wait before looking again, or None for ever."""
        ends = [end for end in (self._ends_s, self._silent_s()) if end is not None]
        return max(min(ends) - time.monotonic(), 0) if ends else None

    def _silent_s(self) -> float | None:
        beat, context = self._call.beat_ms, self._call.context
        return None if beat is None else (context.beat_s if context else self._began_s) + beat / 1_000

    def spent(self) -> Failure | None:
        """Return the failure when a limit is over, and revoke the attempt: it may go on, but counts no more."""
        now = time.monotonic()
        silent = self._silent_s()
        if self._ends_s is not None and now >= self._ends_s:
            said = f"no result after {self._call.limit_ms} ms"
            if self._call.ends_visit:
                failure = Failure.of_verdict("DeadlineExceeded", f"{said}, at the deadline", interrupted=True)
            else:
                failure = self._given_up("Timeout", said)
        elif silent is not None and now >= silent:
            failure = self._given_up("HeartbeatLost", f"no heartbeat for {self._call.beat_ms} ms")
        else:
            return None
        self.revoke()
        return failure

    def revoke(self) -> None:
        if self._call.context:
            self._call.context.revoke()

    @staticmethod
    def _given_up(name: str, message: str) -> Failure:
        return Failure(name, message, frozenset({name, "Transient"}), interrupted=True)


class Stage:
    """A daemon thread that performs synchronous calls and can be given up in the middle of one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._results: SimpleQueue[Returned | Raised | BaseException] = SimpleQueue()
        self.is_free = True
        threading.Thread(target=self._play, name="fsm-action", daemon=True).start()

    def _play(self) -> None:
        while call := self._calls.get():
            try:
                self._results.put(_called(call))
            except BaseException as error:  # noqa: BLE001 - goes on where the call was asked for
                self._results.put(error)
        self._store.leave()

    def perform(self, call: Call) -> Returned | Raised:
        """Make a call and wait for it within its limits; past them, the thread is left to itself."""
        self.is_free = False
        self._calls.put(call)
        watch = Watch(call)
        while True:
            try:
                result = self._results.get(timeout=watch.left_s())
            except Empty:
                if failure := watch.spent():
                    self._calls.put(None)
                    return Raised(failure)
                continue
            except BaseException:
                watch.revoke()
                self._calls.put(None)
                raise
            self.is_free = True
            if isinstance(result, BaseException):
                raise result
            return result

    def close(self) -> None:
        if self.is_free:
            self.is_free = False
            self._calls.put(None)
