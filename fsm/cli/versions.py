"""What commands that lead to another version share: the map of states, and how a plan is shown before it is done."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fsm.cli import options
from fsm.cli.output import as_json, colours, emit, room, tell
from fsm.cli.session import Session
from fsm.errors import NotFound
from fsm.kernel.migration import edge_changes
from fsm.model.migration import Passage
from fsm.render import migration as render

if TYPE_CHECKING:
    from fsm.operations.migration import Migration

state_map = click.option(
    "--map",
    "states",
    multiple=True,
    metavar="OLD=NEW",
    type=options.TEXT,
    help="A state that has another name now; repeatable.",
)
where_possible = click.option(
    "--where-possible", is_flag=True, help="Move the runs that can be moved, and leave the others."
)


def files_of(here: Session, word: str) -> tuple[str, tuple[Path, ...]]:
    """Return the workflow that a word means, with its files; without any it is a name that the store may know."""
    from fsm.cli.catalogue import named  # noqa: PLC0415 - reads every definition

    try:
        found = named(here.definitions, word)
    except NotFound:
        if "/" in word or Path(word).suffix:
            raise
        return word, ()
    return found.name, found.files


def show(here: Session, plan: "Migration", passages: Sequence[Passage], *, as_data: bool) -> None:
    """Show what a migration would mean; on stdout where that is what was asked for."""
    gone, come = edge_changes(plan.old, plan.new, plan.states)
    if as_data and here.options.json:
        emit(as_json(document(plan, passages)))
    else:
        title = f"{plan.old.name}: version {plan.old.version} → {plan.new.version}"
        table = render.shown(passages, room(), colour=colours(sys.stdout if as_data else sys.stderr))
        (emit if as_data else tell)(f"{title}\n{render.edges_shown(gone, come)}\n{table}")
    if not plan.is_whole and not here.options.quiet:
        tell("what actions read by their parameters was not checked: name their modules with --import")


def document(plan: "Migration", passages: Sequence[Passage]) -> dict[str, Any]:
    """Return a plan as JSON."""
    gone, come = edge_changes(plan.old, plan.new, plan.states)
    return {
        "workflow": plan.old.name,
        "from": plan.old.version,
        "to": plan.new.version,
        "map": plan.states,
        "edges": {"gone": render.edge_fields(gone), "come": render.edge_fields(come)},
        "runs": [render.fields(passage) for passage in passages],
    }
