"""The legality table: which event is legal in which state, held by one `transitions` machine per workflow."""

from functools import lru_cache

from transitions import Machine

from fsm.errors import IllegalTransition
from fsm.model.workflow import START, Workflow

_HERE = "·"
"""How the machine calls the place before `start`, since its states need a name."""


class Table:
    """Answers where an event leads from a state, by the edges of one workflow alone.

    The machine has no models and no callbacks: it holds the relation, nothing moves in it.
    """

    def __init__(self, flow: Workflow) -> None:
        self.machine = Machine(
            model=None,
            states=[_HERE, *flow.states],
            initial=_HERE,
            auto_transitions=False,
            transitions=[[edge.event, edge.source or _HERE, edge.target] for edge in flow.edges],
        )
        self._arrows = {(source, event): target for source, event, target in self.relation()}

    def target(self, state: str, event: str) -> str | None:
        """Return where `event` leads from `state`, or None when no such edge is declared."""
        return self._arrows.get((state, event))

    def cross(self, state: str, event: str) -> str:
        """Return where `event` leads from `state`.

        Raises:
            IllegalTransition: the definition declares no such edge.
        """
        target = self.target(state, event)
        if target is None:
            raise IllegalTransition(state, event, self.legal(state))
        return target

    def legal(self, state: str) -> list[str]:
        """Return the events that are legal in `state`, sorted; `fault` is the engine's own and left out."""
        return sorted(event for event in self.machine.get_triggers(state or _HERE) if event != "fault")

    def relation(self) -> set[tuple[str, str, str]]:
        """Return the whole table as (source, event, target)."""
        return {
            (START if arrow.source == _HERE else arrow.source, name, str(arrow.dest))
            for name, event in self.machine.events.items()
            for arrows in event.transitions.values()
            for arrow in arrows
        }


@lru_cache(maxsize=256)
def table_of(flow: Workflow) -> Table:
    """Return the table of a workflow, made once."""
    return Table(flow)
