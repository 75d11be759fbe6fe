"""`fsm check`: every finding in definitions."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fsm.cli import options
from fsm.cli.catalogue import text_of
from fsm.cli.exits import Exit
from fsm.cli.output import as_json as dumped
from fsm.cli.output import colours, emit, room, tell
from fsm.cli.session import Session, session
from fsm.cli.values import pairs
from fsm.cli.versions import state_map
from fsm.diagnostics import Diagnostic, Severity
from fsm.engine.library import check_files, definition_files
from fsm.errors import UsageError
from fsm.model.signature import Signature
from fsm.render.diagnostics import as_json, concise, full, summary
from fsm.render.diagnostics import fields as found_fields
from fsm.render.migration import fields, shown

if TYPE_CHECKING:
    from fsm.engine.outlook import Forecast, Outlook


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
@options.store_of_check
@state_map
@options.definitions
@options.imports
@options.json
@options.quiet
def command(
    *, places: tuple[str, ...], form: str, with_actions: bool, strict: bool, states: tuple[str, ...]
) -> int:  # fmt: skip
    """Prove definitions sound.

    Without FILE or DIR, the configured definitions. Findings go to stdout, all of them, sorted by place.

    With --store, the verdict before a deploy, too: which runs in flight could take the version in a file, and what is
    in the way of the others. Without PATH behind it, as the last word or before another option, the configured store.
    """
    here = session()
    files = definition_files(places or here.definitions)
    signatures = _signatures(here) if with_actions else None
    found, unread = _findings(files, signatures)
    forecasts = None
    if here.options.store is not None:
        verdict = _verdict(here, files, unread, signatures, pairs(states, "--map"))
        found, forecasts = sorted({*found, *verdict.findings}, key=lambda one: one.sort_key), verdict.forecasts
    elif states:
        raise UsageError("--map goes with --store")
    text = _printed(found, "json" if here.options.json else form, forecasts)
    if text:
        emit(text)
    for fault in unread.values():
        tell(f"Error: {fault}")
    if forecasts and signatures is None and not here.options.quiet:
        tell("what actions read by their parameters was not checked for these runs: --actions does")
    if not here.options.quiet:
        tell(summary(found, len(files) - len(unread)))
    if unread:
        return Exit.USAGE
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return Exit.FAULTS if any(one.severity in failing for one in found) else Exit.FINE


def _verdict(
    here: Session, files: Iterable[Path], unread: Mapping[Path, UsageError], signatures: Mapping[str, Signature] | None,
    states: Mapping[str, str],
) -> "Outlook":  # fmt: skip
    from fsm.engine.outlook import outlook  # noqa: PLC0415 - the store, only where one is asked about

    if not here.store.exists():
        raise UsageError(f"no store at {here.store}; `fsm run` creates it")
    return outlook(here.store, [file for file in files if file not in unread], signatures, states)


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
) -> tuple[list[Diagnostic], dict[Path, UsageError]]:
    """Return what was found, and why some files could not be looked at."""
    found: list[Diagnostic] = []
    unread: dict[Path, UsageError] = {}
    for file in files:
        try:
            found += check_files([file], signatures)
        except UsageError as fault:
            unread[file] = fault
    return sorted(found, key=lambda one: one.sort_key), unread


def _printed(found: list[Diagnostic], form: str, forecasts: "Sequence[Forecast] | None") -> str:
    """Return the findings, and what there is to say about runs where a store was asked about."""
    if form == "json":
        return as_json(found) if forecasts is None else _document(found, forecasts)
    if form == "concise":
        return concise(found)
    text = full(found, {path: text_of(path) for path in {one.path for one in found}}, colour=colours(sys.stdout))
    tables = [
        f"{one.new.name}: version {one.old.version} → {one.new.version}\n"
        + shown(one.passages, room(), colour=colours(sys.stdout))
        for one in forecasts or ()
    ]
    return "\n\n".join(part for part in (text, *tables) if part)


def _document(found: list[Diagnostic], forecasts: "Sequence[Forecast]") -> str:
    runs = [
        {"workflow": one.new.name, "from": one.old.version, "to": one.new.version, "path": one.path,
         "map": one.states, "runs": [fields(passage) for passage in one.passages]}
        for one in forecasts
    ]  # fmt: skip
    return dumped({"findings": [found_fields(one) for one in found], "versions": runs})
