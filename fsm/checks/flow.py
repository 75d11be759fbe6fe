"""Must-assign data flow: which names are written, for certain, when a state is entered."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from fsm.checks.network import Network
from fsm.checks.paths import reached, shortest
from fsm.model.workflow import START, Edge, Workflow, writes_of


@dataclass(frozen=True)
class Ahead:
    """What is written when a state is entered, from some state on."""

    _entry: Mapping[str, int]
    _bits: Mapping[str, int]

    @property
    def states(self) -> Collection[str]:
        """The states that can be reached, the one it begins with among them."""
        return self._entry.keys()

    def is_certain(self, name: str, state: str) -> bool:
        """Return whether every path into a state writes a name, or it was written before."""
        return bool(self._entry[state] & self._bits[name])


class Flow:
    """What is written where. A set of names is an int with one bit for each: intersections are cheap."""

    def __init__(self, workflow: Workflow, network: Network) -> None:
        self._network = network
        self._inputs = frozenset(workflow.definition.input)
        self._writes = {name: writes_of(name, state) for name, state in workflow.states.items()}
        self._carried: dict[str, frozenset[str]] = {}
        self._bits = {name: 1 << n for n, name in enumerate(sorted(workflow.artifacts | {"error"}))}

    def written(self, edge: Edge) -> str | None:
        """Return the name that crossing an edge writes; an error edge does not carry its state's own."""
        if edge.event.startswith("error:"):
            return "error"
        is_result = edge.event == "elapsed" or edge.event.startswith(("success", "signal:"))
        return self._writes.get(edge.source) if is_result else None

    def is_certain(self, name: str, state: str) -> bool:
        """Return whether every path into a state writes a name; true where no path is known."""
        return bool(self._entry.get(state, -1) & self._bits[name])

    @cached_property
    def _entry(self) -> Mapping[str, int]:
        """What is written on entry of each state that can be reached."""
        return self._spread(START, self._mask(self._inputs))

    def ahead(self, state: str, written: Iterable[str]) -> "Ahead":
        """Return what is written for certain from a state on, if these names are when it is entered."""
        return Ahead(self._spread(state, self._mask(written)), self._bits)

    def _spread(self, start: str, written: int) -> Mapping[str, int]:
        """Return what is written on entry of `start` and of each state that can be reached from there."""
        entry = {start: written}
        waiting = deque([start])
        queued = {start}
        while waiting:
            here = waiting.popleft()
            queued.discard(here)
            for edge in self._network.leaving[here]:
                leaving = self._leaving(edge, entry[here])
                known = entry.get(edge.target, -1)
                if known == -1 or known & leaving != known:
                    entry[edge.target] = known & leaving
                    if edge.target not in queued:
                        queued.add(edge.target)
                        waiting.append(edge.target)
        return entry

    def _leaving(self, edge: Edge, entry: int) -> int:
        if edge.source in self._network.damaged:
            return self._mask(self._bits)
        name = self.written(edge)
        return entry | self._bits[name] if name else entry

    def _mask(self, names: Iterable[str]) -> int:
        return sum(self._bits[name] for name in set(names))

    def path_without(self, name: str, state: str) -> list[str]:
        """Return a shortest path from the start to a state on which a name is never written.

        There is one wherever `is_certain` is false.
        """
        path = shortest(START, self._without(name), lambda here: here == state)
        assert path is not None
        return path[1:]

    def carried(self, writer: str) -> frozenset[str]:
        """Return the states that may read what a state writes, before another write takes its place."""
        name = self._writes[writer]
        if name and writer not in self._carried:
            starts = [edge.target for edge in self._network.leaving[writer] if self.written(edge) == name]
            self._carried[writer] = reached(starts, self._without(name))
        return self._carried.get(writer, frozenset())

    def _without(self, name: str) -> Callable[[str], list[str]]:
        """Return where the edges that do not write a name lead, by source; those of a damaged state may write it."""

        def following(source: str) -> list[str]:
            edges = self._network.leaving[source] if source not in self._network.damaged else ()
            return [edge.target for edge in edges if self.written(edge) != name]

        return following
