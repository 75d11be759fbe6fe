"""Dead letters: runs that cannot go on by themselves, with what it takes to let them."""

from typing import NamedTuple

from fsm.model.run import Run, Transition


class DeadLetter(NamedTuple):
    """A failed or dead run, and the error row behind it: its `visit` and `attempt` are those that the error ended."""

    run: Run
    failure: Transition | None

    @property
    def state(self) -> str:
        """The state that failed; of a run that ended by choice, the one it stands in."""
        return self.failure.source if self.failure else self.run.state


class Tried(NamedTuple):
    """One attempt of the visit that failed, and why it did.

    Attributes:
        at: when it ended, UTC in milliseconds.
        attempt: from 1; a redrive counts anew.
        kind: the class that was raised, or the engine's verdict.
        interrupted: whether it may have had its effect all the same.
    """

    at: int
    attempt: int
    kind: str
    message: str
    interrupted: bool
