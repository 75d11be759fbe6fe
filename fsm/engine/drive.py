"""The drive loop, written once. A host says how a call is made, a decision committed, a rest slept through."""

from collections.abc import Callable, Coroutine
from typing import Any, Literal, Protocol, TypeVar

from fsm.engine.known import Known
from fsm.engine.perform import Caller, perform
from fsm.errors import LeaseLost, MissingAction
from fsm.kernel.decide import decide
from fsm.logs import log_crash
from fsm.model.definition import ActionState
from fsm.model.pause import covering
from fsm.model.run import Decision, Run
from fsm.model.workflow import Workflow

T = TypeVar("T")
Until = Literal["rest", "end"]

GLANCE_MS = 50
"""How often a run that somebody else drives, or that only time moves, is looked at again."""


class Host(Caller, Protocol):
    """What a drive needs besides calls."""

    def draw(self) -> float: ...
    async def commit(self, decision: Decision) -> Run: ...
    async def claim(self, run_id: str) -> Run | None: ...
    async def release(self, run: Run, *, interrupted: bool, because: BaseException | None = None) -> None: ...
    async def sleep(self, delay_ms: int) -> None: ...
    def yields(self) -> bool: ...


async def drive(host: Host, flow: Workflow, run: Run, known: Known | None = None) -> Run:
    """Carry a claimed run on until it rests or ends, or the host gives it back between two edges.

    Args:
        known: what was read of its values beforehand.

    Raises:
        LeaseLost: somebody took the run; what this drive did last was discarded.
        MissingAction: it stands at an action that is not registered; it was released.
    """
    known = known or Known(host.store, run)
    if run.crashes:
        log_crash(run)
    try:
        while run.status == "running":
            performed = await perform(host, flow, run, known)
            decision = decide(flow, run, performed.result, host.now(), host.draw(), performed.values)
            run = await host.commit(decision)
            known.wrote(decision.artifacts)
            if run.status == "running" and host.yields():
                await host.release(run, interrupted=False)
                return run._replace(status="ready")
    except LeaseLost:
        raise
    except MissingAction as error:
        await host.release(run, interrupted=False, because=error)
        raise
    except BaseException as error:  # Ctrl-C, cancellation, a full disk: whether the action had its effect is unknown
        await host.release(run, interrupted=isinstance(flow.states[run.state], ActionState), because=error)
        raise
    return run


async def carry(host: Host, flow_of: Callable[[Run], Workflow], run: Run, until: Until, *, is_claimed: bool) -> Run:
    """Claim and drive a run, through retry delays and whatever others do to it, until it stops.

    Args:
        flow_of: the workflow that a run is pinned to; somebody may pin it to another version meanwhile.
        is_claimed: whether `run` is this host's already.
        until: "rest" returns at a wait, a signal or a question to a person; "end" stays until the run has ended. A run
            that is paused is returned in either case.
    """
    claimed = run if is_claimed else None
    while True:
        run = await _driven(host, flow_of, claimed) if claimed else host.store.get(run.id)
        delay = None if run.is_final or _is_paused(host, run) else _delay_ms(host, flow_of(run), run, until)
        if delay is None:
            return run
        if delay > 0:
            await host.sleep(delay)
        claimed = await host.claim(run.id)


async def _driven(host: Host, flow_of: Callable[[Run], Workflow], run: Run) -> Run:
    """Drive a claimed run; where somebody took it, return it as they left it."""
    try:
        flow = flow_of(run)
    except BaseException:  # a run that cannot be read must not stay held
        await host.release(run, interrupted=False)
        raise
    try:
        return await drive(host, flow, run)
    except LeaseLost:
        return host.store.get(run.id)


def _is_paused(host: Host, run: Run) -> bool:
    """Return whether a pause keeps everybody from driving the run on; an action in flight may still end."""
    return bool(covering(host.store.pauses(), run)) and not (run.status == "running" and host.store.held(run.id))


def _delay_ms(host: Host, flow: Workflow, run: Run, until: Until) -> int | None:
    """Return how long to wait before the next claim, or None when the run has stopped."""
    if run.status == "ready":
        return 0
    if run.status == "running":
        return GLANCE_MS
    retrying = isinstance(flow.states[run.state], ActionState) and not run.awaits
    if not retrying and until == "rest":
        return None if run.due_at is None or run.due_at > host.now() else 0
    if run.due_at is None:
        return GLANCE_MS
    wait = max(run.due_at - host.now(), 0)
    return wait if retrying else min(wait, GLANCE_MS)


def complete(work: Coroutine[Any, Any, T]) -> T:
    """Finish a coroutine whose host never suspends."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("an inline host must not suspend")
