"""The verbs of the API. Each is a few lines: look up, decide, commit; the drive loop does the rest."""

import json
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from fsm.actions.address import refuse_while_importing
from fsm.actions.registry import Registry
from fsm.clock import Clock
from fsm.engine.drive import Until, carry, complete
from fsm.engine.hosts import Hosts
from fsm.engine.inbox import admissible, checked, legal_signals, receive, require_same
from fsm.engine.inline import Inline, Watcher
from fsm.engine.inputs import checked_inputs
from fsm.engine.library import Library, PathLike
from fsm.engine.looking import Looking
from fsm.engine.telling import teller
from fsm.errors import IllegalTransition, KeyConflict, MissingAction, UsageError
from fsm.kernel import moves
from fsm.kernel.decide import begin, deadline_at, decide, values_of
from fsm.model.definition import SignalState
from fsm.model.pause import covering
from fsm.model.run import Artifact, Decision, Kept, Run, Status
from fsm.model.workflow import Workflow
from fsm.store.answers import Written
from fsm.telemetry import Telemetry

if TYPE_CHECKING:
    from fsm.engine.looped import Looped
    from fsm.engine.worker import Worker
    from fsm.store import Store

_LOG = logging.getLogger("fsm")


class Engine(Looking):
    """Runs workflows in one SQLite file.

    Args:
        store: the path of the file; created when it does not exist.
        definitions: definition files, or folders of them. Not needed to resume: the store keeps what runs are
            pinned to.
        actions: modules with marked functions, or such functions themselves.
        clock: time, chance and ids; for tests.
        watch: called with the run and the transition after each commit of this engine, on the thread that committed.
        telemetry: tells OpenTelemetry of attempts and transitions.

    Raises:
        DefinitionError: a definition is unsound, or names an action that is not given.
        StoreError: the file cannot be used.

    May be used from several threads; not across a fork: open a new one in the child.
    """

    def __init__(
        self,
        store: PathLike,
        *,
        definitions: PathLike | Iterable[PathLike] = (),
        actions: Iterable[Any] = (),
        clock: Clock | None = None,
        watch: Watcher | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        from fsm.store.sqlite import SqliteStore  # noqa: PLC0415 - the one place that chooses a store

        refuse_while_importing()
        places = [definitions] if isinstance(definitions, (str, os.PathLike)) else list(definitions)
        self.registry = Registry(actions)
        self.library = Library(places, self.registry.signatures or None)
        self.clock = clock or Clock()
        self.store: Store = SqliteStore(store)
        self._telemetry = telemetry
        self._watch = teller(watch, telemetry)
        self._hosts = Hosts(self.store, self.registry, self.clock, self._watch, telemetry)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Runs that other threads still drive lose their claim."""
        self._hosts.close()
        self.store.close()

    # -- starting and driving

    def start(
        self, workflow: str, input: Mapping[str, Any] | None = None, *, key: str | None = None,  # noqa: A002
        version: int | None = None, priority: int = 0,
    ) -> Run:  # fmt: skip
        """Start a run and leave it for `resume`, or find the one that has this key.

        Args:
            workflow: its name.
            input: what the definition's `input` asks for.
            key: the caller's name for the run, unique per workflow name: starting twice gives the same run.
            version: of the definitions given; the highest one by default.
            priority: of a new run: a whole number of 32 bits. Workers take the runs of a workflow by it, higher ones
                first, and then by age.

        Raises:
            NotFound: no such workflow.
            KeyConflict: a run with this key was started with other input.
            UsageError: the input does not fit.
        """
        return self._begun(*self._start(workflow, input, key, version, "ready", priority, self._origin()))

    def run(
        self, workflow: str, input: Mapping[str, Any] | None = None, *, key: str | None = None,  # noqa: A002
        version: int | None = None, until: Until = "rest", priority: int = 0,
    ) -> Run:  # fmt: skip
        """Start a run, or find it by its key, and drive it until it stops.

        Sleeps through retry delays, and while another process drives the run. Returns when it has ended or rests: at a
        wait, a signal, a pause, or a question to a person. The arguments are those of `start`.

        Args:
            until: "end" stays through waits and signals, too.

        Raises:
            As `start`, and MissingAction.
        """
        run, begun = self._start(workflow, input, key, version, "running", priority, self._origin())
        self._begun(run, begun)
        return complete(carry(self._hosts.inline(), self.workflow, run, until, is_claimed=begun is not None))

    def resume(self, run_id: str | None = None, *, until: Until = "rest") -> list[Run]:
        """Drive on whatever can go on: runs that a crash interrupted, due timers and retries, ready ones.

        Args:
            run_id: only this run.

        Returns:
            The runs that were driven, as they stand now. One whose action is not registered here is left as it was,
            with a warning in the log.

        Raises:
            NotFound: there is no such run.
        """
        return complete(self._resume(self._hosts.inline(), run_id, until))

    async def _resume(self, host: "Inline | Looped", run_id: str | None, until: Until) -> list[Run]:
        ids = [self.store.get(run_id).id] if run_id else self.store.claimable(self.clock.now(), delayed=True)
        driven = []
        for one in ids:
            run = self.store.get(one)
            self.workflow(run)  # before the claim: a run that cannot be read must not stay held
            claimed = await host.claim(one)
            if claimed is None and run_id is None and run.status != "waiting":
                continue
            try:
                driven.append(await carry(host, self.workflow, claimed or run, until, is_claimed=claimed is not None))
            except MissingAction as error:
                if run_id is not None:
                    raise
                _LOG.warning("run %s stays where it is: %s", one, error)
        return driven

    def work(
        self, *, concurrency: int = 256, lease_s: float = 30.0, grace_s: float = 30.0,
        until: Literal["stopped", "idle"] = "stopped",
    ) -> None:  # fmt: skip
        """Drive whatever can go on, many runs at once, until SIGTERM or Ctrl-C; picks up what others start.

        When stopped, runs are given back after the edge they are at; a second signal interrupts their actions. Signals
        are only heard on the main thread.

        Args:
            concurrency: how many runs are driven at once, from 1.
            lease_s: how long claims hold without a sign of life, from 1; one is given three times as often.
            grace_s: how long actions in flight may take when the work is stopped.
            until: "idle" returns once nothing is left that could go on now; timers and signals are not waited for.

        Raises:
            UsageError: an argument is out of range.
            StoreError: the store cannot be used.
        """
        from asyncio import run  # noqa: PLC0415 - only where it is used

        from fsm.engine.stopping import until_told  # noqa: PLC0415

        run(until_told(self._worker(concurrency, lease_s, grace_s, until)))

    def _worker(self, concurrency: int, lease_s: float, grace_s: float, until: Literal["stopped", "idle"]) -> "Worker":
        from fsm.engine.retention import sweep  # noqa: PLC0415 - it takes an engine

        return self._hosts.worker(
            self.library, lambda after: sweep(self, after=after).step, concurrency=concurrency, lease_s=lease_s,
            grace_s=grace_s, until=until,
        )  # fmt: skip

    def _start(
        self, workflow: str, given: Mapping[str, Any] | None, key: str | None, version: int | None, status: Status,
        priority: int, trace: str | None,
    ) -> tuple[Run, Decision | None]:  # fmt: skip
        """Return the new run with what began it, or the one that has the key and None."""
        if type(priority) is not int or not -(2**31) <= priority < 2**31:
            raise UsageError(f"priority must be a whole number of 32 bits; it is {priority!r}")
        flow = self._wanted(workflow, version)
        inputs = checked_inputs(flow, given)
        self._require_actions(flow)
        now = self.clock.now()
        found = self.store.find(flow.name, key) if key is not None else None
        if found is None:
            self.store.save(flow, self.library.text(flow), now)
            run = Run(
                id=self.clock.new_id(), workflow=flow.name, version=flow.version, digest=flow.digest, key=key, state="",
                status=status, seq=0, head=b"", visit=0, entered_at=now, attempt=1, tries={}, visits={}, due_at=None,
                awaits=(), epoch=1, crashes=0, interrupted=False, started_at=now, updated_at=now, priority=priority,
                trace=trace,
            )  # fmt: skip
            decision = begin(flow, run, now, values_of(inputs))
            found = self.store.start(run, inputs, decision)
            if found.id == run.id:
                return found, decision
        if not self.store.same_input(found, inputs):
            raise KeyConflict(
                f'key "{key}" of "{flow.name}" belongs to run {found.id}, which was started with other input; '
                "use another key, or the same input"
            )
        return found, None

    def _origin(self) -> str | None:
        """Return the trace that a run started here belongs to."""
        return self._telemetry.origin() if self._telemetry else None

    def _begun(self, run: Run, decision: Decision | None) -> Run:
        """Tell of a run that has begun, and return it."""
        try:
            if decision:
                self._tell(run, decision)
        except BaseException:
            self.store.release(run, interrupted=False)
            raise
        return run

    def _wanted(self, name: str, version: int | None) -> Workflow:
        flow = self.library.newest(name, version)
        if flow is None and version is None and (digest := self.store.newest(name)):
            flow = self.library.pinned(self.store, digest)
        if flow is None:
            raise self.library.unknown(name, version)
        return flow

    def _require_actions(self, flow: Workflow) -> None:
        missing = [name for name in flow.actions() if name not in self.registry]
        if missing:
            said = "; ".join(self.registry.missing(name) for name in missing)
            raise UsageError(f'"{flow.name}" cannot run: {said}; pass the modules that hold them as actions')

    # -- from outside

    def signal(
        self, run_id: str, name: str, payload: Any = None, *, actor: str | None = None, message_id: str | None = None
    ) -> Run:
        """Send a signal to a run: cross its edge if it is awaited now, keep it if a state still ahead declares it.

        A run that is paused keeps it, too, and takes it when that is over. Does not drive the run on; `resume` does.

        Args:
            payload: JSON, as the definition's `payload` declares.
            actor: who sends it; needed where several must agree.
            message_id: the sender's id of the message; the same id is consumed once, however often it is sent.

        Raises:
            IllegalTransition: neither this state nor one ahead declares it, or `match` refuses it.
            UsageError: the payload does not fit.
            KeyConflict: the message id came before with other content.
        """
        while True:
            run = self.store.get(run_id)
            flow = self.workflow(run)
            known = self.store.message(run, message_id) if message_id is not None else None
            if known:
                require_same(flow, known, name, payload)
                return run
            text = checked(admissible(flow, run, name), name, payload)
            signal = Kept(0, name, actor, json.loads(text), self.clock.now(), message_id)
            after = self._receive(flow, run, signal)
            if after is not None:
                return after

    def _receive(self, flow: Workflow, run: Run, signal: Kept) -> Run | None:
        """Take or keep one signal; None when the run moved meanwhile and must be looked at anew."""
        here = flow.states[run.state]
        # One that is ready has older signals to look at, or a bound that is spent: the drive decides, oldest first.
        if run.status != "waiting" or not isinstance(here, SignalState) or signal.name not in here.signal:
            return run if self.store.keep(run, signal) else None
        values = self.values(run, run.state)
        earlier = self.store.kept(run, [signal.name])
        last = deadline_at(here, run)
        received, refused, _ = receive(flow, run, [*earlier, signal], values, last)
        if signal.id in refused:
            why = (
                "it came after the deadline"
                if last is not None and signal.at >= last
                else "`match` refuses its payload"
            )
            raise IllegalTransition(run.state, f"signal:{signal.name}", legal_signals(flow, run), why)
        if covering(self.store.pauses(), run):
            return run if self.store.keep(run, signal, paused=True) else None
        if received is None:
            seen = max((other.id for other in earlier), default=0)
            return run if self.store.keep(run, signal, seen) else None
        decision = decide(flow, run, received, self.clock.now(), self.clock.draw(), values)
        return self._commit(decision._replace(fresh=signal))

    def cancel(self, run_id: str, *, actor: str | None = None, reason: str | None = None) -> Run:
        """End a run where it stands, at once; an action in flight is recorded as unknown and its result discarded.

        Raises:
            IllegalTransition: the run has ended.
        """
        return self.move(run_id, lambda run: moves.cancel(run, self.clock.now(), actor, reason))

    def bear(self, run: Run, inputs: Sequence[Artifact], decision: Decision) -> Run:
        """Store a new run together with what begins it, or find the one that has its key.

        Args:
            run: as it is before it has begun.
            inputs: JSON texts by name, checked.
            decision: what begins it.
        """
        found = self.store.start(run, inputs, decision)
        if found.id == run.id:
            self._begun(found, decision)
        return found

    def move(self, run_id: str, move: Callable[[Run], Decision]) -> Run:
        """Commit an operator move, decided anew as long as the run moves meanwhile.

        Args:
            move: from the run as it stands to what shall be committed; raises where it may not be.
        """
        while True:
            after = self._commit(move(self.store.get(run_id)))
            if after is not None:
                return after

    def _commit(self, decision: Decision) -> Run | None:
        (after,) = self.store.commit([decision])
        if after is not None:
            self._tell(after, decision)
        return after

    def _tell(self, run: Run, decision: Decision) -> None:
        if decision.transition:
            self._watch(run, decision.transition)

    # -- the same from asyncio

    async def run_async(
        self, workflow: str, input: Mapping[str, Any] | None = None, *, key: str | None = None,  # noqa: A002
        version: int | None = None, until: Until = "rest", priority: int = 0,
    ) -> Run:  # fmt: skip
        """`run`, on the running event loop: asynchronous actions are awaited on it, the rest runs on threads."""
        host = self._hosts.looped()
        origin = self._origin()
        run, begun = await host.writer.do(
            lambda: self._start(workflow, input, key, version, "running", priority, origin),
            undo=lambda started: self.store.release(started[0], interrupted=False) if started[1] else None,
        )
        self._begun(run, begun)
        return await carry(host, self.workflow, run, until, is_claimed=begun is not None)

    async def work_async(
        self, *, concurrency: int = 256, lease_s: float = 30.0, grace_s: float = 30.0,
        until: Literal["stopped", "idle"] = "stopped",
    ) -> None:  # fmt: skip
        """`work`, on the running event loop; a cancellation interrupts actions in flight and gives all runs back."""
        await self._worker(concurrency, lease_s, grace_s, until).work()

    async def resume_async(self, run_id: str | None = None, *, until: Until = "rest") -> list[Run]:
        """`resume`, on the running event loop."""
        return await self._resume(self._hosts.looped(), run_id, until)

    def start_async(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Run]:
        """`start`, without blocking the event loop."""
        return self._hosts.at_desk(lambda: self.start(*args, **kwargs))

    def signal_async(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Run]:
        """`signal`, without blocking the event loop."""
        return self._hosts.at_desk(lambda: self.signal(*args, **kwargs))

    def cancel_async(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Run]:
        """`cancel`, without blocking the event loop."""
        return self._hosts.at_desk(lambda: self.cancel(*args, **kwargs))

    def get_async(self, run_id: str) -> Coroutine[Any, Any, Run]:
        """`get`, without blocking the event loop."""
        return self._hosts.at_desk(lambda: self.get(run_id))

    def history_async(self, run_id: str) -> Coroutine[Any, Any, list[Written]]:
        """`history`, without blocking the event loop."""
        return self._hosts.at_desk(lambda: self.history(run_id))
