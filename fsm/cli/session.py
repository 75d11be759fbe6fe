"""One command line with its settings: where things are, and the engine opened on them."""

import shlex
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fsm.cli.options import Given, given
from fsm.errors import StoreError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

    from fsm.config import Config
    from fsm.engine.engine import Engine
    from fsm.engine.inline import Watcher
    from fsm.telemetry import Telemetry

ACTIONS_CURE = "name the module that holds it with --import, FSM_ACTIONS, or `actions` in fsm.toml"


class Session:
    """The settings of one command line, options before files, and what is opened by them."""

    def __init__(self, options: Given) -> None:
        self.options = options

    @cached_property
    def config(self) -> "Config":
        from fsm.config import load  # noqa: PLC0415

        return load(self.folder)

    @cached_property
    def folder(self) -> Path:
        """The working directory."""
        try:
            return Path.cwd()
        except FileNotFoundError:
            raise UsageError("the working directory was deleted; change to another one") from None

    @property
    def store(self) -> Path:
        return Path(self.options.store or self.config.store)

    @property
    def definitions(self) -> Sequence[str]:
        return self.options.definitions or self.config.definitions

    def modules(self) -> "list[ModuleType]":
        """Import the modules with actions, those of the options on top of the configured ones."""
        from fsm.cli.imports import import_all  # noqa: PLC0415

        names = dict.fromkeys((*self.config.actions, *self.options.imports))
        folders = [self.folder, *([self.config.origin.parent] if self.config.origin else [])]
        return import_all(names, folders)

    def engine(
        self,
        files: Sequence[Path] = (),
        modules: "Sequence[ModuleType]" = (),
        watch: "Watcher | None" = None,
        telemetry: "Telemetry | None" = None,
    ) -> "Engine":
        """Open the engine; the store is created where there is none.

        Raises:
            StoreError: the store cannot be used.
        """
        from fsm.engine.engine import Engine  # noqa: PLC0415

        if self.store.is_dir():
            raise StoreError(f"{self.store} is a folder; name a file for the store")
        if not self.store.absolute().parent.is_dir():
            raise StoreError(f"{self.store.absolute().parent} does not exist; create the folder, or name another store")
        return Engine(self.store, definitions=files, actions=modules, watch=watch, telemetry=telemetry)

    def rules(self) -> Sequence[Path]:
        """Return the definition files, for what rules runs that were started long ago; the store may do without."""
        from fsm.config import Config  # noqa: PLC0415
        from fsm.engine.library import definition_files  # noqa: PLC0415

        unwritten = tuple(self.definitions) == Config.definitions
        there = [place for place in self.definitions if not unwritten or Path(place).exists()]
        return definition_files(there)

    def existing(
        self, modules: "Sequence[ModuleType]" = (), watch: "Watcher | None" = None, *, files: Sequence[Path] = ()
    ) -> "Engine":
        """Open the engine on a store that is there.

        Raises:
            UsageError: there is none.
        """
        if not self.store.exists():
            raise UsageError(f"no store at {self.store}; `fsm run` creates it")
        return self.engine(files, modules, watch)

    def line(self, *words: str) -> str:
        """Return a command line that goes on from this one, with the options that it needs to do so."""
        options = ["--store", self.options.store] if self.options.store else []
        if words[0] in ("run", "resume"):
            for name in self.options.imports:
                options += ["--import", name]
        return shlex.join(["fsm", words[0], *options, *words[1:]])


def session() -> Session:
    """Return the settings of the command line that is being answered."""
    return Session(given())
