"""What an action returns when it has more than one way to succeed."""

from typing import Generic, TypeVar

Name = TypeVar("Name", bound=str)
Value = TypeVar("Value")


class Outcome(Generic[Name, Value]):
    """A named outcome with its value: `return Outcome("nothing")`.

    Annotate it to let the check see it: `-> Invoice | Outcome[Literal["nothing"], None]`.
    """

    __slots__ = ("name", "value")

    def __init__(self, name: Name, value: Value = None) -> None:  # type: ignore[assignment]
        self.name = name
        self.value = value

    def __repr__(self) -> str:
        return f"Outcome({self.name!r}, {self.value!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and (self.name, self.value) == (other.name, other.value)

    def __hash__(self) -> int:
        return hash(self.name)
