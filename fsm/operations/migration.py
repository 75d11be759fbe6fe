"""The way of runs from one version of a workflow to another: checked as a whole, then moved one by one."""

from collections.abc import Collection, Mapping

from fsm.engine.engine import Engine
from fsm.engine.inputs import missing_inputs
from fsm.engine.prospect import IN_FLIGHT, Prospect, obstructed
from fsm.errors import NotFound, UsageError
from fsm.kernel.migration import MOVABLE, mapped, migrate
from fsm.model.migration import Passage
from fsm.model.run import Decision, Run
from fsm.model.workflow import Workflow


class Migration:
    """A way from one version of a workflow to another, and what it means for each run.

    Args:
        states: which state becomes which, where the name is another.
        running: whether runs are taken from whoever drives them.
        at: the state, by its name in the new version, from which failed runs shall go on; None for the one that failed.
        changes: names that will be written before they do.

    Raises:
        NotFound: there is no such workflow or version.
        UsageError: the map names a state that is not there, or the file has other content than the store.
    """

    def __init__(
        self, engine: Engine, workflow: str, old: int, new: int, states: Mapping[str, str], *, running: bool = False,
        at: str | None = None, changes: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._engine = engine
        self._known = engine.store.versions(workflow)
        self.old, self.new = self._stored(workflow, old), self._wanted(workflow, new)
        if self.old.digest == self.new.digest:
            raise UsageError(f'"{workflow}" has version {old} already; name another one to move to')
        self.states = mapped(self.old, self.new, states)
        signatures = engine.registry.signatures or None
        self.is_whole = signatures is not None
        self._prospect = Prospect(
            engine.store, self.old, self.new, self.states, signatures,
            is_driven=None if running else self._is_driven, at=at, changes=changes,
        )  # fmt: skip

    def _is_driven(self, run: Run) -> bool:
        return self._engine.store.held(run.id, self._engine.clock.now())

    def _stored(self, workflow: str, version: int) -> Workflow:
        if version not in self._known:
            known = f"it has {', '.join(map(str, self._known))}" if self._known else "it has none of it"
            raise NotFound(f'the store has no version {version} of "{workflow}"; {known}')
        return self._engine.library.pinned(self._engine.store, self._known[version])

    def _wanted(self, workflow: str, version: int) -> Workflow:
        flow = self._engine.library.newest(workflow, version)
        if flow is None:
            return self._stored(workflow, version)
        if self._known.get(version, flow.digest) != flow.digest:
            said = f'the content of "{workflow}" changed under version {version}, which the store has already'
            raise UsageError(f"{said}; give the changed file another version")
        return flow

    def passages(self, run_id: str | None = None, *, failed: bool = False) -> list[Passage]:
        """Return what the other version means for each run, oldest first.

        Args:
            run_id: only this run.
            failed: also runs that ended at an `end: failure`.

        Raises:
            NotFound: there is no such run.
            UsageError: it is no run of the old version, or has ended for good.
        """
        if run_id is None:
            return list(self._prospect.passages(MOVABLE if failed else IN_FLIGHT))
        run = self._engine.get(run_id)
        self._require_movable(run)
        return [self.passage(run)]

    def passage(self, run: Run) -> Passage:
        """Return what the other version means for one run of the old one."""
        return self._prospect.passage(run)

    def prepare(self) -> None:
        """Write the new version and the map of states into the store; `move` follows them."""
        engine = self._engine
        engine.store.save(self.new, engine.library.text(self.new), engine.clock.now())
        engine.store.map_states(self.old.digest, self.new.digest, self.states)

    def move(self, run_id: str, actor: str | None, reason: str | None) -> Run:
        """Move one run, checked once more as it stands then.

        Raises:
            UsageError: something is in the way of it.
        """
        return self._engine.move(run_id, lambda run: self.decided(run, actor, reason))

    def decided(self, run: Run, actor: str | None, reason: str | None) -> Decision:
        """Return what the move of a run would commit; raises as `move`."""
        self.require(run)
        store, now = self._engine.store, self._engine.clock.now()
        written = missing_inputs(self.new, self._prospect.held(run))
        failed, visited = store.last_failure(run), store.visited(run)
        return migrate(self.old, self.new, run, self.states, visited, failed, now, actor, reason, written=written)

    def require(self, run: Run) -> None:
        """Make sure that nothing is in the way of a run. Raises UsageError."""
        self._require_movable(run)
        passage = self.passage(run)
        if not passage.is_open:
            raise UsageError(obstructed(passage))

    def _require_movable(self, run: Run) -> None:
        """Make sure that a run is one of the old version, and can go on. Raises UsageError."""
        if run.digest != self.old.digest:
            raise UsageError(f'run {run.id} is one of "{run.workflow}" version {run.version}, not of "{self.old.name}" '
                             f"version {self.old.version}")  # fmt: skip
        if run.status not in MOVABLE:
            raise UsageError(f"run {run.id} has ended, {run.status}; it needs no other version")
