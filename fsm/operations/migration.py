"""The way of runs from one version of a workflow to another: checked as a whole, then moved one by one."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property

from fsm.checks.migration import Crossing
from fsm.diagnostics import did_you_mean
from fsm.engine.engine import Engine
from fsm.engine.inputs import fits, missing_inputs
from fsm.errors import NotFound, UsageError
from fsm.kernel.migration import MOVABLE, counted, migrate
from fsm.model.migration import Obstacle, Passage, Standing
from fsm.model.run import LIVE, Decision, Run, Status, Transition
from fsm.model.workflow import Workflow

DRIVEN = Obstacle("", "it is being driven", "wait until it rests, or take it from its driver with --running")


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
        self._running, self._at, self._changes = running, at, frozenset(changes)
        signatures = engine.registry.signatures or None
        self.is_whole = signatures is not None
        self._crossing = Crossing(self.old, self.new, self.states, signatures)

    def _stored(self, workflow: str, version: int) -> Workflow:
        if version not in self._known:
            known = f"it has {', '.join(map(str, self._known))}" if self._known else "it has no run of it"
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
            statuses: set[Status] = {*LIVE, "dead", "failed"} if failed else {*LIVE, "dead"}
            return [self.passage(run) for run in self._engine.store.pinned(self.old.digest, statuses)]
        run = self._engine.get(run_id)
        self._require_movable(run)
        return [self.passage(run)]

    def passage(self, run: Run) -> Passage:
        """Return what the other version means for one run of the old one."""
        failed = None if run.status in LIVE else self._engine.store.last_failure(run)
        goes_on = self._goes_on(run, failed)
        state = goes_on or run.state
        return Passage(run, state, self.states.get(state), tuple(self._obstacles(run, failed, goes_on)))

    def _obstacles(self, run: Run, failed: Transition | None, goes_on: str | None) -> Iterator[Obstacle]:
        if goes_on is None and self._at is not None:
            yield Obstacle("", f'the run has not been in "{self._at}"', "name a state that it has been in")
        yield from self._crossing.obstacles(self._standing(run, failed, goes_on))
        for name, text in self._engine.store.values(run, self._retyped).items():
            if fault := fits(self.new, name, text):
                yield Obstacle("FSM906", fault, "let the type of the input allow it", ("input", name))
        if run.status == "running" and not self._running and self._engine.store.held(run.id, self._engine.clock.now()):
            yield DRIVEN

    def _goes_on(self, run: Run, failed: Transition | None) -> str | None:
        """Return the state, by its name in the old version, from which a run would go on; None where there is none."""
        if run.status in LIVE:
            return run.state
        if self._at is None:
            return failed.source if failed else None
        been = self._engine.store.visited(run)
        return max((state for state in been if self.states.get(state) == self._at), key=been.__getitem__, default=None)

    def _standing(self, run: Run, failed: Transition | None, goes_on: str | None) -> Standing:
        target = self.states.get(goes_on) if goes_on is not None else None
        entries = counted(self.new, run, self.states, failed).get(target, 0) if target is not None else 0
        granted = 0 if run.status in LIVE else 1  # by the redrive that lets it go on
        return Standing(run.state, run.status, goes_on, self._held(run) | self._changes, entries - granted)

    def _held(self, run: Run) -> frozenset[str]:
        """Return the names that a run holds a value of."""
        written = self._engine.store.moment(run, run.seq).written
        return frozenset(name for name, digest in written.items() if digest is not None)

    @cached_property
    def _retyped(self) -> list[str]:
        """The inputs that the new version declares of another type than the old one did."""
        before = {name: field.type.text for name, field in self.old.definition.input.items()}
        return [name for name, field in self.new.definition.input.items() if before.get(name) != field.type.text]

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
        written = missing_inputs(self.new, self._held(run))
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


def obstructed(passage: Passage) -> str:
    """Return in one line what is in the way of a run."""
    return "; ".join(f"{one.message} ({one.hint})" if one.hint else one.message for one in passage.obstacles)


def mapped(old: Workflow, new: Workflow, states: Mapping[str, str]) -> dict[str, str]:
    """Return which state of a version becomes which of another: as given, and else the one of the same name.

    Raises:
        UsageError: a name is no state of its version.
    """
    for side, flow, names in (("from", old, states), ("to", new, states.values())):
        for name in names:
            if name not in flow.states:
                near = did_you_mean(name, flow.states)
                raise UsageError(f'the map leads {side} "{name}", which is no state of version {flow.version}'
                                 + (f"; {near}" if near else ""))  # fmt: skip
    return {state: states.get(state, state) for state in old.states if states.get(state, state) in new.states}
