"""Values between Python and the store: strict, JSON only, and what goes in comes out."""

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from fsm.actions.values import NotStorable, dump, load, plain


class Colour(Enum):
    RED = "red"


class Line(BaseModel):
    text: str
    amount: Decimal = Decimal(0)


class Invoice(BaseModel):
    number: int
    total: float = 0.0
    due: datetime | None = None
    lines: list[Line] = []


@dataclass(frozen=True)
class Mail:
    to: str
    tags: list[str] = field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: int


class Row(TypedDict):
    name: str
    age: int


class Unwilling(BaseModel):
    text: str

    @field_validator("text")
    @classmethod
    def refuse(cls, value: str) -> str:
        raise KeyError(value)


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


TEXT = st.text(st.characters(codec="utf-8"))
NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
INVOICE = Invoice(number=7, total=1.5, due=NOON, lines=[Line(text="a", amount=Decimal("1.10"))])


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class TestRoundTrip:
    @pytest.mark.parametrize(("value", "annotation"), [
        (None, None), ("text", str), (5, int), (1.5, float), (True, bool), ([1, 2], list[int]),
        ({"a": 1}, dict[str, int]), ({1: "a"}, dict[int, str]), ((1, "a"), tuple[int, str]), ({1, 2}, set[int]),
        (frozenset({"a"}), frozenset[str]), (NOON, datetime), (date(2030, 1, 31), date), (timedelta(1), timedelta),
        (Decimal("1.50"), Decimal), (Colour.RED, Colour), (UUID(int=5), UUID), (PurePosixPath("/a"), PurePosixPath),
        (b"bytes", bytes), (INVOICE, Invoice), ([INVOICE], list[Invoice]), ({"a": INVOICE}, dict[str, Invoice]),
        (INVOICE, Invoice | None), (None, Invoice | None), (Mail("a@b", ["x"]), Mail), ([Mail("a@b")], list[Mail]),
        (Point(1, 2), Point), ({"name": "a", "age": 1}, Row), ("x", Literal["x", "y"]),
        (5, int | str), ("5", int | str),
        (5, Annotated[int, Field(gt=1)]), (2**70, int), (-0.0, float), ("\0 \u2028 \U0001f600", str),
    ])  # fmt: skip
    def test_what_an_annotation_names_comes_back_as_it_went(self, value: Any, annotation: Any) -> None:
        back = load(dump(value, annotation), annotation)
        assert back == value
        assert type(back) is type(value)

    @given(value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    ))  # fmt: skip
    def test_json_comes_back_with_and_without_an_annotation(self, value: Any) -> None:
        assert load(dump(value, Any), Any) == value
        assert dump(load(dump(value, Any), Any), Any) == dump(value, Any)

    @pytest.mark.parametrize(("value", "text"), [
        (INVOICE, '{"number":7,"total":1.5,"due":"2030-01-31T12:00:00Z","lines":[{"text":"a","amount":"1.10"}]}'),
        (Mail("a@b", ["x"]), '{"to":"a@b","tags":["x"]}'),
        ((1, 2), "[1,2]"),
        ({"at": NOON}, '{"at":"2030-01-31T12:00:00Z"}'),
        ("è", '"è"'),
    ])  # fmt: skip
    def test_without_an_annotation_a_value_is_stored_as_the_json_it_amounts_to(self, value: Any, text: str) -> None:
        assert dump(value, Any) == text

    @pytest.mark.parametrize(("value", "annotation", "back"), [
        ({"number": 7}, Invoice, Invoice(number=7)),
        ({"to": "a@b"}, Mail, Mail("a@b")),
        ((1, 2), list[int], [1, 2]),
        ([1, 2], tuple[int, ...], (1, 2)),
        ("2030-01-31T12:00:00Z", datetime, NOON),
        ("red", Colour, Colour.RED),
        (1, float, 1.0),
    ])  # fmt: skip
    def test_what_its_json_says_may_stand_for_a_value(self, value: Any, annotation: Any, back: Any) -> None:
        assert load(dump(value, annotation), annotation) == back


class TestStrictness:
    WRONG: ClassVar = [
        ("5", int), (1.0, int), (True, int), (5, str), (None, str), ("true", bool), (1, bool), ("1.5", float),
        ([1, "2"], list[int]), ({"a": "1"}, dict[str, int]), ({"number": "7"}, Invoice), ({}, Invoice), (5, None),
        ("z", Literal["x", "y"]), (0, Annotated[int, Field(gt=1)]), ({"name": "a"}, Row), ([1], tuple[int, int]),
        ("blue", Colour), ("soon", datetime),
    ]  # fmt: skip

    @pytest.mark.parametrize(("value", "annotation"), WRONG)
    def test_what_an_action_returns_is_of_the_type_it_promised(self, value: Any, annotation: Any) -> None:
        with pytest.raises(NotStorable):
            dump(value, annotation)

    @pytest.mark.parametrize(("value", "annotation"), WRONG)
    def test_what_an_action_reads_is_of_the_type_it_asks_for(self, value: Any, annotation: Any) -> None:
        with pytest.raises(NotStorable):
            load(dump(value, Any), annotation)

    def test_a_fault_is_told_with_its_place_and_how_many_there_are(self) -> None:
        with pytest.raises(NotStorable, match=r"^lines\.0\.text: Input should be a valid string \(and 1 more\)$"):
            load('{"number": 1, "lines": [{"text": 5, "amount": {}}]}', Invoice)
        with pytest.raises(NotStorable, match=r"^number: Input should be a valid integer"):
            dump({"number": "7"}, Invoice)


class TestWhatCannotBeStored:
    @pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("annotation", [Any, float])
    def test_numbers_that_json_has_no_word_for(self, number: float, annotation: Any) -> None:
        with pytest.raises(NotStorable):
            dump(number, annotation)

    def test_such_a_number_deep_inside_is_no_null(self) -> None:
        with pytest.raises(NotStorable):
            dump(Invoice(number=1, total=math.nan), Invoice)
        with pytest.raises(NotStorable):
            dump([[math.inf]], list[list[float]])

    @pytest.mark.parametrize(("value", "annotation"), [
        ("\ud800", Any), ("\ud800", str), ({"\udcff": 1}, Any), (["a\udcffb"], list[str])])  # fmt: skip
    def test_lone_surrogates(self, value: Any, annotation: Any) -> None:
        with pytest.raises(NotStorable):
            dump(value, annotation)

    @pytest.mark.parametrize("annotation", [Any, list, list[Any], dict])
    def test_a_value_that_holds_itself(self, annotation: Any) -> None:
        loop: Any = []
        loop.append(loop)
        with pytest.raises(NotStorable):
            dump(loop, annotation)

    @pytest.mark.parametrize("annotation", [Any, list])
    def test_a_value_nested_without_end(self, annotation: Any) -> None:
        with pytest.raises(NotStorable):
            dump(nested(100_000), annotation)

    @pytest.mark.parametrize("value", [object(), print, {"a": object()}, [Mute()], b"\xff"])
    def test_things_that_are_no_json(self, value: Any) -> None:
        with pytest.raises(NotStorable):
            dump(value, Any)

    def test_a_number_with_more_digits_than_python_reads(self) -> None:
        assert load(dump(10**4_000, Any), Any) == 10**4_000
        with pytest.raises(NotStorable, match="digits"):
            dump(10**5_000, Any)

    def test_more_than_sixteen_mebibytes(self) -> None:
        with pytest.raises(NotStorable, match=r"16,777,217 characters is too large to store; keep it in a file"):
            dump("x" * (16 * 1024 * 1024 - 1), Any)
        assert len(dump("x" * (16 * 1024 * 1024 - 2), Any)) == 16 * 1024 * 1024

    def test_a_validator_of_the_user_s_that_breaks_is_no_crash(self) -> None:
        with pytest.raises(NotStorable):
            dump({"text": "a"}, Unwilling)
        with pytest.raises(NotStorable):
            load('{"text": "a"}', Unwilling)

    def test_an_annotation_that_cannot_be_kept_is_no_crash(self) -> None:
        odd = Annotated[int, {"not": "hashable"}]
        with pytest.raises(NotStorable):
            dump(5, odd)
        with pytest.raises(NotStorable):
            load("5", odd)

    def test_a_text_that_is_nested_too_deep_for_its_reader(self) -> None:
        with pytest.raises(NotStorable):
            load("[" * 500 + "]" * 500, list[Any])


class TestPlain:
    @pytest.mark.parametrize("value", [None, 5, "x", {"a": [1.5, None]}, []])
    def test_json_stays_what_it_is(self, value: Any) -> None:
        assert plain(value) == value

    def test_what_json_can_say_is_said(self) -> None:
        assert plain(Mail("a@b", ["x"])) == {"to": "a@b", "tags": ["x"]}

    @pytest.mark.parametrize(("value", "expected"), [
        (math.nan, "nan"), ("\udcff", "'\\udcff'"), (Mute(), "<Mute>"), (set, "<class 'set'>")])  # fmt: skip
    def test_the_rest_is_described(self, value: Any, expected: str) -> None:
        assert plain(value) == expected

    def test_what_is_too_large_is_described_in_short(self) -> None:
        assert len(plain("x" * 20_000_000)) == 2_000

    def test_a_value_that_holds_itself_is_described(self) -> None:
        loop: Any = [1]
        loop.append(loop)
        assert plain(loop) == "[1, [...]]"
