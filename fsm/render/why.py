"""Why a run is where it is, as people and programs read it."""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from fsm.model.pause import Pause
from fsm.model.reason import Cure, Reason
from fsm.model.run import Run
from fsm.render import pauses
from fsm.render.endings import Command
from fsm.render.instants import ago, lasting, local, utc
from fsm.render.terminal import safe

_INDENT = "  "


def explained(run: Run, reasons: Sequence[Reason], command: Command, now_ms: int, zone: tzinfo | None) -> str:
    """Return where a run is, each reason why, and the commands that would move it.

    Args:
        command: writes out a command line.
        now_ms: UTC milliseconds; ages are counted from it.
        zone: of the times shown; None is the machine's own.
    """
    at = local(run.updated_at, zone)
    lines = [f'run {run.id} ({run.workflow}@{run.version}) is {run.status} in "{run.state}", since {at}']
    for reason in reasons:
        lines += [_INDENT + line for line in told(reason, now_ms, zone).splitlines()]
        lines += _cures(reason.cures, command)
    return "\n".join(safe(line) for line in lines)


def _cures(cures: Sequence[Cure], command: Command) -> list[str]:
    widest = max((len(cure.does) for cure in cures), default=0)
    return [f"{_INDENT * 2}{cure.does + ':':<{widest + 1}} {' && '.join(command(*words) for words in cure.commands)}"
            for cure in cures]  # fmt: skip


def fields(run: Run, reasons: Sequence[Reason], command: Command) -> dict[str, Any]:
    """Return the same as JSON; instants are RFC 3339 in UTC."""
    return {
        "id": run.id,
        "workflow": run.workflow,
        "version": run.version,
        "state": run.state,
        "status": run.status,
        "seq": run.seq,
        "updated_at": utc(run.updated_at),
        "reasons": [
            {
                "kind": reason.kind,
                "facts": {name: _instant(name, value) for name, value in reason.facts.items()},
                "cures": [
                    {"does": cure.does, "commands": [command(*words) for words in cure.commands]}
                    for cure in reason.cures
                ],
            }
            for reason in reasons
        ],
    }


def _instant(name: str, value: Any) -> Any:
    return utc(value) if name == "at" or name.endswith("_at") else value


def told(reason: Reason, now_ms: int, zone: tzinfo | None) -> str:
    """Return a reason in a sentence or a few lines."""
    facts = reason.facts
    match reason.kind:
        case "held":
            return _held(facts, now_ms, zone)
        case "left_behind":
            return (
                f"left behind by {_whose(facts, now_ms, zone)}, which is dead or stopped; "
                f"taking it over counts crash {facts['crashes'] + 1} of this visit"
            )
        case "pause":
            pause = Pause(**{**facts, "workflow": facts["workflow"] or "", "state": facts["state"] or ""})
            return pauses.told(pause, zone)
        case "timer":
            return f"waits until {_until(facts['due_at'], now_ms, zone)}"
        case "retry":
            return _retry(facts, now_ms, zone)
        case "signal":
            return _signal(facts, now_ms, zone)
        case "person":
            deadline = facts["deadline_at"]
            return (f"asks a person whether its attempt {facts['attempt']}, which was interrupted, took effect"
                    + (f", until {_until(deadline, now_ms, zone)}" if deadline else ""))  # fmt: skip
        case "action":
            return f"{facts['message']} here; whoever drives it needs the module that holds it"
        case "queue":
            return _queue(facts, now_ms)
        case "suspect":
            return (f"it has crashed its process {facts['crashes']} times in this visit, so that it is driven alone; "
                    f"after more than {facts['crashes_max']} it is given up as Interrupted")  # fmt: skip
        case "ended":
            return _ended(facts, now_ms)
        case "unreadable":
            return (f"its definition, version {facts['version']}, cannot be read by this version of fsm: "
                    f"{facts['message']}; drive it with the one that stored it")  # fmt: skip
        case "nothing":
            return f"nothing will ever wake it: {facts['message']}; `fsm doctor` looks at the whole store"


def _held(facts: Mapping[str, Any], now_ms: int, zone: tzinfo | None) -> str:
    doing = f", attempt {facts['attempt']} of action {facts['action']}" if facts["action"] else ""
    beat = facts["heartbeat_at"]
    last = f"last heartbeat {ago(beat, now_ms)}" if beat else f"last transition {ago(facts['since_at'], now_ms)}"
    return f"driven by {_whose(facts, now_ms, zone)}{doing}; {last}"


def _whose(facts: Mapping[str, Any], now_ms: int, zone: tzinfo | None) -> str:
    expires = facts["lease_expires_at"]
    said = f"process {facts['pid']} on {facts['host']} (worker {facts['worker']}"
    if expires is not None:
        said += f", lease until {local(expires, zone)}" if expires > now_ms else f", lease over {ago(expires, now_ms)}"
    return said + ")"


def _until(instant_ms: int, now_ms: int, zone: tzinfo | None) -> str:
    return f"{local(instant_ms, zone)} (in {lasting(max(instant_ms - now_ms, 0))})"


def _retry(facts: Mapping[str, Any], now_ms: int, zone: tzinfo | None) -> str:
    most = facts["attempts_max"] or "unlimited"
    return (f"attempt {facts['attempt']} of {most} follows at {_until(facts['due_at'], now_ms, zone)}, "
            f"after {facts['class']}: {facts['message']}")  # fmt: skip


def _signal(facts: Mapping[str, Any], now_ms: int, zone: tzinfo | None) -> str:
    deadline = facts["deadline_at"]
    until = f"until {_until(deadline, now_ms, zone)}" if deadline else "without a deadline"
    lines = [f"waits for a signal, {until}", *(_INDENT + _arm(one) for one in facts["signals"])]
    if facts["match"]:
        lines.append(f"{_INDENT}only where {facts['match']}")
    return "\n".join(lines)


def _arm(one: Mapping[str, Any]) -> str:
    said = str(one["name"]) + (f" to {one['to']}" if one["to"] else "")
    if one["payload"]:
        said += f", with {', '.join(f'{field}: {kind}' for field, kind in one['payload'].items())}"
    if one["count"] and one["count"] > 1:
        said += f"; {one['came']} of {one['count']} distinct actors have sent it"
        said += f": {', '.join(one['actors'])}" if one["actors"] else ""
    elif one["came"]:
        said += f"; {one['came']} in its inbox"
    return said


def _queue(facts: Mapping[str, Any], now_ms: int) -> str:
    since = f"{'due' if facts['is_due'] else 'ready'} for {lasting(max(now_ms - facts['since_at'], 0))}"
    if facts["suspects"]:
        return f"{since}; workers drive {facts['suspects']} that crashed before, each alone, and then go on"
    if not facts["workers"]:
        return f"{since}, and no worker is there to take it"
    return f"{since}; {facts['ahead']} before it are taken first, by {facts['workers']} worker" + (
        "" if facts["workers"] == 1 else "s"
    )


def _ended(facts: Mapping[str, Any], now_ms: int) -> str:
    by = f" by {facts['actor']}" if facts["actor"] else ""
    said = f"ended {ago(facts['at'], now_ms)}, {facts['status']}{by}"
    if facts["class"]:
        return f'{said}: "{facts["failed_in"]}" failed with {facts["class"]}: {facts["message"]}'
    return said + (f": {facts['reason']}" if facts["reason"] else "")
