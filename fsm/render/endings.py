"""What to say when a run has stopped: how it ended, or what it waits for and the command that moves it on."""

from collections.abc import Callable, Sequence
from datetime import tzinfo

from fsm.kernel.why import signal_words, unpause_words
from fsm.model.pause import Pause
from fsm.model.run import PERSON, Run
from fsm.model.workflow import Workflow
from fsm.render.instants import lasting, local, utc
from fsm.render.pauses import told
from fsm.render.terminal import safe

Command = Callable[..., str]
"""From the words of a command to the line that a person can paste."""


def ending(
    run: Run, flow: Workflow, command: Command, zone: tzinfo | None, *, redrivable: bool = False,
    pauses: Sequence[Pause] = (),
) -> str:  # fmt: skip
    """Return some lines about a run that is no longer driven.

    Args:
        run: as it stands now.
        flow: what the run is pinned to.
        command: writes out a command line.
        zone: of the times shown; None is the machine's own.
        redrivable: whether there is an error behind a run that has ended.
        pauses: what holds it back.
    """
    name = f"run {run.id} ({run.workflow}@{run.version})"
    took = f"{lasting(max(run.updated_at - run.started_at, 0))}, {run.seq} transition{'' if run.seq == 1 else 's'}"
    match run.status:
        case "succeeded":
            lines = [f'{name} succeeded in "{run.state}": {took}']
        case "failed" | "dead" | "cancelled":
            lines = [
                f'{name} {_VERBS[run.status]} in "{run.state}": {took}',
                *_why(run),
                *(_mend(run, command) if redrivable else []),
            ]
        case _ if pauses:
            until = _due(run, zone) if run.status == "waiting" else ""
            lines = [f'{name} is paused in "{run.state}"{until}', *_paused(run, pauses, command, zone)]
        case "waiting":
            lines = [f'{name} waits in "{run.state}"{_due(run, zone)}', *_moves(run, flow, command)]
        case "ready":
            lines = [f'{name} is ready in "{run.state}"; this drives it on:', f"  {command('resume', run.id)}"]
        case "running":
            lines = [f'{name} is driven by another process, in "{run.state}"']
    return "\n".join(safe(line) for line in lines)


_VERBS = {"failed": "failed", "dead": "is dead", "cancelled": "was cancelled"}


def _why(run: Run) -> list[str]:
    return [f"  {line}" for line in run.reason.splitlines()] if run.reason else []


def _mend(run: Run, command: Command) -> list[str]:
    return ["  once the cause is mended, this lets it try again from the state that failed:",
            f"  {command('redrive', run.id)} && {command('resume', run.id)}"]  # fmt: skip


def _paused(run: Run, pauses: Sequence[Pause], command: Command, zone: tzinfo | None) -> list[str]:
    lift = " && ".join(command(*unpause_words(pause)) for pause in pauses)
    lines = [f"  {told(pause, zone)}" for pause in pauses]
    if run.status == "waiting" and run.awaits == PERSON:
        return [*lines, "  it asks a person, who may answer all the same; this ends the pause:", f"  {lift}"]
    if run.status == "waiting" and run.awaits:
        return [*lines, "  signals are kept meanwhile; this ends the pause:", f"  {lift}"]
    return [*lines, "  this ends that, and drives the run on:", f"  {lift} && {command('resume', run.id)}"]


def _due(run: Run, zone: tzinfo | None) -> str:
    return "" if run.due_at is None else f" until {local(run.due_at, zone)} ({utc(run.due_at)})"


def _moves(run: Run, flow: Workflow, command: Command) -> list[str]:
    resume = command("resume", run.id)
    if run.awaits == PERSON:
        return ["  for a person to say whether its interrupted action took effect:",
                f"  it did:     {command('complete', run.id, '--actor', 'NAME', '--value', 'JSON')} && {resume}",
                f"  it did not: {command('redrive', run.id)} && {resume}"]  # fmt: skip
    state = flow.states[run.state]
    lines = [f"  {command(*signal_words(run, state, name))} && {resume}" for name in run.awaits]
    if lines:
        lines.insert(0, "  for a signal; one of these sends it and drives the run on:")
    if run.due_at is not None:
        lines += ["  when that time has come, this drives it on:", f"  {resume}"]
    return lines
