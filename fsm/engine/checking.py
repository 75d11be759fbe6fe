"""`fsm.check`: every finding in files and folders of definitions."""

from collections.abc import Iterable
from typing import Any

from fsm.actions.registry import Registry
from fsm.diagnostics import Diagnostic, Severity
from fsm.engine.library import PathLike, check_files, definition_files
from fsm.errors import FSMError


def check(*places: PathLike, actions: Iterable[Any] = ()) -> list[Diagnostic]:
    """Return everything that is wrong with definitions, sorted by file and place; an empty list proves them sound.

    Args:
        places: definition files, or folders that are searched for *.yaml and *.yml.
        actions: modules with marked functions, or such functions; with them, the checks of the actions' parameters,
            types and outcomes run too.

    Returns:
        Errors, warnings and notes; only errors make a definition unsound. A place that cannot be read is an error, too.
    """
    try:
        signatures = Registry(actions).signatures or None
    except FSMError as error:
        return [Diagnostic("FSM001", Severity.ERROR, str(error), "actions")]
    found: list[Diagnostic] = []
    for place in places:
        try:
            found += check_files(definition_files([place]), signatures)
        except FSMError as error:
            found.append(Diagnostic("FSM001", Severity.ERROR, str(error), str(place)))
    return sorted(set(found), key=lambda one: one.sort_key)
