"""The worker: many runs at once on one event loop, claimed in batches, driven by the one drive loop."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

from fsm.actions.classify import ended
from fsm.actions.registry import Registry
from fsm.engine.call import Call, Raised, Returned
from fsm.engine.cells import Cells
from fsm.engine.crew import Crew
from fsm.engine.drive import drive
from fsm.engine.inline import Outside
from fsm.engine.known import KEPT_CHARS_MAX, Known
from fsm.engine.lease import Lease
from fsm.engine.library import Library
from fsm.engine.looped import Looped
from fsm.engine.plan import plan_of
from fsm.engine.shunned import Shunned
from fsm.engine.switches import quick_switches
from fsm.engine.writer import Writer
from fsm.errors import DefinitionError, FSMError, LeaseLost, MissingAction, StoreError, UsageError
from fsm.logs import about
from fsm.model.definition import ActionState
from fsm.model.pause import Pause, covering
from fsm.model.run import Decision, Run
from fsm.model.workflow import Workflow, own_names
from fsm.store import Store
from fsm.store.answers import Claimed

_LOG = logging.getLogger("fsm.worker")

CONCURRENCY = 256
LEASE_MS = 30_000
GRACE_MS = 30_000
POLL_MS = 50
"""How often a look is taken at what others have written."""

DEAD_MS = 500
"""How often a look is taken for runs that a dead process left behind."""

PATIENCE_MS = 5_000
"""The longest wait before another attempt to write or to claim what could not be written or claimed."""

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


class _Driven:
    """A run that is driven: its workflow, how it stood after its last commit here, and the lapses of the lease then."""

    __slots__ = ("flow", "lapses", "run")

    def __init__(self, flow: Workflow, run: Run, lapses: int) -> None:
        self.flow = flow
        self.run = run
        self.lapses = lapses


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
        self._driven: dict[asyncio.Task[None], _Driven] = {}
        self._unable: set[tuple[str, str]] = set()
        self._shunned = Shunned()
        self._reads: dict[tuple[str, str], frozenset[str]] = {}
        self._suspect: _Driven | None = None
        self._drains = False
        self._stopping = False
        self._last = ""
        self._is_behind = True
        self._blind_ms = 0
        self._unwritten = 0
        self._version = -1
        self._due_at: int | None = None
        self._dead_looked_at_s = 0.0
        self._woken: asyncio.Future[None] | None = None
        self._lease = Lease(store, clock.now, lease_ms)

    # -- what the drive asks

    def yields(self) -> bool:
        return self._stopping or self._drains

    async def call(self, call: Call) -> Returned | Raised:
        """Make a call; one that would end the process, as `sys.exit` does, has failed: others have runs here, too."""
        driven = self._driven[asyncio.current_task()]  # type: ignore[index]
        if driven.lapses != self._lease.lapses:
            self._require_held(driven)
        try:
            return await super().call(call)
        except Exception:
            raise
        except BaseException as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            return Raised(ended(error))

    def _require_held(self, driven: _Driven) -> None:
        """Make sure that nobody has taken the run while the lease was over, before another action of it begins.

        Raises:
            LeaseLost: somebody has, and may have performed it.
        """
        lapses = self._lease.lapses
        if self.store.get(driven.run.id).epoch != driven.run.epoch:
            raise LeaseLost(f"run {driven.run.id} was taken by another process while this one was held up")
        driven.lapses = lapses

    async def insist(self, decision: Decision, error: StoreError) -> Run | None:
        """Try again for as long as nothing can be written: what an action has done is not to be done again for that."""
        if not self._unwritten:
            _LOG.warning("nothing can be written; what is in flight waits for it: %s", error)
        self._unwritten += 1
        delay_ms = POLL_MS
        try:
            while True:
                await asyncio.sleep(delay_ms / 1_000)
                delay_ms = min(delay_ms * 2, PATIENCE_MS)
                with suppress(StoreError):
                    return await self.writer.commit(decision)
        finally:
            self._unwritten -= 1

    async def release(self, run: Run, *, interrupted: bool, because: BaseException | None = None) -> None:
        """Give a run back; what keeps it from going on here is noted first, so that it is not claimed at once."""
        if isinstance(because, MissingAction):
            self._unable.add((run.digest, run.state))
            _LOG.warning("run %s stays where it is: %s", run.id, because, extra=about(run))
        elif isinstance(because, Exception):
            self._shun(run, because)
        await super().release(run, interrupted=interrupted)

    def crossed(self, run: Run) -> None:
        driven = self._driven[asyncio.current_task()]  # type: ignore[index]
        driven.run = run
        self._shunned.forget(run.row)
        if driven is self._suspect and run.crashes == 0:  # it got over what crashed it
            self._suspect = None
            self._wake()

    # -- working

    async def work(self) -> None:
        """Claim and drive until stopped, or idle; then let go of everything.

        Raises:
            StoreError: the store cannot be used.
        """
        sweeping: asyncio.Future[None] | None = None
        with quick_switches():
            try:
                await asyncio.to_thread(self._lease.begin)
                sweeping = asyncio.ensure_future(self._sweep_all(self._sweep)) if self._sweep else None
                while not self._stopping:
                    is_more = await self._claim()
                    if self._until == "idle" and not is_more and not self._driven:
                        break
                    await self._rest()
                await self._finish()
            finally:
                if sweeping:
                    sweeping.cancel()
                for task in self._driven:
                    task.cancel()
                await asyncio.gather(*self._driven, return_exceptions=True)
                await asyncio.to_thread(self._lease.end)

    def stop(self) -> None:
        """Claim no more; runs are given back after the edge they are at. The second call interrupts actions too."""
        if self._stopping:
            for task in self._driven:
                task.cancel()
        self._stopping = True
        self._wake()

    async def _claim(self) -> bool:
        """Claim as many runs as there is room for, if there may be any; return False where none is left to claim."""
        try:
            should_look = self._should_look()
            room = 1 if self._drains else self._concurrency - len(self._driven)
            if room <= 0 or self._suspect:
                return True
            is_more = should_look and await self._take(room)
        except StoreError as error:
            _LOG.warning("no runs could be claimed: %s", error)
            self._version = -1
            self._blind_ms = min(max(self._blind_ms * 2, POLL_MS), PATIENCE_MS)
            return True
        self._blind_ms = 0
        return is_more

    def _should_look(self) -> bool:
        """Return whether there may be something to claim: seen before, come due, written by others, or left behind."""
        version = self.store.version()
        if version != self._version:
            self._version, self._is_behind = version, True
            self._stop_actions(self.store.pauses())
        is_due = self._due_at is not None and self.now() >= self._due_at
        return self._is_behind or is_due or self._looks_for_dead()

    def _looks_for_dead(self) -> bool:
        return self._until == "idle" or time.monotonic() - self._dead_looked_at_s >= DEAD_MS / 1_000

    async def _take(self, room: int) -> bool:
        """Claim runs and begin to drive them; return whether there were any, or are for somebody who drives nothing."""
        now, is_alone, unable, look_for_dead = self.now(), not self._driven, set(self._unable), self._looks_for_dead()
        shunned = self._shunned.at(now)
        by_lease = self._lease.is_steady
        claimed = await self.writer.do(
            lambda: self.store.claim_some(
                room, now, alone=is_alone, after=self._last, unable=unable, shunned=shunned,
                look_for_dead=look_for_dead, by_lease=by_lease,
            ),
            undo=self._give_back,
        )  # fmt: skip
        if look_for_dead:
            self._dead_looked_at_s = time.monotonic()
        self._last, self._is_behind = claimed.last, claimed.suspects or len(claimed.runs) == room
        self._drains = claimed.suspects and not claimed.runs
        try:
            later = [self.store.next_due(now), *shunned.values()]
            self._due_at = min((at for at in later if at is not None), default=None)
            begun = [] if self._stopping else self._begin(claimed.runs)
        except BaseException:
            self.writer.soon(lambda: self._give_back(claimed), _ignored)
            raise
        if self._stopping:
            await self.writer.do(lambda: self._give_back(claimed))
        elif claimed.suspects and begun:
            self._suspect = begun[0]
        return claimed.suspects or bool(claimed.runs)

    def _give_back(self, claimed: Claimed) -> None:
        for run in claimed.runs:
            self._release(run, interrupted=False)

    def _stop_actions(self, pauses: Sequence[Pause]) -> None:
        """Interrupt actions in flight that a pause stops: asynchronous ones, and those in a process of their own."""
        stopping = [pause for pause in pauses if pause.stops_actions]
        for task, driven in self._driven.items() if stopping else ():
            state = driven.flow.states[driven.run.state]
            action = self.registry.get(state.action) if isinstance(state, ActionState) else None
            is_stoppable = action and (action.is_async or action.isolation == "process")
            # Once is enough: the second time would interrupt what it cleans up.
            if is_stoppable and covering(stopping, driven.run) and not task.cancelling():
                task.cancel()

    def _begin(self, runs: list[Run]) -> list[_Driven]:
        flows = [(run, flow) for run in runs if (flow := self._flow(run))]
        known = self.store.values_of([(run, self._read_by(flow, run.state)) for run, flow in flows], KEPT_CHARS_MAX)
        begun = [_Driven(flow, run, self._lease.lapses) for run, flow in flows]
        for driven, texts in zip(begun, known, strict=True):
            drive = self._driving(driven, Known(self.store, driven.run, texts))
            task = asyncio.get_running_loop().create_task(drive)
            self._driven[task] = driven
            task.add_done_callback(self._ended)
        return begun

    def _flow(self, run: Run) -> Workflow | None:
        """Return what a run is pinned to; one that this version cannot read is given back, and not taken again."""
        try:
            return self._library.pinned(self.store, run.digest)
        except (DefinitionError, UsageError) as error:
            _LOG.error("run %s cannot be driven: %s", run.id, error, extra=about(run))
            self._unable.add((run.digest, run.state))
            self.writer.soon(lambda: self._release(run, interrupted=False), _ignored)
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

    async def _driving(self, driven: _Driven, known: Known) -> None:
        try:
            await drive(self, driven.flow, driven.run, known)
        except LeaseLost as error:
            _LOG.info("run %s was taken by somebody else: %s", driven.run.id, error, extra=about(driven.run))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other runs go on
            if not isinstance(error, MissingAction) and driven.run.row not in self._shunned:
                self._shun(driven.run, error)

    def _shun(self, run: Run, error: Exception) -> None:
        """Leave a run alone after a fault that is none of its action, twice as long each time."""
        delay_ms = self._shunned.add(run.row, self.now())
        trace = None if isinstance(error, FSMError) else error
        _LOG.error("run %s was given back, and is taken again in %d s: %s: %s", run.id, delay_ms // 1_000,
                   type(error).__name__, error, extra=about(run), exc_info=trace)  # fmt: skip

    def _ended(self, task: "asyncio.Task[None]") -> None:
        driven = self._driven.pop(task)
        if driven is self._suspect:
            self._suspect = None
        if not task.cancelled() and (error := task.exception()):
            _LOG.error("run %s was left: %r", driven.run.id, error, extra=about(driven.run), exc_info=error)
        self._wake()

    # -- resting

    @property
    def _worth(self) -> int:
        """For how many runs there has to be room until more are claimed."""
        return max(self._concurrency // 8, 1)

    async def _rest(self) -> None:
        """Wait until there may be something to do: room for more that is known to be there, or time for a look."""
        room = self._concurrency - len(self._driven)
        if self._is_behind and room >= self._worth and not (self._suspect or self._drains or self._blind_ms):
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        self._woken = loop.create_future()
        # What is due and was not taken, nobody can take here: it is looked at again as often as anything else.
        left_ms = 0 if self._due_at is None else self._due_at - self.now()
        delay_ms = self._blind_ms or (min(left_ms, POLL_MS) if left_ms > 0 else POLL_MS)
        timer = loop.call_later(delay_ms / 1_000, self._wake, True)
        try:
            await self._woken
        finally:
            timer.cancel()

    def _wake(self, is_time: bool = False) -> None:
        """End the rest; where only a run has ended, once there is room worth a claim."""
        room = self._concurrency - len(self._driven)
        worth_it = is_time or self._stopping or not self._driven or (self._is_behind and room >= self._worth)
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


def _ignored(error: BaseException | None) -> None:
    if error:
        _LOG.warning("%s", error)
