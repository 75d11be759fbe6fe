"""`fsm pause`: the kill switch."""

import sys
from typing import TYPE_CHECKING

import click

from fsm import operations
from fsm.cli import options
from fsm.cli.output import as_json, colours, emit, room, tell
from fsm.cli.session import session
from fsm.errors import UsageError
from fsm.kernel.why import unpause_words
from fsm.render.pauses import fields, listed, told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fsm.cli.session import Session
    from fsm.engine.engine import Engine


@click.command("pause")
@options.of_workflow
@options.of_state
@click.option("--now", is_flag=True, help="Workers also interrupt the actions in flight that can be.")
@click.option("--list", "lists", is_flag=True, help="Pause nothing; list what is paused.")
@click.option("--past", is_flag=True, help="With --list: also the pauses that are over.")
@options.actor
@options.reason
@options.store
@options.definitions
@options.json
@options.quiet
def command(
    *, workflow: str | None, state: str | None, now: bool, lists: bool, past: bool, actor: str | None,
    reason: str | None,
) -> int:  # fmt: skip
    """Hold back everything, a workflow, or a state of it.

    No action of it starts any more, in any process, and no edge is crossed. What is in flight ends, and its result is
    committed. Signals are kept and clocks run on; `fsm unpause` lets everything continue.
    """
    here = session()
    if lists or past:
        if workflow or state or now or actor or reason:
            raise UsageError("--list pauses nothing, and takes no other option than --past")
        with here.existing() as engine:
            return _list(here, engine, past=past)
    files = _files(here, workflow, state)
    with here.existing(files=files) as engine:
        made = operations.pause(engine, workflow, state, now=now, actor=actor, reason=reason)
        if here.options.json:
            emit(as_json(fields(made)))
        if not here.options.quiet:
            tell(f"{told(made, None)}; this ends it:\n  {here.line(*unpause_words(made))}")
    return 0


def _files(here: "Session", workflow: str | None, state: str | None) -> "Sequence[Path]":
    """Return the files of a workflow of which the store does not know enough; an unsound one must not be in the way."""
    from fsm.cli.catalogue import named  # noqa: PLC0415 - rarely needed
    from fsm.errors import FSMError  # noqa: PLC0415

    if workflow is None:
        return ()
    with here.existing() as engine:
        states = engine.store.states(workflow)
    if states and (state is None or state in states):
        return ()
    try:
        return named(here.definitions, workflow).files
    except FSMError:
        return ()


def _list(here: "Session", engine: "Engine", *, past: bool) -> int:
    pauses = engine.store.pauses()
    over = engine.store.past_pauses() if past else []
    if here.options.json:
        emit(as_json([*(fields(pause) for pause in pauses), *(fields(one.pause, one) for one in over)]))
    elif pauses or over:
        emit(listed(pauses, over, room(), None, colour=colours(sys.stdout)))
    if not pauses and not here.options.quiet:
        tell("nothing is paused")
    return 0
