"""`fsm run`: start a run, or find it by its key, and drive it until it stops."""

from typing import TYPE_CHECKING, Any

import click

from fsm.cli import options
from fsm.cli.catalogue import named
from fsm.cli.driving import concluded, drive, explained
from fsm.cli.exits import Exit, of_status
from fsm.cli.output import as_json, emit
from fsm.cli.progress import progress
from fsm.cli.session import ACTIONS_CURE, session
from fsm.cli.values import pairs, read_object, typed
from fsm.errors import NotFound, UsageError
from fsm.render.runs import fields
from fsm.telemetry import Telemetry

if TYPE_CHECKING:
    from fsm.cli.progress import Silent
    from fsm.cli.session import Session
    from fsm.engine.drive import Until
    from fsm.engine.engine import Engine
    from fsm.model.workflow import Workflow


@click.command("run")
@click.argument("workflow", metavar="WORKFLOW|FILE", type=options.TEXT)
@click.option("--input", "whole", metavar="JSON|@FILE", help="The input as a JSON object; @- reads stdin.")
@click.option(
    "-i",
    "single",
    multiple=True,
    metavar="NAME=VALUE",
    type=options.TEXT,
    help="One input; repeatable, and wins over --input.",
)
@click.option(
    "--key", type=options.TEXT, metavar="TEXT", help="Your name for the run: the same key finds the same run."
)
@click.option("--version", type=click.IntRange(1), metavar="N", help="Of the workflow; the highest by default.")
@click.option(
    "--priority",
    type=click.IntRange(-(2**31), 2**31 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Workers take runs of a higher one first.",
)
@click.option(
    "--until",
    type=click.Choice(["rest", "end"]),
    default="rest",
    show_default=True,
    help="Stay through waits and signals, too.",
)
@click.option("--detach", is_flag=True, help="Only start it; `fsm resume` drives it.")
@click.option("--otel", is_flag=True, help="Tell OpenTelemetry of attempts and transitions.")
@options.store
@options.definitions
@options.imports
@options.json
@options.quiet
def command(
    *, workflow: str, whole: str | None, single: tuple[str, ...], key: str | None, version: int | None, until: "Until",
    detach: bool, priority: int, otel: bool,
) -> int:  # fmt: skip
    """Start a run and drive it until it stops.

    The run's output goes to stdout; with --detach, its id. A value is taken as text where the workflow declares
    text, and as JSON otherwise.
    """
    here = session()
    inputs = read_object(whole, "--input") if whole is not None else {}
    texts = pairs(single, "-i")
    found = named(here.definitions, workflow)
    watching = progress(quiet=here.options.quiet, several=False)
    with here.engine(found.files, here.modules(), watching.watch, Telemetry() if otel else None) as engine:
        flow = _flow(engine, found.name, version)
        _require_actions(engine, flow)
        inputs |= typed(texts, {name: field.type.annotation for name, field in flow.definition.input.items()})
        if detach:
            return _detached(here, engine, flow, inputs, key, priority)
        run = drive(
            lambda: engine.run(flow.name, inputs, key=key, version=flow.version, until=until, priority=priority),
            watching,
            lambda: _go_on(here, engine, watching, flow, key),
        )
        return concluded(here, engine, run)


def _flow(engine: "Engine", name: str, version: int | None) -> "Workflow":
    flow = engine.library.newest(name, version)
    if flow is None:
        known = ", ".join(str(one.version) for one in engine.library.flows if one.name == name)
        raise NotFound(f'no version {version} of "{name}" among the definitions; versions: {known}')
    return flow


def _require_actions(engine: "Engine", flow: "Workflow") -> None:
    """Refuse before anything is started, and say how the command line takes actions."""
    missing = [engine.registry.missing(name) for name in flow.actions() if name not in engine.registry]
    if missing:
        raise UsageError(f'"{flow.name}" cannot run: {"; ".join(missing)}; {ACTIONS_CURE}')


def _detached(
    here: "Session", engine: "Engine", flow: "Workflow", inputs: dict[str, Any], key: str | None, priority: int
) -> Exit:
    run = engine.start(flow.name, inputs, key=key, version=flow.version, priority=priority)
    emit(as_json(fields(run)) if here.options.json else run.id)
    explained(here, engine, run)
    return of_status(run.status)


def _go_on(here: "Session", engine: "Engine", watching: "Silent", flow: "Workflow", key: str | None) -> str:
    """Say how to go on with an interrupted run, which may not have told its id yet."""
    run = watching.run or (engine.find(flow.name, key) if key is not None else None)
    if run is None:
        return f"nothing that was committed is lost; if a run was started, `{here.line('ls')}` lists it"
    return f"nothing that was committed is lost; to go on: {here.line('resume', run.id)}"
