"""Settings: `FSM_*` variables, else `fsm.toml`, else `[tool.fsm]` of pyproject.toml, else the defaults."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from fsm.diagnostics import did_you_mean
from fsm.errors import UsageError


@dataclass(frozen=True)
class Config:
    """Where things are.

    Attributes:
        store: the database file.
        definitions: files and folders of definitions.
        actions: modules by dotted name, or Python files, that hold actions.
        origin: the file the settings were read from, or None.
    """

    store: str = "runs.db"
    definitions: tuple[str, ...] = ("definitions",)
    actions: tuple[str, ...] = ()
    origin: Path | None = field(default=None, compare=False)


def load(folder: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Return the settings that hold in a folder; the nearest file above it that has some counts.

    Paths in a file are relative to that file; paths in variables to the working directory. Several in one variable are
    separated as in PATH.

    Raises:
        UsageError: a file does not parse, or sets what there is not.
    """
    environment = os.environ if environment is None else environment
    found, origin = _from_files(folder)
    settings: dict[str, Any] = {name: _rooted(name, value, origin) for name, value in found.items()}
    for name in ("store", "definitions", "actions"):
        given = environment.get(f"FSM_{name.upper()}")
        if given:
            settings[name] = given if name == "store" else tuple(part for part in given.split(os.pathsep) if part)
    return Config(**settings, origin=origin)


def _from_files(folder: Path) -> tuple[dict[str, Any], Path | None]:
    folder = folder.absolute()
    for place in (folder, *folder.parents):
        own = place / "fsm.toml"
        if own.is_file():
            return _checked(_parsed(own), own), own
        project = place / "pyproject.toml"
        if project.is_file():
            tools = _parsed(project).get("tool")
            if isinstance(tools, dict) and "fsm" in tools:
                return _checked(tools["fsm"], project), project
    return {}, None


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} does not parse: {error}") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error


def _checked(table: Any, file: Path) -> dict[str, Any]:
    """Return the settings of a file with the shapes that `Config` has."""
    if not isinstance(table, dict):
        raise UsageError(f"{file}: [tool.fsm] must be a table")
    known = {one.name for one in fields(Config)} - {"origin"}
    settings: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            if isinstance(value, dict):  # a table of its own, such as [tool.fsm.check]
                continue
            near = did_you_mean(name, known)
            raise UsageError(
                f'{file}: unknown setting "{name}"' + (f"; {near}" if near else f"; known: {', '.join(sorted(known))}")
            )
        many = isinstance(value, list) and all(isinstance(part, str) for part in value)
        if not isinstance(value, str) and (name == "store" or not many):
            raise UsageError(f'{file}: "{name}" must be text' + ("" if name == "store" else " or a list of texts"))
        settings[name] = value if name == "store" else tuple([value] if isinstance(value, str) else value)
    return settings


def _rooted(name: str, value: Any, origin: Path | None) -> Any:
    """Return paths of a file as seen from the working directory; dotted module names stay what they are."""
    assert origin is not None

    def rooted(part: str) -> str:
        return part if name == "actions" and not part.endswith(".py") else str(origin.parent / part)

    return rooted(value) if isinstance(value, str) else tuple(rooted(part) for part in value)
