"""The hosts of one engine: made when they are first used, let go of together."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeVar

from fsm.actions.registry import Registry
from fsm.clock import Clock
from fsm.engine.cells import Cells
from fsm.engine.inline import Inline, Watcher
from fsm.engine.library import Library
from fsm.errors import UsageError
from fsm.store import Store
from fsm.telemetry import Telemetry

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from fsm.engine.crew import Crew
    from fsm.engine.looped import Looped
    from fsm.engine.worker import Sweep, Worker
    from fsm.engine.writer import Writer

T = TypeVar("T")


class Hosts:
    """What drives runs for an engine: one inline host for each thread, and what event loops share.

    Args:
        watch: told of every transition after it is committed.
    """

    def __init__(
        self, store: Store, registry: Registry, clock: Clock, watch: Watcher, telemetry: Telemetry | None
    ) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._watch = watch
        self._telemetry = telemetry
        self._cells = Cells(store.signs)
        self._local = threading.local()
        self._shared: tuple[Writer, Crew] | None = None
        self._desk: ThreadPoolExecutor | None = None

    def inline(self) -> Inline:
        """Return this thread's host, so that its action thread and loop are made once."""
        host: Inline | None = getattr(self._local, "inline", None)
        if host is None:
            host = self._local.inline = Inline(self._store, self._registry, self._clock, self._cells, self._watch)
            host.telemetry = self._telemetry
        return host

    def looped(self) -> "Looped":
        """Return a host for the running event loop."""
        from fsm.engine.looped import Looped  # noqa: PLC0415 - asyncio, only where it is used

        host = Looped(self._store, self._registry, self._clock, self._cells, *self._hands())
        host.telemetry = self._telemetry
        return host

    def worker(
        self, library: Library, sweep: "Sweep", *, concurrency: int, lease_s: float, grace_s: float,
        until: Literal["stopped", "idle"],
    ) -> "Worker":  # fmt: skip
        """Return a worker. Raises UsageError for what is out of range."""
        from fsm.engine.worker import Worker  # noqa: PLC0415 - asyncio, only where it is used

        if concurrency < 1 or lease_s < 1 or grace_s < 0:
            raise UsageError(
                f"concurrency must be at least 1, lease_s at least 1 and grace_s at least 0; they are {concurrency}, "
                f"{lease_s:g} and {grace_s:g}"
            )
        writer, crew = self._hands()
        crew.allow(concurrency)
        worker = Worker(
            self._store, self._registry, library, self._clock, self._cells, writer, crew, concurrency=concurrency,
            lease_ms=int(lease_s * 1_000), grace_ms=int(grace_s * 1_000), until=until, sweep=sweep,
        )  # fmt: skip
        worker.telemetry = self._telemetry
        return worker

    def _hands(self) -> "tuple[Writer, Crew]":
        from fsm.engine.crew import Crew  # noqa: PLC0415 - asyncio, only where it is used
        from fsm.engine.writer import Writer  # noqa: PLC0415

        if self._shared is None:
            self._shared = Writer(self._store, self._watch), Crew(self._store)
        return self._shared

    async def at_desk(self, verb: Callable[[], T]) -> T:
        """Do what blocks on a thread of its own."""
        import asyncio  # noqa: PLC0415 - only where it is used
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        if self._desk is None:
            self._desk = ThreadPoolExecutor(1, thread_name_prefix="fsm-desk")
        return await asyncio.get_running_loop().run_in_executor(self._desk, verb)

    def close(self) -> None:
        """End the threads and processes; what they have begun to write is written."""
        self.inline().close()
        self._cells.close()
        for hand in self._shared or ():
            hand.close()
        if self._desk:
            self._desk.submit(self._store.leave).result()
            self._desk.shutdown()
