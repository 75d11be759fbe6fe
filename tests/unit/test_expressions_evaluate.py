from typing import Any

import pytest

from fsm.expressions import EvaluationError, parse

VALUES: dict[str, Any] = {
    "invoice": {"total": 9_500, "confidence": 0.93, "lines": [{"sku": "a"}, {"sku": "b"}], "note": None},
    "text": "Hello",
    "nothing": None,
    "yes": True,
    "numbers": [3, 1, 2.5],
    "mixed": [1, "a"],
    "big": 10**30,
}


def value(text: str) -> Any:
    return parse(text).evaluate(VALUES)


def failure(text: str) -> EvaluationError:
    with pytest.raises(EvaluationError) as caught:
        value(text)
    assert caught.value.text == text
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("invoice.total <= 10000 and invoice.confidence >= 0.9", True),
        ("invoice.lines[0].sku", "a"),
        ("invoice['lines'][-1]['sku']", "b"),
        ("invoice.lines[:1]", [{"sku": "a"}]),
        ("text[1:4:2]", "el"),
        ("text[-1]", "o"),
        ("null is null", True),
        ("nothing is None", True),
        ("text is not null", True),
        ("true and False or 'x'", "x"),
        ("nothing or 5", 5),
        ("not nothing", True),
        ("1 < 2 < 3", True),
        ("1 < 2 > 3", False),
        ("1 == '1'", False),
        ("1 != null", True),
        ("'ell' in text", True),
        ("2.5 in numbers", True),
        ("'a' not in mixed", False),
        ("'total' in invoice", True),
        ("7 // 2 + 7 % 2 - 7 / 2", 0.5),
        ("-(-2)", 2),
        ("+1.5", 1.5),
        ("'a' + 'b' * 2", "abb"),
        ("3 * 'ab'", "ababab"),
        ("-1 * [1]", []),
        ("[1] + [null]", [1, None]),
        ("(1, 'a', )", [1, "a"]),
        ("{'a': 1, 'b': [text]}", {"a": 1, "b": ["Hello"]}),
        ("'big' if invoice.total > 9000 else 'small'", "big"),
        ("len(text) + len(numbers) + len(invoice)", 12),
        ("min(numbers)", 1),
        ("max(1, 2, 3)", 3),
        ("max('b', 'a')", "b"),
        ("max(7, 7.0)", 7),
        ("sum(numbers)", 6.5),
        ("sum([])", 0),
        ("any([0, 1])", True),
        ("all([])", True),
        ("lower(text) + upper(text)", "helloHELLO"),
        ("startswith(text, 'He') and endswith(text, 'lo')", True),
        ("'\\u20ac \\x41 \\\\ \\''", "€ A \\ '"),
        ("1_000", 1000),
        (".5 + 1e-1", 0.6),
        ("big > 1", True),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_an_expression_has_the_value_that_python_would_give_it(text: str, expected: Any) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ghost", '"ghost" has not been written'),
        ("invoice.totl", 'invoice has no field "totl"; did you mean "total"?'),
        ("invoice['totl']", 'invoice has no field "totl"; did you mean "total"?'),
        ("invoice.lines[0].price", 'invoice.lines[0] has no field "price"'),
        ("nothing.total", 'nothing is null, so it has no field "total"'),
        ("invoice.note.author", 'invoice.note is null, so it has no field "author"'),
        ("text.size", 'text is str, so it has no field "size"'),
        ("nothing[0]", "nothing is null, so it cannot be indexed"),
        ("numbers[3]", "numbers has 3 elements; the index is beyond them"),
        ("numbers[-4]", "numbers has 3 elements; the index is beyond them"),
        ("numbers['a']", "numbers is list; it is not indexed by str"),
        ("numbers[true]", "numbers is list; it is not indexed by bool"),
        ("invoice[0]", "invoice is dict; it is not indexed by int"),
        ("invoice[:1]", "invoice is dict; only str and list have slices"),
        ("text['a':]", "a slice takes int, not str"),
        ("text[::0]", "the step of a slice is zero"),
        ("1 < '2'", '"<" cannot compare int with str'),
        ("1 < true", '"<" cannot compare int with bool'),
        ("nothing >= 1", '">=" cannot compare null with int'),
        ("[1] < [2]", '"<" cannot compare list with list'),
        ("yes + 1", '"+" does not take bool and int'),
        ("text + 1", '"+" does not take str and int'),
        ("text % 1", '"%" does not take str and int'),
        ("'%s' % text", '"%" does not take str and str'),
        ("text * 1.5", '"*" does not take str and float'),
        ("text * true", '"*" does not take str and bool'),
        ("-text", '"-" does not take str'),
        ("-yes", '"-" does not take bool'),
        ("1 / 0", "division by zero"),
        ("1 // 0", "division by zero"),
        ("1.5 % 0", "division by zero"),
        ("1e308 * 10", "number is out of range"),
        ("1e308 + 1e308", "number is out of range"),
        ("9223372036854775807 + 1", "number is out of range"),
        ("-9223372036854775807 - 1", "number is out of range"),
        ("big * 1", "number is out of range"),
        ("big * big * big * big * big * big * big * big * big * big * big * big / 1", "number is out of range"),
        ("1 in invoice", '"in" looks for str in dict, not for int'),
        ("[] in invoice", '"in" looks for str in dict, not for list'),
        ("1 in text", '"in" looks for str in str, not for int'),
        ("'x' in nothing", '"in" looks into str, list or dict, not into null'),
        ("len(1)", "len takes str, list or dict, not int"),
        ("sum(mixed)", "sum takes a list of numbers, not str"),
        ("sum([true])", "sum takes a list of numbers, not bool"),
        ("sum([9223372036854775807, 1])", "number is out of range"),
        ("sum([1e308, 1e308])", "number is out of range"),
        ("max(mixed)", "max takes numbers only or str only, not int and str"),
        ("max(1, null)", "max takes numbers only or str only, not int and null"),
        ("min(true, false)", "min takes numbers only or str only, not bool and bool"),
        ("min(numbers, numbers)", "min takes numbers only or str only, not list and list"),
        ("max([])", "max of an empty list"),
        ("max(1)", "max takes a list, not int"),
        ("any(text)", "any takes a list, not str"),
        ("lower(nothing)", "lower takes str, not null"),
        ("startswith(text, 1)", "startswith takes str, not int"),
    ],
)
def test_what_has_no_value_fails_with_a_reason(text: str, message: str) -> None:
    assert failure(text).message == message


def test_a_failure_points_at_the_operation_that_failed() -> None:
    error = failure("yes and invoice.note.author == 'ana'")
    assert error.text[error.offset : error.end] == "invoice.note.author"
    error = failure("1 < 2 < text")
    assert error.text[error.offset : error.end] == "2 < text"
    assert str(error) == error.message


def test_a_message_stays_on_one_line() -> None:
    assert failure("[\n  1\n].total").message == '[ 1 ] is list, so it has no field "total"'


def test_what_is_not_needed_is_not_evaluated() -> None:
    assert value("yes or ghost") is True
    assert value("nothing and ghost") is None
    assert value("1 if yes else ghost") == 1
    assert value("2 < 1 < ghost / 0") is False


@pytest.mark.parametrize(
    "text",
    ["'a' * 100001", "100001 * 'a'", "text * 9223372036854775807", "[0] * 100001", "[[0] * 1000] * 1000",
     "['a' * 1000] * 1000", "[{'a': [0] * 1000}] * 1000", "'a' * 60000 + 'a' * 60000", "[0] * 60000 + [0] * 60000"],
)  # fmt: skip
def test_a_result_too_large_is_refused_before_it_is_made(text: str) -> None:
    assert failure(text).message == "result is larger than 100,000 elements or characters"


def test_a_result_may_be_as_large_as_the_bound() -> None:
    assert len(value("'a' * 100000")) == 100_000
    assert len(value("[0] * 50000 + [0] * 50000")) == 100_000


def test_a_value_nested_too_deep_to_compare_fails() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    other: Any = []
    for _ in range(100_000):
        other = [other]
    with pytest.raises(EvaluationError, match="nested too deep"):
        parse("a == b").evaluate({"a": deep, "b": other})


def test_a_long_key_does_not_reach_the_message() -> None:
    assert len(failure("invoice['x' * 90000]").message) < 100


def test_the_values_are_not_changed_and_literals_are_fresh() -> None:
    values = {"a": [1]}
    expression = parse("a + []")
    first = expression.evaluate(values)
    first.append(2)
    assert expression.evaluate(values) == [1]
    assert values == {"a": [1]}
    parse("[1]").evaluate({}).append(2)
