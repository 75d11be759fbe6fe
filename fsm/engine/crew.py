"""The crew: threads on which synchronous actions run for an event loop."""

import asyncio
import contextlib
import threading
from queue import Empty, SimpleQueue

from fsm.engine.call import Call, Raised, Returned
from fsm.engine.inline import _called as called
from fsm.engine.limits import limited
from fsm.store import Store

AT_ONCE = 1
"""Threads that are started without waiting: one makes short calls quickest. More come when calls had to wait."""

PATIENCE_S = 0.005
"""How long a call may wait for a thread before there are more of them."""

IDLE_S = 10.0
"""How long a thread without a call stays."""


class _Entry:
    """A call, its future, and how it stands; `finished` and `given_up` change under the crew's mutex."""

    __slots__ = ("call", "ended", "finished", "given_up")

    def __init__(self, call: Call, ended: "asyncio.Future[Returned | Raised | BaseException]") -> None:
        self.call = call
        self.ended = ended
        self.finished = False
        self.given_up = False


class Crew:
    """Threads that make calls; as many as calls need that block, few when they are short.

    Args:
        threads_max: how many there are at most, besides those given up in the middle of a call.
    """

    def __init__(self, store: Store, threads_max: int = 256) -> None:
        self._store = store
        self._threads_max = threads_max
        self._entries: SimpleQueue[_Entry | None] = SimpleQueue()
        self._done: dict[asyncio.AbstractEventLoop, list[tuple[_Entry, Returned | Raised | BaseException]]] = {}
        self._mutex = threading.Lock()
        self._threads = 0
        self._growing: asyncio.AbstractEventLoop | None = None

    def allow(self, threads: int) -> None:
        """Let there be that many threads at least, when they are needed."""
        self._threads_max = max(self._threads_max, threads)

    async def perform(self, call: Call) -> Returned | Raised:
        """Make a call on a thread, within its limits; past them, or cancelled, the thread is left to itself."""
        loop = asyncio.get_running_loop()
        entry = _Entry(call, loop.create_future())
        self._entries.put(entry)
        if self._threads < AT_ONCE:
            self._add(1)
        else:
            self._grow_soon(loop)
        result = await limited(call, entry.ended, lambda: self._give_up(entry))
        if isinstance(result, BaseException):
            raise result
        return result  # type: ignore[no-any-return]

    def _give_up(self, entry: _Entry) -> None:
        """Count a thread less: it is in a call that nobody waits for any more, and may never come back."""
        with self._mutex:
            if not entry.finished:
                entry.given_up = True
                self._threads -= 1
        self._grow_soon(entry.ended.get_loop())

    def _grow_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let a loop look soon whether calls still wait, if one does now; one that was closed looks no more."""
        if not self._entries.empty() and (self._growing is None or self._growing.is_closed()):
            self._growing = loop
            loop.call_later(PATIENCE_S, self._grow, loop)

    def _grow(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting = self._entries.qsize()
        is_growing = waiting > 0 and self._threads < self._threads_max
        self._growing = loop if is_growing else None
        if is_growing:
            self._add(min(waiting, self._threads_max - self._threads))
            loop.call_later(PATIENCE_S, self._grow, loop)

    def _add(self, threads: int) -> None:
        for _ in range(threads):
            with self._mutex:
                self._threads += 1
            threading.Thread(target=self._play, name="fsm-action", daemon=True).start()

    def _play(self) -> None:
        while entry := self._next():
            with self._mutex:
                if entry.given_up:  # before it was begun: this thread was counted out in its place
                    self._threads += 1
                    continue
            try:
                result: Returned | Raised | BaseException = called(entry.call)
            except BaseException as error:  # noqa: BLE001 - goes on where the call was asked for
                result = error
            if not self._hand_over(entry, result):
                break
        self._store.leave()

    def _next(self) -> _Entry | None:
        """Return the next call, or None when this thread, counted out by then, is to end."""
        try:
            entry = self._entries.get(timeout=IDLE_S)
        except Empty:
            entry = None
        else:
            if entry is None:
                self._entries.put(None)  # for the others
        if entry is None:
            with self._mutex:
                self._threads -= 1
        return entry

    def _hand_over(self, entry: _Entry, result: Returned | Raised | BaseException) -> bool:
        """Give a result to its loop, many with one waking; return whether anybody still waited for it."""
        loop = entry.ended.get_loop()
        with self._mutex:
            if entry.given_up:
                return False
            entry.finished = True
            done = self._done.setdefault(loop, [])
            done.append((entry, result))
        if len(done) == 1:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._collect, loop)
        return True

    def _collect(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._mutex:
            done = self._done.pop(loop)
        for entry, result in done:
            if not entry.ended.done():
                entry.ended.set_result(result)

    def close(self) -> None:
        """End the threads; those in a call end after it."""
        self._entries.put(None)
