"""What an action takes and gives, as far as its annotations say."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an action, the context left out; `annotation` is Any when it has none."""

    name: str
    annotation: Any
    required: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """The face of a registered action.

    Attributes:
        action: its registered name.
        parameters: in order, without the context.
        keywords: whether it takes any other name too (`**rest`).
        returns: for each outcome the annotation of its value; "success" for a plain return value. None when
            the function has no return annotation, so nothing is known.
    """

    action: str
    parameters: tuple[Parameter, ...]
    keywords: bool
    returns: dict[str, Any] | None
