"""`fsm resume`: drive on what a crash, a wait or a retry left behind."""

import sys
from typing import TYPE_CHECKING

import click

from fsm.cli import options
from fsm.cli.driving import concluded, drive, explained, parked
from fsm.cli.exits import Exit, of_status
from fsm.cli.output import as_json, colours, emit, room, tell
from fsm.cli.progress import progress
from fsm.cli.session import ACTIONS_CURE, session
from fsm.kernel.why import unpause_words
from fsm.model.definition import ActionState
from fsm.render.pauses import told
from fsm.render.runs import fields, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fsm.cli.progress import Silent
    from fsm.cli.session import Session
    from fsm.engine.drive import Until
    from fsm.engine.engine import Engine
    from fsm.model.run import Run


@click.command("resume")
@click.argument("run_id", metavar="[RUN]", type=options.RUN_ID, required=False)
@click.option(
    "--until",
    type=click.Choice(["rest", "end"]),
    default="rest",
    show_default=True,
    help="Stay through waits and signals, too.",
)
@options.store
@options.imports
@options.json
@options.quiet
def command(run_id: str | None, until: "Until") -> int:
    """Drive on what a crash or a wait left behind.

    Without RUN, everything that can go on now: runs that a crash interrupted, due timers and retries, ready ones.
    Definitions are not needed: the store keeps what runs are pinned to.
    """
    here = session()
    watching = progress(quiet=here.options.quiet, several=run_id is None)
    with here.existing(here.modules(), watching.watch) as engine:
        if run_id is not None:
            return _one(here, engine, watching, run_id, until)
        return _all(here, engine, watching, until)


def _one(here: "Session", engine: "Engine", watching: "Silent", run_id: str, until: "Until") -> Exit:
    run = engine.get(run_id)
    (run,) = drive(
        lambda: engine.resume(run.id, until=until),
        watching,
        lambda: f"nothing that was committed is lost; to go on: {here.line('resume', run.id)}",
    )
    return concluded(here, engine, run)


def _all(here: "Session", engine: "Engine", watching: "Silent", until: "Until") -> Exit:
    waiting = engine.store.claimable(engine.clock.now(), delayed=True)
    runs = drive(
        lambda: engine.resume(until=until),
        watching,
        lambda: f"nothing that was committed is lost; to go on: {here.line('resume')}",
    )
    if here.options.json:
        emit(as_json([fields(run) for run in runs]))
    elif runs:
        emit(listed(runs, engine.clock.now(), room(), None, colour=colours(sys.stdout)))
    left = _left(engine, set(waiting) - {run.id for run in runs})
    if not here.options.quiet:
        _told(here, engine, runs, left)
    if left:
        tell(f"Error: {left} run{'s' if left > 1 else ''} could not go on for want of an action; {ACTIONS_CURE}")
        return Exit.USAGE
    codes = {parked(engine, run) or of_status(run.status) for run in runs}
    if engine.store.held_back(engine.clock.now()):
        codes.add(Exit.PARKED)
    return next((code for code in (Exit.FAULTS, Exit.PARKED) if code in codes), Exit.FINE)


def _told(here: "Session", engine: "Engine", runs: "Sequence[Run]", left: int) -> None:
    if not runs and not left:
        tell("nothing to resume")
    if held_back := engine.store.held_back(engine.clock.now()):
        tell(f"held back: {held_back} run{'' if held_back == 1 else 's'}")
        for pause in engine.store.pauses():
            tell(f"  {told(pause, None)}; this ends it:\n  {here.line(*unpause_words(pause))}")
    for run in runs:
        if run.status != "succeeded":
            explained(here, engine, run)


def _left(engine: "Engine", run_ids: set[str]) -> int:
    """Return how many runs could not go on for want of an action; the engine's log names each."""
    return sum(_lacks_action(engine, engine.get(run_id)) for run_id in run_ids)


def _lacks_action(engine: "Engine", run: "Run") -> bool:
    flow = engine.workflow(run)
    if run.status != "ready" or not isinstance(flow.states[run.state], ActionState):
        return False
    return any(run.state in states and name not in engine.registry for name, states in flow.actions().items())
