"""What is in the way of a run that shall go on under another version of its workflow."""

from collections.abc import Iterator, Mapping

from fsm.checks.flow import Flow
from fsm.checks.network import Network
from fsm.checks.reads import Read, reads_of
from fsm.kernel.migration import can_stand
from fsm.model.migration import Obstacle, Standing
from fsm.model.signature import Signature
from fsm.model.workflow import Workflow, writes_of


class Crossing:
    """The way from one version to another, by a map of states; what is found for runs that stand alike is kept.

    Args:
        states: which state of the old version becomes which of the new one; those that are dropped are not in it.
        signatures: of the actions, by name; None where they are not known, which leaves their parameters unchecked.
    """

    def __init__(
        self, old: Workflow, new: Workflow, states: Mapping[str, str], signatures: Mapping[str, Signature] | None
    ) -> None:
        self.old, self.new, self.states = old, new, states
        self._flow = Flow(new, Network.of(new, new.states, frozenset()))
        self._reads = {name: tuple(reads_of(state, signatures)) for name, state in new.states.items()}
        self._found: dict[Standing, tuple[Obstacle, ...]] = {}

    def obstacles(self, standing: Standing) -> tuple[Obstacle, ...]:
        """Return everything that is in the way of runs which stand so; nothing when they can go on."""
        if standing not in self._found:
            self._found[standing] = tuple(self._obstacles(standing))
        return self._found[standing]

    def _obstacles(self, standing: Standing) -> Iterator[Obstacle]:
        for state in dict.fromkeys((standing.state, standing.goes_on)):
            if state is not None and state not in self.states:
                yield self._dropped(state)
        target = self.states.get(standing.state)
        if target is not None and not can_stand(self.old, self.new, standing.state, target, standing.status):
            yield self._misplaced(standing, target)
        goes_on = self.states.get(standing.goes_on) if standing.goes_on is not None else None
        yield from self._inputs(standing)
        if goes_on is not None:
            yield from self._limit(standing, goes_on)
            yield from self._unwritten(standing, goes_on)

    def _dropped(self, state: str) -> Obstacle:
        return Obstacle("FSM902", f'version {self.new.version} drops "{state}"', "map it to another state", ("states",))

    def _misplaced(self, standing: Standing, target: str) -> Obstacle:
        where = "where a run ends" if standing.status in ("ready", "running", "waiting") else "which is another end"
        return Obstacle("FSM902", f'"{standing.state}" would become "{target}", {where}', "map it to another state",
                        ("states", target))  # fmt: skip

    def _inputs(self, standing: Standing) -> Iterator[Obstacle]:
        for name, field in self.new.definition.input.items():
            if field.required and name not in standing.written:
                yield Obstacle("FSM903", f'input "{name}" would be unwritten', "give it a default", ("input", name))

    def _limit(self, standing: Standing, goes_on: str) -> Iterator[Obstacle]:
        allowed = self.new.bounded.get(goes_on)
        if allowed is not None and standing.entries > allowed:
            said = f'"{goes_on}" was entered {standing.entries} times, and may be {allowed} times'
            yield Obstacle("FSM905", said, "raise max_visits", ("states", goes_on, "max_visits"))

    def _unwritten(self, standing: Standing, goes_on: str) -> Iterator[Obstacle]:
        """Yield each name that some path from where the run goes on reads before it is written."""
        known = self.new.artifacts | {"error"}
        ahead = self._flow.ahead(goes_on, (standing.written & known) | self.new.definition.input.keys())
        missing: dict[str, tuple[str, Read]] = {}
        for state in self.new.states:
            if state in ahead.states:
                own = writes_of(state, self.new.states[state])
                for read in self._reads[state]:
                    is_own = read.name == own and read.path[0] == "ensure"
                    if read.needed and not is_own and read.name in known and not ahead.is_certain(read.name, state):
                        missing.setdefault(read.name, (state, read))
        for name, (state, read) in missing.items():
            where = f' in "{state}"' if state != goes_on else ""
            yield Obstacle("FSM903", f'migrating {standing.goes_on} → {goes_on}: "{name}" would be unwritten{where}',
                           f'map it to a state before "{name}" is written, or add "optional: {name}"',
                           ("states", state, *read.path))  # fmt: skip
