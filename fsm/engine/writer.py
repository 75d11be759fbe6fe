"""The writer: one thread that writes for everything that an event loop drives, and puts it into common transactions.

While it commits, more comes in; all of that goes into the next transaction. Nobody waits for company, and each is
answered after its own commit.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar, cast

from fsm.errors import StoreError
from fsm.model.run import Decision, Run, Transition
from fsm.store import Store

T = TypeVar("T")
_LOG = logging.getLogger("fsm")

TOGETHER_MAX = 256
"""How many share a transaction at most, so that other writers get their turn."""


class Answer(asyncio.Future[Any]):
    """What the writer answers. A cancellation of who awaits it comes after the answer: no commit is left in doubt."""

    def cancel(self, msg: Any = None) -> bool:
        del msg
        return False


class _Entry(NamedTuple):
    """Something to write: a decision, or a work of the store; and whom to answer."""

    decision: Decision | None
    work: Callable[[], Any] | None
    answer: "Answer | Future[Any]"


class Writer:
    """A thread of its own with its own connection, started with the first write.

    Args:
        watch: told of every transition after it is committed, on this thread.
    """

    def __init__(self, store: Store, watch: Callable[[Run, Transition], None] | None = None) -> None:
        self._store = store
        self._watch = watch
        self._entries: SimpleQueue[_Entry | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def commit(self, decision: Decision) -> "asyncio.Future[Run | None]":
        """Return a future of the run as committed, or of None where the decision came too late."""
        answer = Answer()
        self._put(_Entry(decision, None, answer))
        return answer

    async def do(self, work: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
        """Do a write of the store on this thread, in a transaction with whatever else is pending.

        Args:
            work: calls verbs of the store; durable when this returns.
            undo: what to do with a result that a cancellation leaves nobody to take.
        """
        answer = Answer()
        self._put(_Entry(None, work, answer))
        try:
            return cast("T", await answer)
        except asyncio.CancelledError:
            if undo and answer.done() and not answer.exception():
                await self.do(lambda: undo(answer.result()))
            raise

    def wait(self, work: Callable[[], T]) -> T:
        """The same from another thread, which it blocks."""
        answer: Future[T] = Future()
        self._put(_Entry(None, work, answer))
        return answer.result()

    def soon(self, work: Callable[[], Any], done: Callable[[BaseException | None], None]) -> None:
        """The same without waiting for it; `done` is told on the writer's thread what it raised."""
        answer: Future[Any] = Future()
        answer.add_done_callback(lambda answered: done(answered.exception()))
        self._put(_Entry(None, work, answer))

    def _put(self, entry: _Entry) -> None:
        self._entries.put(entry)
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._write_all, name="fsm-writer", daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """Write what is pending, and end the thread."""
        if self._thread is not None:
            self._entries.put(None)
            self._thread.join()
            self._thread = None

    def _write_all(self) -> None:
        while entry := self._entries.get():
            entries, more = [entry], True
            while more and len(entries) < TOGETHER_MAX:
                try:
                    following = self._entries.get_nowait()
                except Empty:
                    break
                if following is None:
                    self._entries.put(None)
                    more = False
                else:
                    entries.append(following)
            _answer(entries, self._written(entries))
        self._store.leave()

    def _written(self, entries: list[_Entry]) -> list[Any]:
        """Return the answers to entries, in their order."""
        decisions = [entry.decision for entry in entries if entry.decision is not None]
        works = [entry.work for entry in entries if entry.work is not None]
        try:
            if not decisions and len(works) == 1:  # alone, it may see that there is nothing to write
                return [works[0]()]
            committed, answers = self._store.together(decisions, works)
        except StoreError as error:
            return [error] * len(entries)
        except BaseException as error:  # noqa: BLE001 - goes to whoever asked
            if len(entries) == 1:
                return [error]
            # One of them is not fit to be written. The others are, and nothing of it was.
            return [self._written([entry])[0] for entry in entries]
        runs = iter([committed] * len(decisions) if isinstance(committed, Exception) else committed)
        others = iter(answers)
        found = [next(others) if entry.decision is None else next(runs) for entry in entries]
        if self._watch:
            for entry, run in zip(entries, found, strict=True):
                if isinstance(run, Run) and entry.decision and entry.decision.transition:
                    self._tell(self._watch, run, entry.decision.transition)
        return found

    @staticmethod
    def _tell(watch: Callable[[Run, Transition], None], run: Run, transition: Transition) -> None:
        """Tell of a transition; what is raised there must not end this thread, on which everybody's writes depend."""
        try:
            watch(run, transition)
        except BaseException:  # noqa: BLE001 - logged
            _LOG.exception("what watches the transitions raised at run %s", run.id)


def _answer(entries: list[_Entry], answers: list[Any]) -> None:
    """Give each its answer: those on an event loop all at once, others one by one."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Any, Any]]] = {}
    for entry, found in zip(entries, answers, strict=True):
        if isinstance(entry.answer, Answer):
            by_loop.setdefault(entry.answer.get_loop(), []).append((entry.answer, found))
        else:
            _settle([(entry.answer, found)])
    for loop, settled in by_loop.items():
        with contextlib.suppress(RuntimeError):  # that loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: list[tuple[Any, Any]]) -> None:
    for answer, found in settled:
        if answer.done():
            continue
        if isinstance(found, BaseException):
            answer.set_exception(found)
        else:
            answer.set_result(found)
