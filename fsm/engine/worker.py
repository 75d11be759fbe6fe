"""The worker: many runs at once on one event loop, claimed in batches, driven by the one drive loop."""

import asyncio
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal

from fsm.actions.registry import Registry
from fsm.engine.cells import Cells
from fsm.engine.crew import Crew
from fsm.engine.drive import drive
from fsm.engine.inline import Outside
from fsm.engine.known import KEPT_CHARS_MAX, Known
from fsm.engine.library import Library
from fsm.engine.looped import Looped
from fsm.engine.plan import plan_of
from fsm.engine.writer import Writer
from fsm.errors import DefinitionError, FSMError, LeaseLost, MissingAction, StoreError, UsageError
from fsm.logs import about
from fsm.model.definition import ActionState
from fsm.model.pause import Pause, covering
from fsm.model.run import Run
from fsm.model.workflow import Workflow, own_names
from fsm.store import Claimed, Store

_LOG = logging.getLogger("fsm.worker")

CONCURRENCY = 256
LEASE_MS = 30_000
GRACE_MS = 30_000
POLL_MS = 50
"""How often a look is taken at what others have written."""

DEAD_MS = 500
"""How often a look is taken for runs that a dead process left behind."""

SWITCH_S = 0.000_5
"""How long a thread that computes keeps the interpreter from the others: an action must not slow all runs down."""

HINDERED_S = 1.0
"""How long to wait where the store cannot be used, before it is tried again."""

SWEEP_S = 60.0
"""How often a worker looks for runs that are kept no longer, the first time so long after its start: what is ready is
claimed before it could be found abandoned."""

SWEEP_ON_S = 1.0
"""How soon it looks at the next few while it goes through the store, where the last ones were all kept."""

SWEEP_BUSY_S = 0.1
"""And where some were deleted."""

Until = Literal["stopped", "idle"]
Sweep = Callable[[str], tuple[str | None, bool]]
"""One small step of retention: from the run to go on behind to the next such run, or None at the end, and whether it
deleted anything."""


class Worker(Looped):
    """Claims runs and drives them until it is stopped.

    Args:
        concurrency: how many runs it drives at once, from 1.
        lease_ms: how long its claims hold without a new sign of life; it gives one three times as often.
        grace_ms: how long actions in flight may take when it is stopped; then they are interrupted.
        until: "idle" ends it once nothing is left that could go on now.
        sweep: called once a minute, on a thread.
    """

    def __init__(
        self, store: Store, registry: Registry, library: Library, clock: Outside, cells: Cells, writer: Writer,
        crew: Crew, *, concurrency: int = CONCURRENCY, lease_ms: int = LEASE_MS, grace_ms: int = GRACE_MS,
        until: Until = "stopped",
        sweep: Sweep | None = None,
    ) -> None:  # fmt: skip
        super().__init__(store, registry, clock, cells, writer, crew)
        self._library = library
        self._concurrency = concurrency
        self._lease_ms = lease_ms
        self._grace_ms = grace_ms
        self._until = until
        self._sweep = sweep
        self._driven: dict[asyncio.Task[None], int] = {}
        self._runs: dict[int, tuple[Workflow, Run]] = {}
        self._unable: set[tuple[str, str]] = set()
        self._reads: dict[tuple[str, str], frozenset[str]] = {}
        self._suspect: int | None = None
        self._drains = False
        self._stopping = False
        self._last = ""
        self._is_behind = True
        self._version = -1
        self._due_at: int | None = None
        self._dead_looked_at_s = 0.0
        self._woken: asyncio.Future[None] | None = None

    # -- what the drive asks

    def yields(self) -> bool:
        return self._stopping or self._drains

    def crossed(self, run: Run) -> None:
        self._runs[run.row] = self._runs[run.row][0], run
        if run.row == self._suspect and run.crashes == 0:  # it got over what crashed it
            self._suspect = None
            self._wake()

    # -- working

    async def work(self) -> None:
        """Claim and drive until stopped, or idle; then let go of everything.

        Raises:
            StoreError: the store cannot be used.
        """
        life = _Life(self.store, self.clock.now, self._lease_ms)
        before_s = sys.getswitchinterval()
        sweeping: asyncio.Future[None] | None = None
        try:
            sys.setswitchinterval(SWITCH_S)
            await asyncio.to_thread(life.begin)
            sweeping = asyncio.ensure_future(self._sweep_all(self._sweep)) if self._sweep else None
            while not self._stopping:
                claimed = await self._claim()
                if self._until == "idle" and not claimed and not self._driven and not self._drains:
                    break
                await self._rest()
            await self._finish()
        finally:
            if sweeping:
                sweeping.cancel()
            for task in self._driven:
                task.cancel()
            await asyncio.gather(*self._driven, return_exceptions=True)
            await asyncio.to_thread(life.end)
            sys.setswitchinterval(before_s)

    def stop(self) -> None:
        """Claim no more; runs are given back after the edge they are at. The second call interrupts actions too."""
        if self._stopping:
            for task in self._driven:
                task.cancel()
        self._stopping = True
        self._wake()

    async def _claim(self) -> bool:
        """Claim as many runs as there is room for, if there may be any; return False where there were none."""
        room = 1 if self._drains else self._concurrency - len(self._driven)
        if room <= 0 or self._suspect is not None or (self._drains and self._driven) or not self._should_look():
            return False
        look_for_dead = time.monotonic() - self._dead_looked_at_s >= DEAD_MS / 1_000
        try:
            claimed = await self.writer.do(
                lambda: self.store.claim_some(
                    room, self.now(), alone=not self._driven, after=self._last, unable=self._unable,
                    look_for_dead=look_for_dead,
                ),
                undo=self._give_back,
            )  # fmt: skip
        except StoreError as error:
            _LOG.warning("no runs could be claimed: %s", error)
            await asyncio.sleep(HINDERED_S)
            return True  # there may be some
        if look_for_dead:
            self._dead_looked_at_s = time.monotonic()
        self._last, self._is_behind = claimed.last, len(claimed.runs) == room
        self._drains = claimed.suspects and not claimed.runs
        if claimed.suspects and claimed.runs:
            self._suspect = claimed.runs[0].row
        self._begin(claimed.runs)
        return bool(claimed.runs)

    def _give_back(self, claimed: Claimed) -> None:
        for run in claimed.runs:
            self.store.release(run, interrupted=False)

    def _should_look(self) -> bool:
        """Return whether there may be something to claim: seen before, come due, written by others, or left behind."""
        try:
            version = self.store.version()
            if version != self._version:
                self._version, self._due_at, self._is_behind = version, self.store.next_due(self.now()), True
                self._stop_actions(self.store.pauses())
        except StoreError as error:
            _LOG.warning("the store cannot be read: %s", error)
            return False
        is_due = self._due_at is not None and self.now() >= self._due_at
        return self._is_behind or is_due or time.monotonic() - self._dead_looked_at_s >= DEAD_MS / 1_000

    def _stop_actions(self, pauses: Sequence[Pause]) -> None:
        """Interrupt actions in flight that a pause stops: asynchronous ones, and those in a process of their own."""
        stopping = [pause for pause in pauses if pause.stops_actions]
        for task, row in list(self._driven.items()) if stopping else ():
            flow, run = self._runs[row]
            state = flow.states[run.state]
            action = self.registry.get(state.action) if isinstance(state, ActionState) else None
            if action and (action.is_async or action.isolation == "process") and covering(stopping, run):
                task.cancel()

    def _begin(self, runs: list[Run]) -> None:
        flows = [(run, flow) for run in runs if (flow := self._flow(run))]
        known = self.store.values_of([(run, self._read_by(flow, run.state)) for run, flow in flows], KEPT_CHARS_MAX)
        for (run, flow), texts in zip(flows, known, strict=True):
            task = asyncio.get_running_loop().create_task(self._driving(flow, run, Known(self.store, run, texts)))
            self._driven[task], self._runs[run.row] = run.row, (flow, run)
            task.add_done_callback(self._ended)

    def _flow(self, run: Run) -> Workflow | None:
        """Return what a run is pinned to; one that this version cannot read is given back, and not taken again."""
        try:
            return self._library.pinned(self.store, run.digest)
        except (DefinitionError, UsageError) as error:
            _LOG.error("run %s cannot be driven: %s", run.id, error, extra=about(run))
            self._unable.add((run.digest, run.state))
            self.writer.soon(lambda: self.store.release(run, interrupted=False), _ignored)
            return None

    def _read_by(self, flow: Workflow, state_name: str) -> frozenset[str]:
        """Return what to load for a run before it is driven: what its state reads, and all inputs."""
        found = self._reads.get((flow.digest, state_name))
        if found is None:
            state = flow.states[state_name]
            found = own_names(flow.needs[state_name]) | frozenset(flow.definition.input)
            if isinstance(state, ActionState) and state.action in self.registry:
                found |= plan_of(flow, state_name, self.registry[state.action]).names
            self._reads[flow.digest, state_name] = found
        return found

    async def _driving(self, flow: Workflow, run: Run, known: Known) -> None:
        try:
            await drive(self, flow, run, known)
        except LeaseLost as error:
            _LOG.info("run %s was taken by somebody else: %s", run.id, error, extra=about(run))
        except MissingAction as error:
            self._unable.add((run.digest, self.store.get(run.id).state))
            _LOG.warning("run %s stays where it is: %s", run.id, error, extra=about(run))
        except FSMError as error:
            _LOG.error("run %s was given back: %s", run.id, error, extra=about(run))
            await asyncio.sleep(HINDERED_S)  # what hinders it, a full disk, may last

    def _ended(self, task: "asyncio.Task[None]") -> None:
        _, run = self._runs.pop(self._driven.pop(task))
        if run.row == self._suspect:
            self._suspect = None
        if not task.cancelled() and (error := task.exception()):
            _LOG.error("run %s was given back: %r", run.id, error, extra=about(run), exc_info=error)
        self._wake()

    # -- resting

    async def _rest(self) -> None:
        """Wait until there may be something to do: room for more that is known to be there, or time for a look."""
        room = self._concurrency - len(self._driven)
        if self._is_behind and room >= max(self._concurrency // 8, 1) and self._suspect is None and not self._drains:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        self._woken = loop.create_future()
        # What is due and was not taken, nobody can take here: it is looked at again as often as anything else.
        left_ms = 0 if self._due_at is None else self._due_at - self.now()
        delay_ms = min(left_ms, POLL_MS) if left_ms > 0 else POLL_MS
        timer = loop.call_later(delay_ms / 1_000, self._wake, True)
        try:
            await self._woken
        finally:
            timer.cancel()

    def _wake(self, is_time: bool = False) -> None:
        """End the rest; where only a run has ended, once there is room worth a claim."""
        room = self._concurrency - len(self._driven)
        worth_it = (
            is_time
            or self._stopping
            or not self._driven
            or (self._is_behind and room >= max(self._concurrency // 8, 1))
        )
        if worth_it and self._woken and not self._woken.done():
            self._woken.set_result(None)

    async def _sweep_all(self, sweep: Sweep) -> None:
        after, pause_s = "", SWEEP_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                behind, has_deleted = await asyncio.to_thread(sweep, after)
            except FSMError as error:
                _LOG.warning("retention has to wait: %s", error)
                behind, has_deleted = None, False
            after = behind or ""
            pause_s = SWEEP_S if behind is None else SWEEP_BUSY_S if has_deleted else SWEEP_ON_S

    async def _finish(self) -> None:
        """Let what is in flight come to its next edge, for as long as the grace lasts."""
        if self._driven:
            _LOG.info("stopping; %d runs are in flight", len(self._driven))
            await asyncio.wait(set(self._driven), timeout=self._grace_ms / 1_000)


async def until_told(worker: Worker) -> None:
    """Let a worker work until SIGTERM or Ctrl-C stops it, where the process can be told by signals."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    for number in numbers:
        loop.add_signal_handler(number, worker.stop)
    try:
        await worker.work()
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _ignored(error: BaseException | None) -> None:
    if error:
        _LOG.warning("%s", error)


class _Life:
    """A thread that extends the lease, so that a loop which is busy is not taken for dead."""

    def __init__(self, store: Store, now: Callable[[], int], lease_ms: int) -> None:
        self._store = store
        self._now = now
        self._lease_ms = lease_ms
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._extend_all, name="fsm-lease", daemon=True)

    def begin(self) -> None:
        """Take the lease, and extend it from now on. Raises StoreError."""
        try:
            self._extend()
        finally:
            self._store.leave()
        self._thread.start()

    def _extend(self) -> None:
        now = self._now()
        self._store.lease(now, now + self._lease_ms)

    def _extend_all(self) -> None:
        while not self._ended.wait(self._lease_ms / 3_000):
            try:
                self._extend()
            except StoreError as error:
                _LOG.warning("the lease could not be extended: %s", error)
        self._store.leave()

    def end(self) -> None:
        """Stop extending; what this process drives otherwise is held for as long as it lives."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._store.lease(self._now(), None)
        except StoreError as error:
            _LOG.warning("the lease could not be given back: %s", error)
        finally:
            self._store.leave()
