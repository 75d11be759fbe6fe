"""`fsm signal`: send a named event to a run."""

from typing import TYPE_CHECKING, Any

import click

from fsm.cli import options
from fsm.cli.driving import moved
from fsm.cli.output import tell
from fsm.cli.session import session
from fsm.cli.values import pairs, read_json, typed
from fsm.engine.inbox import admissible
from fsm.errors import UsageError
from fsm.model.run import Run

if TYPE_CHECKING:
    from fsm.engine.engine import Engine


@click.command("signal")
@options.run_id
@click.argument("name", type=options.TEXT)
@click.option("--payload", "whole", metavar="JSON|@FILE", help="What it carries; @- reads stdin.")
@click.option(
    "-p", "single", multiple=True, metavar="NAME=VALUE", type=options.TEXT, help="One field of the payload; repeatable."
)
@options.actor
@click.option(
    "--id",
    "message_id",
    type=options.TEXT,
    metavar="MESSAGE_ID",
    help="The same id is consumed once, however often it is sent.",
)
@options.store
@options.json
@options.quiet
def command(
    *, run_id: str, name: str, whole: str | None, single: tuple[str, ...], actor: str | None, message_id: str | None
) -> int:
    """Send a signal to a run.

    It is taken at once if the run awaits it, and kept if a state still ahead does. It does not drive the run on;
    `fsm resume` does.
    """
    here = session()
    with here.existing() as engine:
        before = engine.get(run_id)
        payload = _payload(engine, before, name, whole, pairs(single, "-p"))
        run = engine.signal(before.id, name, payload, actor=actor, message_id=message_id)
        if run.seq == before.seq and not here.options.quiet:
            tell(f'signal "{name}" is kept')
        moved(here, engine, run)
    return 0


def _payload(engine: "Engine", run: Run, name: str, whole: str | None, texts: dict[str, str]) -> Any:
    """Return the payload, single fields read by the types that the signal declares."""
    payload = read_json(whole, "--payload") if whole is not None else None
    if not texts:
        return payload
    if payload is not None and not isinstance(payload, dict):
        raise UsageError("-p adds fields to a JSON object; --payload is none")
    if run.is_final:
        return {**(payload or {}), **texts}  # refused by the engine, which says why
    arm = admissible(engine.workflow(run), run, name).signal[name]
    return {**(payload or {}), **typed(texts, {field: kind.annotation for field, kind in arm.payload.items()})}
