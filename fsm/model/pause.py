"""Pauses: what operators hold back, so that no action of it starts and no edge is crossed."""

from collections.abc import Iterable
from typing import NamedTuple

from fsm.model.run import Run


class Pause(NamedTuple):
    """One pause: of everything, of a workflow, or of one state of it.

    Attributes:
        workflow: the name of one, all versions of it; empty for everything.
        state: of that workflow; empty for all of them.
        stops_actions: whether workers also interrupt actions in flight: asynchronous ones, and those in processes of
            their own.
        actor, reason: who paused it, and why.
        at: since when, UTC milliseconds.
    """

    workflow: str
    state: str
    stops_actions: bool
    actor: str | None
    reason: str | None
    at: int

    def covers(self, run: Run) -> bool:
        """Return whether this pause holds a run back where it stands; one that has ended nothing holds."""
        return not run.is_final and self.workflow in ("", run.workflow) and self.state in ("", run.state)

    @property
    def subject(self) -> str:
        """What is paused, in words."""
        if not self.workflow:
            return "everything"
        return f'state "{self.state}" of "{self.workflow}"' if self.state else f'workflow "{self.workflow}"'


class PastPause(NamedTuple):
    """A pause that is over, or was replaced by another one of the same: when, by whom, and why."""

    pause: Pause
    ended_at: int
    actor: str | None
    reason: str | None


def covering(pauses: Iterable[Pause], run: Run) -> list[Pause]:
    """Return those pauses that hold a run back: all of them have to end before it goes on."""
    return [pause for pause in pauses if pause.covers(run)]
