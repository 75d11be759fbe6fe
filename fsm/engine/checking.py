"""`fsm.check`: every finding in files and folders of definitions."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fsm.actions.registry import Registry
from fsm.diagnostics import Diagnostic, Severity
from fsm.engine.library import PathLike, check_files, definition_files
from fsm.errors import FSMError
from fsm.model.signature import Signature


def check(*places: PathLike, actions: Iterable[Any] = (), store: PathLike | None = None) -> list[Diagnostic]:
    """Return everything that is wrong with definitions, sorted by file and place; an empty list proves them sound.

    Args:
        places: definition files, or folders that are searched for *.yaml and *.yml.
        actions: modules with marked functions, or such functions; with them, the checks of the actions' parameters,
            types and outcomes run too.
        store: a database file; with it, what is in the way of its runs in flight, could they take these versions. It is
            only read, and may be in use.

    Returns:
        Errors, warnings and notes; only errors make a definition unsound. A place that cannot be read is an error, too.
    """
    try:
        signatures = Registry(actions).signatures or None
    except FSMError as error:
        return [Diagnostic("FSM001", Severity.ERROR, str(error), "actions")]
    found: list[Diagnostic] = []
    files: list[Path] = []
    for place in places:
        try:
            files += definition_files([place])
            found += check_files(definition_files([place]), signatures)
        except FSMError as error:
            found.append(Diagnostic("FSM001", Severity.ERROR, str(error), str(place)))
    if store is not None:
        found += _of_runs(store, files, signatures)
    return sorted(set(found), key=lambda one: one.sort_key)


def _of_runs(store: PathLike, files: list[Path], signatures: Mapping[str, Signature] | None) -> list[Diagnostic]:
    from fsm.engine.outlook import outlook  # noqa: PLC0415 - the store, only where one is asked about

    try:
        return outlook(store, files, signatures).findings
    except FSMError as error:
        return [Diagnostic("FSM001", Severity.ERROR, str(error), str(store))]
