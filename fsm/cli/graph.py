"""`fsm graph`: a workflow as Mermaid or Graphviz text, with a run's way through it."""

import sys
from typing import Any

import click

from fsm.cli import options
from fsm.cli.catalogue import text_of
from fsm.cli.drawn import Picture, chosen
from fsm.cli.exits import Exit
from fsm.cli.output import as_json, colours, emit, tell
from fsm.cli.session import session
from fsm.render.diagnostics import full
from fsm.render.graph import dot, mermaid
from fsm.render.runs import fields


@click.command("graph")
@click.argument("workflow", metavar="[WORKFLOW|FILE]", type=options.TEXT, required=False)
@click.option(
    "--run", "run_id", type=options.RUN_ID, metavar="RUN", help="Mark where a run is and the edges it passed."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "dot"]),
    default="mermaid",
    show_default=True,
    help="Mermaid or Graphviz.",
)
@options.store
@options.definitions
@options.json
def command(workflow: str | None, run_id: str | None, form: str) -> int:
    """Draw a workflow, with a run's way through it.

    A workflow with errors is drawn as far as it can be read; its errors go to stderr.
    """
    here = session()
    picture = chosen(here, workflow, run_id)
    if here.options.json:
        emit(as_json(_document(picture)))
    else:
        draw = mermaid if form == "mermaid" else dot
        emit(draw(picture.flow, picture.run.state if picture.run else None, picture.passed))
    if not picture.errors:
        return Exit.FINE
    texts = {one.path: text_of(one.path) for one in picture.errors}
    tell(full(picture.errors, texts, colour=colours(sys.stderr)))
    return Exit.FAULTS


def _document(picture: Picture) -> dict[str, Any]:
    flow = picture.flow
    edges = [
        {"source": edge.source or None, "event": edge.event, "target": edge.target, "ends": edge.ends,
         "passed": edge[:3] in picture.passed}
        for edge in flow.edges
        if edge.event != "fault"
    ]  # fmt: skip
    return {
        "workflow": flow.name,
        "version": flow.version,
        "digest": flow.digest,
        "start": flow.start,
        "states": [{"name": name, "verb": state.VERB} for name, state in flow.states.items()],
        "edges": edges,
        "run": fields(picture.run) if picture.run else None,
    }
