"""Dead runs under a repaired version: which one is meant, what it would mean for each, and the move to it."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fsm.cli.catalogue import named
from fsm.cli.session import Session
from fsm.cli.values import pairs
from fsm.cli.versions import files_of, show
from fsm.errors import UsageError
from fsm.model.letter import DeadLetter
from fsm.model.run import Run
from fsm.operations.migration import Migration

if TYPE_CHECKING:
    from fsm.engine.engine import Engine
    from fsm.model.workflow import Workflow


class Repaired:
    """The version that dead runs are to go on under, and the way of each to it.

    Args:
        version: which one, of the configured definitions or the store; None for the one in the file.
        definition: a file that holds it; None for the configured ones.
        states: which state becomes which, as `OLD=NEW`.
    """

    def __init__(self, version: int | None, definition: str | None, states: Iterable[str]) -> None:
        self._version, self._definition = version, definition
        self._states = pairs(states, "--map")
        self._plans: dict[int, Migration] = {}

    def __bool__(self) -> bool:
        return self._version is not None or self._definition is not None

    def files(self, here: Session, workflow: str | None) -> tuple[Path, ...]:
        """Return the definition files that may hold the version."""
        if self._definition is not None:
            return named(here.definitions, self._definition).files
        return files_of(here, workflow)[1] if self and workflow is not None else ()

    def plan(
        self, here: Session, engine: "Engine", letters: Collection[DeadLetter], at: str | None, changes: Collection[str]
    ) -> int:
        """Work out what the version means for each run, show it, and return how many can take it.

        Args:
            at: the state from which they shall go on; None for the one that failed.
            changes: the names that are written before they do.

        Raises:
            UsageError: the runs are not all of one workflow, or the file holds another one.
        """
        names = {letter.run.workflow for letter in letters}
        if not self:
            if self._states:
                raise UsageError("--map goes with --version or --definition")
            return len(letters)
        if len(names) > 1:
            raise UsageError(f"a version belongs to one workflow; these runs are of {', '.join(sorted(names))}")
        barred = 0
        for name in names:
            new = self._wanted(engine, name)
            for old in sorted({letter.run.version for letter in letters} - {new}):
                plan = self._plans[old] = Migration(engine, name, old, new, self._states, at=at, changes=changes)
                passages = [plan.passage(letter.run) for letter in letters if letter.run.version == old]
                show(here, plan, passages, as_data=False)
                barred += sum(not passage.is_open for passage in passages)
        return len(letters) - barred

    def _wanted(self, engine: "Engine", name: str) -> int:
        if self._definition is None:
            assert self._version is not None
            return self._version
        flow = engine.library.newest(name, self._version)
        if flow is None:
            raise engine.library.unknown(name, self._version)
        return flow.version

    def prepare(self) -> None:
        """Write the version and the maps of states into the store."""
        for plan in self._plans.values():
            plan.prepare()

    def flow(self, engine: "Engine", run: Run) -> "Workflow":
        """Return the workflow that a run will go on under."""
        plan = self._plans.get(run.version)
        return plan.new if plan else engine.workflow(run)

    def require(self, run: Run) -> None:
        """Make sure that a run can take the version. Raises UsageError."""
        plan = self._plans.get(run.version)
        if plan:
            plan.require(run)

    def target(self, run: Run, at: str | None) -> str | None:
        """Return the state that a run will go on in, as far as the version decides that."""
        plan = self._plans.get(run.version)
        return (at or plan.passage(run).target) if plan else None

    def move(self, run: Run, actor: str | None, reason: str | None) -> None:
        """Move a run to the version, unless it has it. Raises UsageError."""
        plan = self._plans.get(run.version)
        if plan:
            plan.move(run.id, actor, reason)
