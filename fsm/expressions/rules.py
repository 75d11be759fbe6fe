"""Which kinds of values the operators and functions take, and what comes out: the law of `infer`.

A union is fine when one of its alternatives is; what is not known is always fine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_origin

from fsm.expressions.shapes import ANNOTATIONS, alternatives, element, kind, kinds, union

NOTHING: Final = object()
"""What `arithmetic` returns when no value can come out."""

_NUMBERS = frozenset({"int", "float"})
_ANY = frozenset({"any"})


def any_pair(law: Callable[[str, str], bool], left: Any, right: Any) -> bool:
    """Return whether a law holds for some alternative on the left with some on the right."""
    return any("any" in (a, b) or law(a, b) for a in kinds(left) for b in kinds(right))


def ordered(left: str, right: str) -> bool:
    return {left, right} <= _NUMBERS or left == right == "str"


def contains(item: str, container: str) -> bool:
    return container == "list" or (container in {"str", "dict"} and item == "str")


def comparable(arguments: Sequence[Any]) -> bool:
    """Return whether the arguments of min or max may all be numbers or all be str."""
    found = [kinds(argument) | _member_kinds(argument, len(arguments)) for argument in arguments]
    return any(all(kind_set & (wanted | _ANY) for kind_set in found) for wanted in (_NUMBERS, {"str"}))


def _member_kinds(argument: Any, count: int) -> frozenset[str]:
    """Return the kinds of the elements of the only argument."""
    lists = [option for option in alternatives(argument) if kind(option) == "list"] if count == 1 else []
    return frozenset().union(*(kinds(element(option)) for option in lists))


def number(annotation: Any) -> Any:
    """Return the numeric part of an annotation."""
    found = sorted(kinds(annotation) & (_NUMBERS | _ANY))
    return union(ANNOTATIONS[one] for one in found)


def sliced(option: Any) -> Any:
    """Return the annotation of a slice of a str or list."""
    if kind(option) == "list":
        return list_of(element(option))
    return ANNOTATIONS[kind(option)]


def arithmetic(symbol: str, left: Any, right: Any) -> Any:
    """Return the annotation of `left symbol right`, or NOTHING."""
    if "any" in kinds(left) | kinds(right):
        return Any
    pairs = [(first, second) for first in alternatives(left) for second in alternatives(right)]
    results = {_arithmetic_kind(symbol, kind(first), kind(second)) for first, second in pairs} - {None}
    if not results:
        return NOTHING
    lists = [option for pair in pairs for option in pair if kind(option) == "list"]
    inner = list_of(union(element(option) for option in lists))
    return union(inner if result == "list" else ANNOTATIONS[str(result)] for result in sorted(map(str, results)))


def list_of(inner: Any) -> Any:
    return list[inner]


def dict_of(inner: Any) -> Any:
    return dict[str, inner]


def _arithmetic_kind(symbol: str, left: str, right: str) -> str | None:
    both = {left, right}
    if both <= _NUMBERS:
        return "float" if symbol == "/" or "float" in both else "int"
    if symbol == "+" and left == right and left in {"str", "list"}:
        return left
    if symbol == "*" and both in ({"str", "int"}, {"list", "int"}):
        return (both - {"int"}).pop()
    return None


@dataclass(frozen=True, slots=True)
class Call:
    """What one function takes and returns; `elements` None takes lists of anything."""

    takes: frozenset[str]
    result: Callable[[Sequence[Any]], Any]
    elements: frozenset[str] | None = None
    words: str = "a list"
    is_choice: bool = False

    def accepts(self, annotation: Any, count: int) -> bool:
        """Return whether an annotation may be one of `count` arguments."""
        if self.is_choice and count > 1:
            return bool(kinds(annotation) & (_NUMBERS | {"str", "any"}))
        return any(self._accepts_option(option) for option in alternatives(annotation))

    def _accepts_option(self, option: Any) -> bool:
        found = kind(option)
        if found == "any" or found not in self.takes:
            return found == "any"
        is_checked = found == "list" and self.elements is not None and get_origin(option) is not None
        return not is_checked or bool(kinds(element(option)) & ((self.elements or _ANY) | _ANY))

    def wanted(self, count: int) -> str:
        return "numbers or str" if self.is_choice and count > 1 else self.words


def _chosen(arguments: Sequence[Any]) -> Any:
    if len(arguments) > 1:
        return union(arguments)
    return union(
        element(option) if kind(option) == "list" else Any
        for option in alternatives(arguments[0])
        if kind(option) in {"list", "any"}
    )


def _total(arguments: Sequence[Any]) -> Any:
    found = _member_kinds(arguments[0], 1)
    if not found or "any" in found or "any" in kinds(arguments[0]):
        return Any
    # The sum of an empty list is the int 0, whatever its elements would have been.
    return int if not found & {"float"} else union([int, float])


_LIST = frozenset({"list"})
_TEXT = frozenset({"str"})
_ORDERED = _NUMBERS | _TEXT
CALLS = {
    "len": Call(frozenset({"str", "list", "dict"}), lambda _: int, words="str, list or dict"),
    "min": Call(_LIST, _chosen, _ORDERED, "a list of numbers or str", is_choice=True),
    "max": Call(_LIST, _chosen, _ORDERED, "a list of numbers or str", is_choice=True),
    "sum": Call(_LIST, _total, _NUMBERS, "a list of numbers"),
    "any": Call(_LIST, lambda _: bool),
    "all": Call(_LIST, lambda _: bool),
    "lower": Call(_TEXT, lambda _: str, words="str"),
    "upper": Call(_TEXT, lambda _: str, words="str"),
    "startswith": Call(_TEXT, lambda _: bool, words="str"),
    "endswith": Call(_TEXT, lambda _: bool, words="str"),
}
