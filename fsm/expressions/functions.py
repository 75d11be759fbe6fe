"""The functions an expression may call: their names, how many arguments they take, what they compute."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fsm.expressions.operators import NUMBERS, bounded, type_name
from fsm.expressions.places import EvaluationError, Place


@dataclass(frozen=True, slots=True)
class Function:
    """One function. `usage` shows a call; `arguments_max` None means any number."""

    usage: str
    arguments_min: int
    arguments_max: int | None
    apply: Callable[[Sequence[Any], Place], Any]

    def takes(self, count: int) -> bool:
        return self.arguments_min <= count <= (count if self.arguments_max is None else self.arguments_max)


def _refusal(name: str, wanted: str, value: Any, place: Place) -> EvaluationError:
    return place.error(f"{name} takes {wanted}, not {type_name(value)}")


def _len(arguments: Sequence[Any], place: Place) -> int:
    (value,) = arguments
    if not isinstance(value, str | list | dict):
        raise _refusal("len", "str, list or dict", value, place)
    return len(value)


def _items(name: str, arguments: Sequence[Any], place: Place) -> list[Any]:
    (value,) = arguments
    if not isinstance(value, list):
        raise _refusal(name, "a list", value, place)
    return value


def _extreme(name: str, choose: Callable[[Sequence[Any]], Any]) -> Function:
    def apply(arguments: Sequence[Any], place: Place) -> Any:
        items = _items(name, arguments, place) if len(arguments) == 1 else arguments
        if not items:
            raise place.error(f"{name} of an empty list")
        expected = NUMBERS if type(items[0]) in NUMBERS else (str,)
        for item in items:
            if type(item) not in expected:
                found = f"{type_name(items[0])} and {type_name(item)}"
                raise place.error(f"{name} takes numbers only or str only, not {found}")
        return choose(items)

    return Function(f"{name}(list) or {name}(a, b)", 1, None, apply)


def _sum(arguments: Sequence[Any], place: Place) -> Any:
    total: Any = 0
    # Not the built-in: from Python 3.12 on it rounds floats differently, and a replay must agree.
    for item in _items("sum", arguments, place):
        if type(item) not in NUMBERS:
            raise _refusal("sum", "a list of numbers", item, place)
        try:
            total += item
        except OverflowError:
            raise place.error("sum is out of range") from None
    return bounded(total, place)


def _truth(name: str, decide: Callable[[Sequence[Any]], bool]) -> Function:
    return Function(f"{name}(list)", 1, 1, lambda arguments, place: decide(_items(name, arguments, place)))


def _text(name: str, usage: str, count: int, method: Callable[..., Any]) -> Function:
    def apply(arguments: Sequence[Any], place: Place) -> Any:
        for value in arguments:
            if not isinstance(value, str):
                raise _refusal(name, "str", value, place)
        return method(*arguments)

    return Function(usage, count, count, apply)


TABLE = {
    "len": Function("len(x)", 1, 1, _len),
    "min": _extreme("min", min),
    "max": _extreme("max", max),
    "sum": Function("sum(list)", 1, 1, _sum),
    "any": _truth("any", any),
    "all": _truth("all", all),
    "lower": _text("lower", "lower(text)", 1, str.lower),
    "upper": _text("upper", "upper(text)", 1, str.upper),
    "startswith": _text("startswith", "startswith(text, prefix)", 2, str.startswith),
    "endswith": _text("endswith", "endswith(text, suffix)", 2, str.endswith),
}
FUNCTIONS = frozenset(TABLE)
"""The names of all functions."""
