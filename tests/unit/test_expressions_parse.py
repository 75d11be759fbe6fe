import contextlib
import copy
import inspect
import pickle
import subprocess
import sys

import pytest

from fsm.expressions import (
    FUNCTIONS,
    RESERVED,
    EvaluationError,
    Expression,
    ExpressionSyntaxError,
    is_constant,
    parse,
)


def refusal(text: str) -> ExpressionSyntaxError:
    with pytest.raises(ExpressionSyntaxError) as caught:
        parse(text)
    return caught.value


def marked(error: ExpressionSyntaxError | EvaluationError) -> str:
    return error.text[error.offset : error.end]


def test_the_text_is_kept_stripped() -> None:
    assert parse("  a + 1\n").text == "a + 1"


def test_names_are_what_is_read_without_functions_fields_and_constants() -> None:
    expression = parse("len(lines) > 0 and invoice.total < max(limit, null) or true")
    assert expression.names == {"lines", "invoice", "limit"}


def test_expressions_are_equal_by_their_text() -> None:
    assert parse("a + b") == parse(" a + b ")
    assert parse("a + b") != parse("a+b")
    assert len({parse("a"), parse("a"), parse("b")}) == 2


def test_the_repr_of_an_expression_is_short() -> None:
    assert repr(parse("a.b")) == "Expression(text='a.b')"


def test_an_expression_that_reads_nothing_is_constant() -> None:
    assert is_constant(parse("'done'"))
    assert is_constant(parse("len([1, null]) + 2"))
    assert not is_constant(parse("a"))


def test_a_call_to_open_is_refused() -> None:
    error = refusal('open("/etc/passwd")')
    assert error.message.startswith('call to "open" is not allowed; functions are len, min, ')
    assert (error.offset, error.end) == (0, 4)


def test_a_misspelt_function_is_named_with_the_one_that_was_meant() -> None:
    assert 'did you mean "lower"?' in refusal("lowr(a)").message


def test_a_method_call_is_refused_with_the_function_to_write() -> None:
    assert refusal("name.lower()").message == "there are no methods; write lower(name)"
    assert refusal("a.b.startswith('x')").message == "there are no methods; write startswith(a.b, 'x')"
    assert refusal("a.strip()").message.startswith('call to "strip" is not allowed')


def test_a_function_that_is_not_called_is_refused() -> None:
    assert refusal("len > 1").message == '"len" is a function; call it: len(x)'


def test_a_field_may_be_named_like_a_function() -> None:
    assert parse("stats.max + stats.len").evaluate({"stats": {"max": 2, "len": 3}}) == 5


@pytest.mark.parametrize("text", ["lower()", "lower(a, b)", "len(a, b)", "startswith(a)", "min()", "sum(a, 1)"])
def test_a_wrong_number_of_arguments_is_refused(text: str) -> None:
    assert "arguments: " in refusal(text).message


@pytest.mark.parametrize("name", ["__class__", "_x", "__import__", "_"])
def test_names_and_fields_that_begin_with_an_underscore_are_refused(name: str) -> None:
    assert 'no name begins with "_"' in refusal(name).message
    assert 'no name begins with "_"' in refusal(f"a.{name}").message


def test_an_underscore_in_other_letters_is_refused_too() -> None:
    assert "is not a name" in refusal("a.\N{FULLWIDTH LOW LINE}\N{FULLWIDTH LOW LINE}class").message
    assert 'no name begins with "_"' in refusal("a._\N{FULLWIDTH LOW LINE}class").message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[x for x in a]", "for"),
        ("lambda: a", "lambda"),
        ("(a := 1)", ":="),
        ("a ** 2", "**"),
        ("a & b", "&"),
        ("a | b", "|"),
        ("a ^ b", "^"),
        ("~a", "~"),
        ("a << 1", "<<"),
        ("a @ b", "@"),
        ("{**a}", "**"),
        ("f'{a}'", "f'"),
        ("b'a'", "b'"),
        ("r'a'", "r'"),
        ("'''a'''", "'''"),
        ("min(a, key=b)", "="),
        ("len(*a)", "len(*a)"),
        ("[*a]", "*a"),
        ("{1, 2}", "{1, 2}"),
        ("{1: 2}", "{1: 2}"),
        ("{a: 2}", "{a: 2}"),
        ("{'a': 1, 'a': 2}", "{'a': 1, 'a': 2}"),
        ("...", "..."),
        ("1j", "1j"),
        ("0x10", "0x10"),
        ("1if a else 2", "1if"),
        ("await a", "await"),
        ("import os", "import"),
        ("a; b", ";"),
        ("a # b", "#"),
        ("a[1, 2]", "a[1, 2]"),
        ("a[1:2, 3]", "a[1:2, 3]"),
        ("a is true", "true"),
        ("a is not b", "b"),
        ("'\\d'", "\\d"),
        ("'\\xg0'", "\\x"),
        ("'\\N{BULLET}'", "\\N"),
        ("'\\ud800'", "'\\ud800'"),
        ("9223372036854775808", "9223372036854775808"),
        ("1e999", "1e999"),
        ("'open", "'open"),
        ("'two\nlines'", "'two\nlines'"),
        ("a \N{LESS-THAN OR EQUAL TO} b", "\N{LESS-THAN OR EQUAL TO}"),
        ("a\0b", "\0"),
        ("'\ud800'", "\ud800"),
        ("a b", "b"),
        ("(a", "("),
        ("a)", ")"),
    ],
)
def test_what_the_language_lacks_is_refused_where_it_stands(text: str, place: str) -> None:
    assert marked(refusal(text)) == place


@pytest.mark.parametrize(
    ("text", "cure"),
    [("a && b", 'write "and"'), ("a || b", 'write "or"'), ("!a", 'write "not"'), ("a = 1", '"==" compares'),
     ("a === 1", '"==" compares'), ("a ? 1 : 2", 'write "a if condition else b"')],
)  # fmt: skip
def test_operators_of_other_languages_are_refused_with_the_cure(text: str, cure: str) -> None:
    assert cure in refusal(text).message


def test_brackets_around_the_text_cannot_be_smuggled_in() -> None:
    assert refusal("a) + (b").offset == 1


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_text_is_refused(text: str) -> None:
    error = refusal(text)
    assert error.message == "the expression is empty"
    assert (error.offset, error.end, error.text) == (0, 0, "")


def test_a_text_that_ends_too_early_has_its_caret_at_the_end() -> None:
    error = refusal("a +")
    assert (error.message, error.offset, error.end) == ("the expression ends too early", 3, 3)


def test_a_text_may_have_two_thousand_characters_and_no_more() -> None:
    parse("'" + "a" * 1_998 + "'")
    error = refusal("'" + "a" * 1_999 + "'")
    assert error.message == "the expression has 2,001 characters; at most 2,000 are allowed"
    assert (error.offset, error.end) == (2_000, 2_001)


@pytest.mark.parametrize(
    "text",
    ["(" * 60 + "1" + ")" * 60, "[" * 1_500, "-" * 1_900 + "1", "not " * 400 + "a", "+".join("a" * 900),
     "a.b" * 600, "a" + "[0]" * 500, "a if b else " * 160 + "c", "{'a':" * 300, "len(" * 300],
)  # fmt: skip
def test_deep_nesting_is_refused(text: str) -> None:
    assert "nested more than 50 deep" in refusal(text).message


def test_deep_nesting_is_refused_when_little_stack_is_left() -> None:
    limit = sys.getrecursionlimit()
    depth = 0
    frame = inspect.currentframe()
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    sys.setrecursionlimit(depth + 80)
    try:
        error = refusal("-" * 1_900 + "1")
    finally:
        sys.setrecursionlimit(limit)
    assert "nested more than 50 deep" in error.message


def test_fifty_levels_are_allowed() -> None:
    assert parse("-" * 49 + "1").evaluate({}) == -1
    assert "deep" in refusal("-" * 50 + "1").message


def test_a_text_may_span_lines() -> None:
    expression = parse("a > 1\r\n  and b\n")
    assert expression.evaluate({"a": 2, "b": "yes"}) == "yes"
    assert marked(refusal("a >\n  open(b)")) == "open"


def test_places_count_characters_and_not_bytes() -> None:
    assert marked(refusal("größe == '€𝄞' and öffne(b)")) == "öffne"
    with pytest.raises(EvaluationError) as caught:
        parse("'€𝄞' == größe.höhe").evaluate({"größe": {}})
    assert marked(caught.value) == "größe.höhe"


def test_a_field_may_be_named_like_a_keyword() -> None:
    expression = parse("error.class == 'Timeout' and mail.from.None is null")
    assert expression.names == {"error", "mail"}
    assert expression.evaluate({"error": {"class": "Timeout"}, "mail": {"from": {"None": None}}}) is True
    assert refusal("class == 1").message == 'keyword "class" is not allowed'


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_no_reserved_word_can_be_read_as_a_value(name: str) -> None:
    with contextlib.suppress(ExpressionSyntaxError):
        assert parse(name).names == frozenset()


def test_functions_are_reserved() -> None:
    assert FUNCTIONS < RESERVED
    assert {"null", "and", "class"} < RESERVED


def test_the_places_of_errors_survive_copying() -> None:
    error = refusal("a b")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (twin.message, twin.offset, twin.end, twin.text) == (error.message, 2, 3, "a b")
    assert str(error) == error.message


def test_importing_the_room_does_not_import_pydantic() -> None:
    code = "import sys; from fsm.expressions import *; infer(parse('a'), {}); print('pydantic' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout == "False\n"


def test_an_expression_is_made_by_parse() -> None:
    assert isinstance(parse("a"), Expression)
