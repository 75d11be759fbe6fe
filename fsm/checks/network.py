"""The graph of a workflow as the rules see it, with what its faults could hide."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from fsm.checks.paths import reached
from fsm.model.definition import ActionState, EndState, WaitState
from fsm.model.workflow import START, Edge, Workflow

_GUESSES_MAX = 50
"""Unknown targets for which a near name is looked for: the search is dear and more would tell nothing."""


@dataclass(frozen=True, eq=False)
class Network:
    """States and the arrows between them; `retry` and `fault` only lead back and are left out.

    Attributes:
        names: every state, in the order of the file.
        damaged: those that were not read in full.
        edges: the arrows whose target exists.
        guesses: where an arrow that is missing or misspelt may have been meant to lead, by source: an
            unreachable state which that explains is not reported as a fault of its own.
    """

    workflow: Workflow
    names: tuple[str, ...]
    damaged: frozenset[str]
    edges: tuple[Edge, ...]
    guesses: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, workflow: Workflow, names: Iterable[str], damaged: frozenset[str]) -> "Network":
        """Make the network of a workflow with its damaged states."""
        known = tuple(names)
        arrows = [edge for edge in workflow.edges if edge.event != "fault" and not edge.event.startswith("retry:")]
        inner = frozenset(known)
        guesses = _guesses(workflow, arrows, inner, damaged)
        return cls(workflow, known, damaged, tuple(e for e in arrows if e.target in inner), guesses)

    @cached_property
    def leaving(self) -> Mapping[str, list[Edge]]:
        """The edges by source; `START` is one."""
        leaving: dict[str, list[Edge]] = {START: [], **{name: [] for name in self.names}}
        for edge in self.edges:
            leaving[edge.source].append(edge)
        return leaving

    @cached_property
    def entering(self) -> Mapping[str, list[Edge]]:
        """The edges by target."""
        entering: dict[str, list[Edge]] = {name: [] for name in self.names}
        for edge in self.edges:
            entering[edge.target].append(edge)
        return entering

    @cached_property
    def reachable(self) -> frozenset[str]:
        """The states that can be reached from the start, guesses included."""
        return reached([START], self._leads_to) - {START}

    def _leads_to(self, name: str) -> frozenset[str]:
        return self.guesses.get(name, frozenset()).union(edge.target for edge in self.leaving[name])

    @cached_property
    def can_finish(self) -> frozenset[str]:
        """The states from which an end can be reached, or could be if a fault were mended."""
        finishing = {name for name, state in self.workflow.states.items() if isinstance(state, EndState)}
        return reached(finishing | self.guesses.keys() - {START}, self._comes_from) - {START}

    def _comes_from(self, name: str) -> list[str]:
        return [edge.source for edge in self.entering.get(name, ())]

    def first(self, names: Iterable[str]) -> str:
        """Return the one of `names` that comes first in the file."""
        wanted = set(names)
        return next(name for name in self.names if name in wanted)


def _guesses(
    workflow: Workflow, arrows: Iterable[Edge], names: frozenset[str], damaged: frozenset[str]
) -> dict[str, frozenset[str]]:
    """Return what may have been meant: by a damaged state anything, by a misspelt target its nearest name."""
    guesses: dict[str, frozenset[str]] = {}
    for edge in arrows:
        if edge.target not in names:
            near = get_close_matches(edge.target, sorted(names), n=1) if len(guesses) < _GUESSES_MAX else ()
            guesses[edge.source] = guesses.get(edge.source, frozenset()).union(near)
    ends = frozenset(name for name, state in workflow.states.items() if isinstance(state, EndState))
    for name, state in workflow.states.items():
        if isinstance(state, (ActionState, WaitState)) and not state.success:
            guesses[name] = names
        elif not isinstance(state, EndState) and "else" not in (state.error or {}):
            guesses[name] = guesses.get(name, frozenset()) | ends
    return guesses | dict.fromkeys(damaged, names)
