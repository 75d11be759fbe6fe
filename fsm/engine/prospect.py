"""What another version of a workflow means for its runs."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Protocol

from fsm.checks.migration import Crossing
from fsm.engine.inputs import fits
from fsm.errors import NotFound
from fsm.kernel.migration import counted
from fsm.model.migration import Obstacle, Passage, Standing
from fsm.model.run import LIVE, Moment, Run, Status, Transition
from fsm.model.signature import Signature
from fsm.model.workflow import Workflow

DRIVEN = Obstacle("", "it is being driven", "wait until it rests, or take it from its driver with --running")
IN_FLIGHT: frozenset[Status] = LIVE | {"dead"}
"""The statuses of runs that are to go on, sooner or later."""


class Reading(Protocol):
    """What of a store a prospect reads."""

    def pinned(self, digest: str, statuses: Collection[Status]) -> Iterator[Run]: ...
    def last_failure(self, run: Run) -> Transition | None: ...
    def visited(self, run: Run) -> dict[str, int]: ...
    def moment(self, run: Run, seq: int) -> Moment: ...
    def values(self, run: Run, names: Iterable[str]) -> dict[str, str]: ...


class Prospect:
    """What a version means for the runs of another one; only reads.

    Args:
        states: which state of the old version becomes which of the new one.
        signatures: of the actions, by name; None where they are not known, which leaves their parameters unchecked.
        is_driven: whether somebody drives a run, which is in its way; None where that does not matter.
        at: the state, by its name in the new version, from which failed runs shall go on; None for the one that failed.
        changes: names that will be written before they do.
    """

    def __init__(
        self, store: Reading, old: Workflow, new: Workflow, states: Mapping[str, str],
        signatures: Mapping[str, Signature] | None, *, is_driven: Callable[[Run], bool] | None = None,
        at: str | None = None, changes: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._store, self.old, self.new, self.states = store, old, new, states
        self._is_driven, self._at, self._changes = is_driven, at, frozenset(changes)
        self._crossing = Crossing(old, new, states, signatures)

    def passages(self, statuses: Collection[Status] = IN_FLIGHT) -> Iterator[Passage]:
        """Yield what the version means for each run of the old one with such a status, oldest first."""
        for run in self._store.pinned(self.old.digest, statuses):
            with contextlib.suppress(NotFound):  # deleted meanwhile
                yield self.passage(run)

    def passage(self, run: Run) -> Passage:
        """Return what the other version means for one run of the old one."""
        failed = None if run.status in LIVE else self._store.last_failure(run)
        goes_on = self._goes_on(run, failed)
        state = goes_on or run.state
        return Passage(run, state, self.states.get(state), tuple(self._obstacles(run, failed, goes_on)))

    def _obstacles(self, run: Run, failed: Transition | None, goes_on: str | None) -> Iterator[Obstacle]:
        if goes_on is None and self._at is not None:
            yield Obstacle("", f'the run has not been in "{self._at}"', "name a state that it has been in")
        yield from self._crossing.obstacles(self._standing(run, failed, goes_on))
        for name, text in self._store.values(run, self._retyped).items():
            if fault := fits(self.new, name, text):
                yield Obstacle("FSM906", fault, "let the type of the input allow it", ("input", name))
        if run.status == "running" and self._is_driven and self._is_driven(run):
            yield DRIVEN

    def _goes_on(self, run: Run, failed: Transition | None) -> str | None:
        """Return the state, by its name in the old version, from which a run would go on; None where there is none."""
        if run.status in LIVE:
            return run.state
        if self._at is None:
            return failed.source if failed else None
        been = self._store.visited(run)
        return max((state for state in been if self.states.get(state) == self._at), key=been.__getitem__, default=None)

    def _standing(self, run: Run, failed: Transition | None, goes_on: str | None) -> Standing:
        target = self.states.get(goes_on) if goes_on is not None else None
        entries = counted(self.new, run, self.states, failed).get(target, 0) if target is not None else 0
        granted = 0 if run.status in LIVE else 1  # by the redrive that lets it go on
        return Standing(run.state, run.status, goes_on, self.held(run) | self._changes, entries - granted)

    def held(self, run: Run) -> frozenset[str]:
        """Return the names that a run holds a value of."""
        written = self._store.moment(run, run.seq).written
        return frozenset(name for name, digest in written.items() if digest is not None)

    @cached_property
    def _retyped(self) -> list[str]:
        """The inputs that the new version declares of another type than the old one did."""
        before = {name: field.type.text for name, field in self.old.definition.input.items()}
        return [name for name, field in self.new.definition.input.items() if before.get(name) != field.type.text]


def obstructed(passage: Passage) -> str:
    """Return in one line what is in the way of a run."""
    return "; ".join(f"{one.message} ({one.hint})" if one.hint else one.message for one in passage.obstacles)
