"""Migrations: which runs of one version of a workflow can take another one, and what is in the way of the others."""

from typing import NamedTuple

from fsm.model.run import Run, Status


class Standing(NamedTuple):
    """Where a run stands, as far as it matters for another version; many runs stand alike.

    Attributes:
        state: where it is.
        status: the engine's word for it.
        goes_on: from where it would go on: `state`, for a failed run the state that failed; None where nothing did.
        written: the names that it holds a value of.
        entries: how often it has entered `goes_on`, as the other version would count it once it goes on.
    """

    state: str
    status: Status
    goes_on: str | None
    written: frozenset[str]
    entries: int


class Obstacle(NamedTuple):
    """Why a run cannot take another version.

    Attributes:
        code: of the catalogue; empty for what is no fault of the version.
        message: in one sentence without a full stop.
        hint: the cure.
        place: what of the other version it is about, as a path of its definition; empty for all of it.
    """

    code: str
    message: str
    hint: str
    place: tuple[str | int, ...] = ()


class Passage(NamedTuple):
    """What another version means for one run.

    Attributes:
        state: from where it would go on: where it is, or the state that failed.
        target: what that state is called in the other version; None when it is dropped.
        obstacles: what is in the way.
    """

    run: Run
    state: str
    target: str | None
    obstacles: tuple[Obstacle, ...]

    @property
    def is_open(self) -> bool:
        """Whether nothing is in the way."""
        return not self.obstacles
