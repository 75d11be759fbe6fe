"""The cells of an engine: taken for a call, kept warm for the next one, and no more of them than are of use."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fsm.engine.call import Call, Raised, Returned
from fsm.errors import LeaseLost
from fsm.model.run import Failure

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from fsm.engine.cell import Cell

AT_ONCE_MIN = 4


def at_once_max() -> int:
    """Return how many actions have a process at the same time: one for each processor, and at least four."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(cores, AT_ONCE_MIN)


class Cells:
    """Processes for actions, started when they are first needed.

    Args:
        kept: gives descriptors that stay open for as long as such a process may live.
    """

    def __init__(self, kept: Callable[[], Sequence[int]] = tuple) -> None:
        self._kept = kept
        self._mutex = threading.Lock()
        self._turns = threading.BoundedSemaphore(at_once_max())
        self._free: list[Cell] = []
        self._busy: dict[int, Cell] = {}
        self._halted: set[int] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._is_closed = False

    def perform(self, call: Call, since_s: float | None = None) -> Returned | Raised:
        """Make a call in a process; past the call's limits that is killed.

        Args:
            since_s: the monotonic instant that a deadline counts from; now by default.

        Raises:
            MissingAction: the process does not find the action.
            LeaseLost: the call was halted.
        """
        from fsm.engine.cell import due_s, late  # noqa: PLC0415 - only where actions ask for it

        since_s = time.monotonic() if since_s is None else since_s
        left_s = due_s(call, since_s) - time.monotonic()
        if not self._turns.acquire(timeout=min(max(left_s, 0), threading.TIMEOUT_MAX)):
            return Raised(late())
        try:
            return self._performed(call, since_s)
        finally:
            self._turns.release()
            with self._mutex:
                self._halted.discard(id(call))

    def _performed(self, call: Call, since_s: float) -> Returned | Raised:
        from fsm.engine.cell import Unbegun, died  # noqa: PLC0415

        code = None
        for _ in range(2):  # one that was kept may have been killed meanwhile
            try:
                cell = self._taken(call)
            except OSError as error:
                said = f"no process could be started for the action: {error}"
                return Raised(Failure("ProcessDied", said, frozenset({"ProcessDied"})))
            try:
                return cell.perform(call, since_s)
            except Unbegun as error:
                code = error.code
            finally:
                self._give_back(call, cell)
        return Raised(died(code, interrupted=False))

    def _taken(self, call: Call) -> "Cell":
        from fsm.engine.cell import Cell  # noqa: PLC0415

        cell = self._kept_warm() or Cell(self._kept())
        with self._mutex:
            is_wanted = not self._is_closed and id(call) not in self._halted
            if is_wanted:
                self._busy[id(call)] = cell
        if not is_wanted:
            cell.end()
            raise LeaseLost(f'the attempt of "{call.action.name}" was given up before it began')
        return cell

    def _kept_warm(self) -> "Cell | None":
        while True:
            with self._mutex:
                cell = self._free.pop() if self._free else None
            if cell is None or cell.is_alive:
                return cell
            cell.end()

    def _give_back(self, call: Call, cell: "Cell") -> None:
        with self._mutex:
            del self._busy[id(call)]
            is_kept = cell.is_alive and not self._is_closed
            if is_kept:
                self._free.append(cell)
        if not is_kept:
            cell.end()

    async def perform_async(self, call: Call) -> Returned | Raised:
        """The same from an event loop; a cancellation kills the process, and comes when it has ended."""
        import asyncio  # noqa: PLC0415 - 40 ms that only asynchronous hosts pay

        future = self._crew().submit(self.perform, call, time.monotonic())
        answer = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            if not future.cancel():
                self.halt(call)
                await asyncio.wait([answer])
                answer.exception()  # is nobody's concern any more
            raise

    def _crew(self) -> "ThreadPoolExecutor":
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        with self._mutex:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(at_once_max(), thread_name_prefix="fsm-cell")
            return self._threads

    def halt(self, call: Call) -> None:
        """Give a call up from another thread: its process is killed, and `perform` raises LeaseLost."""
        with self._mutex:
            self._halted.add(id(call))
            cell = self._busy.get(id(call))
        if cell:
            cell.halt()

    def close(self) -> None:
        """Kill all processes, and give up the calls that are made in them."""
        with self._mutex:
            self._is_closed = True
            busy, free = list(self._busy.values()), self._free
            self._free = []
        for cell in busy:
            cell.halt()
        for cell in free:
            cell.end()
        if self._threads:
            self._threads.shutdown()
