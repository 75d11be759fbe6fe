"""What the operators do to JSON values. Each is total: a value, or an EvaluationError at the place given."""

import ast
import operator
from collections.abc import Callable
from math import isfinite
from typing import Any

from fsm.expressions.places import EvaluationError, Place, nearest, shorten

SIZE_MAX = 100_000
"""Most elements or characters that "+" or "*" may make."""
INT_MAX = 2**63 - 1
NUMBERS = (int, float)

Operator = Callable[[Any, Any, Place], Any]

# Exact types: a bool is no number here, though Python makes it a subclass of int.
_NUMERIC = frozenset({(a, b) for a in NUMBERS for b in NUMBERS})
_ORDERED = _NUMERIC | {(str, str)}
_TYPE_NAMES = {type(None): "null"}


def type_name(value: Any) -> str:
    """Return the name of a value's type as messages have it; values themselves stay out of messages."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def bounded(number: Any, place: Place) -> Any:
    """Return the number if it is finite and fits 64 bits.

    Raises:
        EvaluationError: it does not.
    """
    if isfinite(number) if type(number) is float else -INT_MAX <= number <= INT_MAX:
        return number
    raise place.error("number is out of range")


def _refusal(symbol: str, left: Any, right: Any, place: Place) -> EvaluationError:
    return place.error(f'"{symbol}" does not take {type_name(left)} and {type_name(right)}')


def _arithmetic(symbol: str, compute: Callable[[Any, Any], Any]) -> Operator:
    def apply(left: Any, right: Any, place: Place) -> Any:
        if (type(left), type(right)) not in _NUMERIC:
            raise _refusal(symbol, left, right, place)
        try:
            return bounded(compute(left, right), place)
        except ZeroDivisionError:
            raise place.error("division by zero") from None
        except OverflowError:
            raise place.error("number is out of range") from None

    return apply


_add_numbers = _arithmetic("+", operator.add)
_multiply_numbers = _arithmetic("*", operator.mul)


def _add(left: Any, right: Any, place: Place) -> Any:
    is_joined = isinstance(left, str | list) and type(left) is type(right)
    if not is_joined:
        return _add_numbers(left, right, place)
    _check_size(len(left) + len(right), place)
    return left + right


def _multiply(left: Any, right: Any, place: Place) -> Any:
    if isinstance(right, str | list):
        left, right = right, left
    if not (isinstance(left, str | list) and type(right) is int):
        return _multiply_numbers(left, right, place)
    _check_size(_weight(left) * max(right, 0), place)
    return left * right


def _check_size(size: int, place: Place) -> None:
    if size > SIZE_MAX:
        raise place.error(f"result is larger than {SIZE_MAX:,} elements or characters")


def _weight(value: Any) -> int:
    """Return how many elements and characters a value holds at all depths, exact up to SIZE_MAX.

    "*" multiplies the inside of a list too: counting only its length would let two of them make 10**10.
    """
    weight, pending = 0, [value]
    while pending and weight <= SIZE_MAX:
        inner = pending.pop()
        if isinstance(inner, str | list | dict):
            weight += len(inner)
        if isinstance(inner, list):
            pending.extend(inner)
        elif isinstance(inner, dict):
            pending.extend(inner.values())
    return weight


def _order(symbol: str, compare: Callable[[Any, Any], bool]) -> Operator:
    def apply(left: Any, right: Any, place: Place) -> bool:
        if (type(left), type(right)) in _ORDERED:
            return compare(left, right)
        raise place.error(f'"{symbol}" cannot compare {type_name(left)} with {type_name(right)}')

    return apply


def _contains(item: Any, container: Any, place: Place) -> bool:
    if isinstance(container, list):
        return item in container
    if isinstance(container, str | dict):
        if isinstance(item, str):
            return item in container
        raise place.error(f'"in" looks for str in {type_name(container)}, not for {type_name(item)}')
    raise place.error(f'"in" looks into str, list or dict, not into {type_name(container)}')


ARITHMETIC: dict[type[ast.operator], tuple[str, Operator]] = {
    ast.Add: ("+", _add),
    ast.Sub: ("-", _arithmetic("-", operator.sub)),
    ast.Mult: ("*", _multiply),
    ast.Div: ("/", _arithmetic("/", operator.truediv)),
    ast.FloorDiv: ("//", _arithmetic("//", operator.floordiv)),
    ast.Mod: ("%", _arithmetic("%", operator.mod)),
}
COMPARISON: dict[type[ast.cmpop], tuple[str, Operator]] = {
    ast.Eq: ("==", lambda left, right, _: left == right),
    ast.NotEq: ("!=", lambda left, right, _: left != right),
    ast.Lt: ("<", _order("<", operator.lt)),
    ast.LtE: ("<=", _order("<=", operator.le)),
    ast.Gt: (">", _order(">", operator.gt)),
    ast.GtE: (">=", _order(">=", operator.ge)),
    ast.In: ("in", _contains),
    ast.NotIn: ("not in", lambda item, container, place: not _contains(item, container, place)),
    ast.Is: ("is", lambda left, _, __: left is None),
    ast.IsNot: ("is not", lambda left, _, __: left is not None),
}
SIGNS: dict[type[ast.unaryop], tuple[str, Callable[[Any], Any]]] = {
    ast.USub: ("-", operator.neg),
    ast.UAdd: ("+", operator.pos),
}


def sign(symbol: str, compute: Callable[[Any], Any], value: Any, place: Place) -> Any:
    """Return a number with a sign before it.

    Raises:
        EvaluationError: it is no number.
    """
    if type(value) not in NUMBERS:
        raise place.error(f'"{symbol}" does not take {type_name(value)}')
    return bounded(compute(value), place)


def missing_field(owner: Any, name: str, owner_place: Place, place: Place) -> EvaluationError:
    """Return the error for `owner.name`: owner is no dict, or has no such key."""
    what = owner_place.excerpt
    if owner is None:
        return place.error(f'{what} is null, so it has no field "{shorten(name)}"')
    if not isinstance(owner, dict):
        return place.error(f'{what} is {type_name(owner)}, so it has no field "{shorten(name)}"')
    hint = nearest(name, owner)
    return place.error(f'{what} has no field "{shorten(name)}"' + (f"; {hint}" if hint else ""))


def index(owner: Any, key: Any, owner_place: Place, place: Place) -> Any:
    """Return `owner[key]`.

    Raises:
        EvaluationError: owner is no str, list or dict, the key is of the wrong type, or nothing is there.
    """
    if isinstance(owner, dict) and isinstance(key, str):
        if key not in owner:
            raise missing_field(owner, key, owner_place, place)
        return owner[key]
    if isinstance(owner, str | list) and type(key) is int:
        if not -len(owner) <= key < len(owner):
            raise place.error(f"{owner_place.excerpt} has {len(owner)} elements; the index is beyond them")
        return owner[key]
    if owner is None:
        raise place.error(f"{owner_place.excerpt} is null, so it cannot be indexed")
    raise place.error(f"{owner_place.excerpt} is {type_name(owner)}; it is not indexed by {type_name(key)}")


def cut(owner: Any, bounds: tuple[Any, Any, Any], owner_place: Place, place: Place) -> Any:
    """Return `owner[start:stop:step]`.

    Raises:
        EvaluationError: owner is no str or list, a bound is neither int nor null, or the step is zero.
    """
    if not isinstance(owner, str | list):
        raise place.error(f"{owner_place.excerpt} is {type_name(owner)}; only str and list have slices")
    for bound in bounds:
        if bound is not None and type(bound) is not int:
            raise place.error(f"a slice takes int, not {type_name(bound)}")
    if bounds[2] == 0:
        raise place.error("the step of a slice is zero")
    return owner[slice(*bounds)]
