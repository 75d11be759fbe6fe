"""`fsm check`: every finding in definitions."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from fsm.cli import options
from fsm.cli.catalogue import text_of
from fsm.cli.exits import Exit
from fsm.cli.output import colours, emit, tell
from fsm.cli.session import Session, session
from fsm.diagnostics import Diagnostic, Severity
from fsm.engine.library import check_files, definition_files
from fsm.errors import UsageError
from fsm.model.signature import Signature
from fsm.render.diagnostics import as_json, concise, full, summary


@click.command("check")
@click.argument("places", metavar="[FILE|DIR]…", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["full", "concise", "json"]),
    default="full",
    show_default=True,
    help="How findings are printed.",
)
@click.option(
    "--actions", "with_actions", is_flag=True, help="Check against the registered actions, too: this imports them."
)
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
@options.definitions
@options.imports
@options.json
@options.quiet
def command(places: tuple[str, ...], form: str, with_actions: bool, strict: bool) -> int:
    """Prove definitions sound.

    Without FILE or DIR, the configured definitions. Findings go to stdout, all of them, sorted by place.
    """
    here = session()
    files = definition_files(places or here.definitions)
    signatures = _signatures(here) if with_actions else None
    found, unread = _findings(files, signatures)
    text = _printed(found, "json" if here.options.json else form)
    if text:
        emit(text)
    for fault in unread:
        tell(f"Error: {fault}")
    if not here.options.quiet:
        tell(summary(found, len(files) - len(unread)))
    if unread:
        return Exit.USAGE
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return Exit.FAULTS if any(one.severity in failing for one in found) else Exit.FINE


def _signatures(here: Session) -> Mapping[str, Signature]:
    from fsm.actions.registry import Registry  # noqa: PLC0415

    modules = here.modules()
    if not modules:
        raise UsageError(
            "--actions needs actions: name their modules with --import, FSM_ACTIONS, or `actions` in fsm.toml"
        )
    return Registry(modules).signatures


def _findings(
    files: Iterable[Path], signatures: Mapping[str, Signature] | None
) -> tuple[list[Diagnostic], list[UsageError]]:
    """Return what was found, and why some files could not be looked at."""
    found: list[Diagnostic] = []
    unread: list[UsageError] = []
    for file in files:
        try:
            found += check_files([file], signatures)
        except UsageError as fault:
            unread.append(fault)
    return sorted(found, key=lambda one: one.sort_key), unread


def _printed(found: list[Diagnostic], form: str) -> str:
    if form == "json":
        return as_json(found)
    if form == "concise":
        return concise(found)
    return full(found, {path: text_of(path) for path in {one.path for one in found}}, colour=colours(sys.stdout))
