from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, Union

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    computed_field,
    field_serializer,
    model_serializer,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

from fsm.expressions import TypeFault, infer, parse


class Line(BaseModel):
    sku: str
    price: float
    count: int = 1


class Invoice(BaseModel):
    number: str
    total: int
    lines: list[Line]
    note: str | None = None
    status: Literal["draft", "posted"] = "draft"
    due: Decimal = Decimal(0)
    seller: str = Field("", alias="vendor")
    by_sku: dict[str, Line] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tax(self) -> int:
        return self.total // 5


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    known: int


class Rewritten(BaseModel):
    day: int
    hour: Annotated[int, PlainSerializer(str)]

    @field_serializer("day")
    def _day(self, day: int) -> str:
        return str(day)


class Whole(BaseModel):
    inner: int

    @model_serializer
    def _whole(self) -> dict[str, int]:
        return {"outer": self.inner}


class Deferred(BaseModel):
    model_config = ConfigDict(defer_build=True)
    later: "Ghost"  # type: ignore[name-defined]  # noqa: F821
    now: int


class Names(RootModel[list[str]]):
    pass


class Movie(TypedDict, total=False):
    title: str
    year: int


@dataclass
class Point:
    x: int
    label: "str"


@dataclass
class Unresolved:
    x: "Ghost"  # type: ignore[name-defined]  # noqa: F821


@pydantic_dataclass
class Checked:
    x: int = Field(alias="ex")


class Colour(Enum):
    RED = 1
    NAMED = "blue"


class Size(StrEnum):
    SMALL = "small"


Sku = NewType("Sku", str)

TYPES: dict[str, Any] = {
    "invoice": Invoice, "open": Open, "rewritten": Rewritten, "whole": Whole, "names": Names, "movie": Movie,
    "point": Point, "unresolved": Unresolved, "checked": Checked, "colour": Colour, "size": Size, "sku": Sku,
    "anything": Any, "count": int, "ratio": float, "text": str, "flag": bool, "maybe": int | None,
    "maybe_invoice": Optional[Invoice],  # noqa: UP045 — both spellings must be understood
    "either": Union[int, str], "numbers": list[int], "ratios": list[float],  # noqa: UP007
    "texts": list[str], "mixed": list[int | str], "bare": list, "table": dict[str, int], "object": dict,
    "pair": tuple[int, str], "row": tuple[int, ...], "mode": Literal["fast", "slow"],
    "maybe_mode": Literal["fast", "slow"] | None, "flags": list[bool], "later": "Ghost", "deferred": Deferred,
    "weight": Decimal,
}  # fmt: skip


def type_of(text: str) -> Any:
    result, faults = infer(parse(text), TYPES)
    assert faults == []
    return result


def fault(text: str) -> TypeFault:
    _, (found,) = infer(parse(text), TYPES)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", int),
        ("1.5", float),
        ("'a'", str),
        ("true", bool),
        ("null", None),
        ("invoice", Invoice),
        ("invoice.total", int),
        ("invoice['total']", int),
        ("invoice.lines", list[Line]),
        ("invoice.lines[0]", Line),
        ("invoice.lines[-1].price", float),
        ("invoice.lines[:2]", list[Line]),
        ("invoice.note", str | None),
        ("invoice.by_sku.a1.count", int),
        ("invoice.by_sku[sku].count", int),
        ("invoice.vendor", str),
        ("invoice.seller", str),
        ("invoice.tax", Any),
        ("maybe_invoice.total", int),
        ("names[0]", str),
        ("movie.title", str),
        ("movie['year']", int),
        ("point.label", str),
        ("unresolved.x", Any),
        ("checked.anything", Any),
        ("open.known", int),
        ("open.other", Any),
        ("rewritten.day", Any),
        ("rewritten.hour", Any),
        ("whole.outer", Any),
        ("table.a", int),
        ("object.a.b.c", Any),
        ("anything.a[0] + 1", Any),
        ("later.a", Any),
        ("pair[0]", int | str),
        ("row[0]", int),
        ("text[0]", str),
        ("text[1:]", str),
        ("bare[0]", Any),
        ("count + 1", int),
        ("count + ratio", float),
        ("count / 2", float),
        ("count // 2", int),
        ("maybe + 1", int),
        ("either * 2", int | str),
        ("text + 'a'", str),
        ("text * 3", str),
        ("numbers + texts", list[int | str]),
        ("2 * numbers", list[int]),
        ("-ratio", float),
        ("-maybe", int),
        ("count < ratio", bool),
        ("not count", bool),
        ("count in numbers", bool),
        ("count and text", int | str),
        ("text if flag else null", str | None),
        ("[1, 'a']", list[int | str]),
        ("[]", list[Any]),
        ("{'a': 1}", dict[str, int]),
        ("len(invoice.lines)", int),
        ("max(numbers)", int),
        ("max(count, ratio)", int | float),
        ("max(mixed)", int | str),
        ("sum(numbers)", int),
        ("sum(ratios)", int | float),
        ("sum(bare)", Any),
        ("any(flags)", bool),
        ("lower(sku)", str),
        ("startswith(text, sku)", bool),
        ("upper(size)", str),
        ("colour", Colour),
        ("deferred.now", int),
    ],
)
def test_the_type_of_an_expression_is_known(text: str, expected: Any) -> None:
    assert type_of(text) == expected


@pytest.mark.parametrize(
    ("text", "kind", "message", "hint"),
    [
        ("ghost", "name", 'nothing is named "ghost"', None),
        ("invoyce", "name", 'nothing is named "invoyce"', 'did you mean "invoice"?'),
        ("invoice.totl", "field", 'Invoice has no field "totl"', 'did you mean "total"?'),
        ("invoice['totl']", "field", 'Invoice has no field "totl"', 'did you mean "total"?'),
        ("maybe_invoice.totl", "field", 'Invoice has no field "totl"', 'did you mean "total"?'),
        ("movie.zzz", "field", 'Movie has no field "zzz"', "fields are title, year"),
        ("point.y", "field", 'Point has no field "y"', "fields are label, x"),
        ("count.x", "field", 'count is int, so it has no field "x"', None),
        ("numbers.x", "field", 'numbers is list[int], so it has no field "x"', None),
        ("null.x", "field", 'null is null, so it has no field "x"', None),
        ("count < text", "compare", '"<" cannot compare int with str', None),
        ("count < null", "compare", '"<" cannot compare int with null', None),
        ("maybe < text", "compare", '"<" cannot compare int | null with str', None),
        ("flag >= 1", "compare", '">=" cannot compare bool with int', None),
        ("numbers < numbers", "compare", '"<" cannot compare list[int] with list[int]', None),
        ("invoice < 1", "compare", '"<" cannot compare Invoice with int', None),
        ("mode == 'fsat'", "compare", '"==" never holds: there is no "fsat"', 'did you mean "fast"?'),
        ("'x' != maybe_mode", "compare", '"!=" always holds: there is no "x"', "values are fast, slow"),
        ("text + 1", "operand", '"+" does not take str and int', None),
        ("flag + 1", "operand", '"+" does not take bool and int', None),
        ("text % 1", "operand", '"%" does not take str and int', None),
        ("invoice * 2", "operand", '"*" does not take Invoice and int', None),
        ("-text", "operand", '"-" does not take str', None),
        ("numbers['a']", "operand", "numbers is list[int]; it is not indexed by str", None),
        ("table[1]", "operand", "table is dict[str, int]; it is not indexed by int", None),
        ("count[0]", "operand", "count is int; it is not indexed by int", None),
        ("table[:1]", "operand", "table is dict[str, int]; only str and list have slices", None),
        ("numbers['a':]", "operand", "a slice takes int, not str", None),
        ("1 in text", "operand", '"in" cannot look for int in str', None),
        ("1 not in count", "operand", '"not in" cannot look for int in int', None),
        ("len(count)", "call", "len takes str, list or dict, not int", None),
        ("sum(texts)", "call", "sum takes a list of numbers, not list[str]", None),
        ("sum(flags)", "call", "sum takes a list of numbers, not list[bool]", None),
        ("any(text)", "call", "any takes a list, not str", None),
        ("max(count)", "call", "max takes a list of numbers or str, not int", None),
        ("max(count, null)", "call", "max takes numbers or str, not null", None),
        ("max(count, text)", "call", "max takes numbers only or str only, not int and str", None),
        ("lower(count)", "call", "lower takes str, not int", None),
        ("startswith(text, 1)", "call", "startswith takes str, not int", None),
    ],
)
def test_what_is_certainly_wrong_is_a_fault(text: str, kind: str, message: str, hint: str | None) -> None:
    found = fault(text)
    assert (found.kind, found.message, found.hint) == (kind, message, hint)


@pytest.mark.parametrize(
    "text",
    ["maybe < 3", "either < 3", "either < 'a'", "colour < 3", "size == 'large'", "mode == 'fast'", "mode == text",
     "maybe_mode == null", "weight < 3", "weight.x", "count == text", "invoice.due > 1", "count in anything",
     "later + 1", "deferred.later.a", "mixed[0] + 1", "sum(mixed)", "max(bare)", "lower(invoice.note)",
     "invoice.lines == null"],
)  # fmt: skip
def test_what_may_be_right_is_no_fault(text: str) -> None:
    type_of(text)


def test_a_fault_points_at_what_is_wrong() -> None:
    text = "count > 1 and invoice.totl == 2"
    found = fault(text)
    assert text[found.offset : found.end] == "invoice.totl"


def test_all_faults_are_reported_leftmost_first_and_once() -> None:
    _, faults = infer(parse("ghost.a + invoice.totl < lower(1) and ghost"), TYPES)
    assert [(found.kind, found.offset) for found in faults] == [
        ("name", 0),
        ("field", 10),
        ("call", 31),
        ("name", 38),
    ]


def test_a_fault_inside_another_index_is_reported_once() -> None:
    fault("ghost" + "['a']" * 40)


def test_a_recursive_alias_comes_to_an_end() -> None:
    class TypeAliasType:  # what `type X = …` makes from Python 3.12 on
        @property
        def __value__(self) -> Any:
            return self

    assert infer(parse("a.b"), {"a": TypeAliasType()}) == (Any, [])


def test_annotations_that_are_none_are_not_known() -> None:
    for strange in (3, [], "int", object(), lambda: 0, TypedDict, type):
        assert infer(parse("(a or 1).b < (a if a else 1)[0] + 1"), {"a": strange})[0] is bool
