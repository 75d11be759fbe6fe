"""`fsm show`: a definition with every default written out."""

import click

from fsm.cli import options
from fsm.cli.drawn import chosen
from fsm.cli.exits import Exit, unsound
from fsm.cli.output import as_json, emit
from fsm.cli.session import session
from fsm.render.definition import show
from fsm.source.tree import parse_tree


@click.command("show")
@click.argument("workflow", metavar="[WORKFLOW|FILE]", type=options.TEXT, required=False)
@click.option("--run", "run_id", type=options.RUN_ID, metavar="RUN", help="The definition that a run is pinned to.")
@options.store
@options.definitions
@options.json
def command(workflow: str | None, run_id: str | None) -> int:
    """Print a definition with every default written out.

    Nothing is implicit in what it prints; reading it again gives the same edges. A definition with errors is not
    shown: its errors are.
    """
    here = session()
    picture = chosen(here, workflow, run_id)
    if picture.errors:
        unsound(picture.errors)
        return Exit.FAULTS
    text = show(picture.flow)
    if not here.options.json:
        emit(text.rstrip("\n"))
        return Exit.FINE
    tree, _ = parse_tree(text, picture.flow.name)
    assert tree is not None
    emit(as_json({"digest": picture.flow.digest, "definition": tree.value}))
    return Exit.FINE
