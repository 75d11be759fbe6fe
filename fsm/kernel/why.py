"""Why a run is where it is: from what the store knows of it to the exact reasons, and what would move it. Pure."""

from collections.abc import Sequence
from typing import Any

from fsm.kernel.decide import CRASHES_MAX
from fsm.kernel.fair import SUSPECT_CRASHES
from fsm.model.definition import ActionState, EndState, SignalState
from fsm.model.pause import Pause
from fsm.model.reason import Cure, Holder, Reason, Standing
from fsm.model.run import PERSON, Kept, Run
from fsm.model.workflow import Workflow


def why(
    standing: Standing, flow: Workflow | None, now: int, *, missing: str | None = None, unread: str | None = None
) -> list[Reason]:
    """Return everything that has to happen before a run goes on, what stands in front first; at least one reason.

    Args:
        flow: what the run is pinned to; None when this version cannot read it.
        now: UTC milliseconds.
        missing: what to say of an action of its state that is not registered here; None for none.
        unread: why the definition cannot be read; None when it can.
    """
    run, holder = standing.run, standing.holder
    if run.is_final:
        return [_ended(standing)]
    if flow is not None and isinstance(flow.states.get(run.state), EndState | None):
        return [_nothing(run, f'no edge leads out of "{run.state}"')]
    pauses = [_paused(pause) for pause in standing.pauses]
    if holder and holder.is_alive:
        return [_held(standing, holder, flow), *pauses]
    found = [*pauses]
    if unread is not None:
        found.append(Reason("unreadable", {"message": unread, "version": run.version, "digest": run.digest}))
    if missing is not None:
        found.append(Reason("action", {"message": missing, "action": _action(flow, run)}))
    return [*found, *_waits(standing, flow, now)]


def _waits(standing: Standing, flow: Workflow | None, now: int) -> list[Reason]:
    """Return what a run waits for that nobody drives."""
    run = standing.run
    if run.status == "running":
        return [_left_behind(standing), *_suspect(run.crashes + 1)]
    if run.status == "ready" or (run.due_at is not None and run.due_at <= now):
        return [_queued(standing), *_suspect(run.crashes)]
    if run.awaits == PERSON:
        return [_person(run)]
    if run.awaits:
        return [_signal(standing, flow)]
    if run.due_at is None:
        return [_nothing(run, "it waits for no instant, no signal and no person")]
    last = standing.last
    if last is not None and last.event.startswith("retry:") and run.attempt > 1:
        return [_retry(standing, flow), *_suspect(run.crashes)]
    return [Reason("timer", {"due_at": run.due_at, "workers": standing.workers}, _resume(standing, "when it is due"))]


# -- somebody drives it, or did


def _held(standing: Standing, holder: Holder, flow: Workflow | None) -> Reason:
    run = standing.run
    more = {"action": _action(flow, run), "attempt": run.attempt, "heartbeat_at": standing.beat_at}
    return Reason("held", {**_whose(holder), "since_at": run.updated_at, **more})


def _left_behind(standing: Standing) -> Reason:
    run, holder = standing.run, standing.holder
    if holder is None:
        return _nothing(run, "it is claimed by a worker that the store does not know")
    facts = {**_whose(holder), "since_at": run.updated_at, "crashes": run.crashes, "workers": standing.workers}
    return Reason("left_behind", facts, _resume(standing, "takes it over"))


def _whose(holder: Holder) -> dict[str, Any]:
    return {"worker": holder.worker, "host": holder.host, "pid": holder.pid, "lease_expires_at": holder.expires_at}


# -- nobody drives it


def _queued(standing: Standing) -> Reason:
    run = standing.run
    due_at = run.due_at if run.status == "waiting" else None
    facts = {"ahead": standing.ahead, "since_at": due_at or run.updated_at, "is_due": due_at is not None,
             "suspects": standing.suspects, "workers": standing.workers}  # fmt: skip
    cures = [Cure("drives it on", (("resume", run.id),))]
    if not standing.workers:
        cures.append(Cure("drives all that can go on", (("worker",),)))
    return Reason("queue", facts, tuple(cures))


def _suspect(crashes: int) -> list[Reason]:
    """Return the reason of a run that will be driven alone, or be given up, since it killed its process before."""
    if crashes < SUSPECT_CRASHES:
        return []
    return [Reason("suspect", {"crashes": crashes, "crashes_max": CRASHES_MAX})]


def _retry(standing: Standing, flow: Workflow | None) -> Reason:
    run, last = standing.run, standing.last
    assert last is not None
    clause = last.event.removeprefix("retry:")
    detail = last.detail or {}
    facts = {"class": detail.get("class"), "message": detail.get("message"), "clause": clause,
             "attempt": run.tries.get(clause, 0) + 1, "attempts_max": _attempts_max(flow, run.state, clause),
             "due_at": run.due_at, "workers": standing.workers}  # fmt: skip
    return Reason("retry", facts, _resume(standing, "waits for it, and drives it on"))


def _attempts_max(flow: Workflow | None, state: str, clause: str) -> int | None:
    """Return how many attempts the policy of a retry allows; None where it is unlimited, or not known."""
    clauses = flow.retries.get(state, ()) if flow else ()
    return next((one.policy.attempts for one in clauses if one.name == clause), None)


def _person(run: Run) -> Reason:
    resume = ("resume", run.id)
    return Reason("person", {"attempt": run.attempt, "deadline_at": run.due_at}, (
        Cure("it was done", (("complete", run.id, "--actor", "NAME", "--value", "JSON"), resume)),
        Cure("it was not done", (("redrive", run.id), resume)),
    ))  # fmt: skip


def _signal(standing: Standing, flow: Workflow | None) -> Reason:
    run = standing.run
    state = flow.states[run.state] if flow else None
    signals = [_arm(name, state, standing.kept) for name in run.awaits]
    declared = state.signal.keys() if isinstance(state, SignalState) else set()
    if state is not None and run.due_at is None and not set(run.awaits) <= declared:
        return _nothing(run, f'it awaits {" or ".join(run.awaits)}, which "{run.state}" does not declare')
    unseen = [one["name"] for one in signals if one["count"] and one["came"] >= one["count"]]
    if unseen and not standing.pauses:
        state_words = ("--workflow", run.workflow, "--state", run.state)
        look = Cure("makes it look", (("pause", *state_words), ("unpause", *state_words)))
        return _nothing(run, f'signal "{unseen[0]}" lies in its inbox, and nothing makes it look', look)
    match = state.match.text if isinstance(state, SignalState) and state.match else None
    facts = {"signals": signals, "match": match, "deadline_at": run.due_at}
    cures = [Cure(f"sends {name}", (signal_words(run, state, name), ("resume", run.id))) for name in run.awaits]
    return Reason("signal", facts, tuple(cures))


def _arm(name: str, state: object, kept: Sequence[Kept]) -> dict[str, Any]:
    """Return what is known of one awaited signal: what it carries, and how many of those it takes have come."""
    came = [signal for signal in kept if signal.name == name]
    if not isinstance(state, SignalState) or name not in state.signal:
        return {"name": name, "to": None, "payload": {}, "count": None, "came": len(came), "actors": []}
    arm = state.signal[name]
    actors = sorted({signal.actor for signal in came if signal.actor})
    payload = {field: kind.text for field, kind in arm.payload.items()}
    return {"name": name, "to": arm.to, "payload": payload, "count": arm.count,
            "came": len(came) if arm.count == 1 else len(actors), "actors": actors}  # fmt: skip


def signal_words(run: Run, state: object, name: str) -> tuple[str, ...]:
    """Return the command that sends a signal, with a capital word for each value to fill in."""
    words = ["signal", run.id, name]
    if isinstance(state, SignalState) and name in state.signal:
        arm = state.signal[name]
        for field in arm.payload:
            words += ["-p", f"{field}={field.upper()}"]
        if arm.count > 1:
            words += ["--actor", "NAME"]
    return tuple(words)


def _resume(standing: Standing, does: str) -> tuple[Cure, ...]:
    """Return the command that does what a live worker does by itself."""
    return () if standing.workers else (Cure(does, (("resume", standing.run.id),)),)


def _action(flow: Workflow | None, run: Run) -> str | None:
    state = flow.states.get(run.state) if flow else None
    return state.action if isinstance(state, ActionState) else None


# -- held back, over, or broken


def _paused(pause: Pause) -> Reason:
    facts = {**pause._asdict(), "workflow": pause.workflow or None, "state": pause.state or None}
    return Reason("pause", facts, (Cure("ends it", (unpause_words(pause),)),))


def unpause_words(pause: Pause) -> tuple[str, ...]:
    """Return the command that ends a pause."""
    words = ["unpause"]
    if pause.workflow:
        words += ["--workflow", pause.workflow]
    if pause.state:
        words += ["--state", pause.state]
    return tuple(words)


def _ended(standing: Standing) -> Reason:
    run, failure = standing.run, standing.failure
    detail = (failure.detail or {}) if failure else {}
    facts = {"status": run.status, "at": run.updated_at, "reason": run.reason, "actor": _ended_by(standing),
             "failed_in": failure.source if failure else None, "class": detail.get("class"),
             "message": detail.get("message")}  # fmt: skip
    return Reason("ended", facts, tuple(_again(standing)))


def _ended_by(standing: Standing) -> str | None:
    last = standing.last
    return last.actor if last is not None and standing.run.status == "cancelled" else None


def _again(standing: Standing) -> list[Cure]:
    """Return how to go on with what has ended: where it failed, from before its end, or in a run of its own."""
    run, failure = standing.run, standing.failure
    resume = ("resume", run.id)
    cures = []
    if run.status in ("failed", "dead") and failure:
        by_hand = ("complete", run.id, "--actor", "NAME", "--value", "JSON")
        cures.append(Cure("tries again where it failed", (("redrive", run.id), resume)))
        cures.append(Cure("it was done by hand", (by_hand, resume)))
    before = str((failure.seq if failure else run.seq) - 1)
    if before == "0":
        return cures
    if run.status != "succeeded":
        cures.append(Cure("takes it back before its end", (("rewind", run.id, "--to", before), resume)))
    cures.append(Cure("begins a new run there", (("fork", run.id, "--at", before),)))
    return cures


def _nothing(run: Run, message: str, *cures: Cure) -> Reason:
    """Return what is said of a run that nothing will ever wake: a fault of the store, or of this package."""
    return Reason("nothing", {"message": message}, cures or (Cure("ends it where it stands", (("cancel", run.id),)),))
