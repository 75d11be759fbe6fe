import warnings
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fsm.expressions import EvaluationError, Expression, ExpressionSyntaxError, infer, parse
from fsm.expressions.operators import INT_MAX
from fsm.expressions.shapes import kind, kinds

WORDS = [
    *"()[]{}+-*/%<>=!&|^~@.,:;#'\"\\?_ \n", "==", "<=", "!=", "//", "**", ":=", "&&", "...", "'a'", "'\\", "\\x4",
    "and", "or", "not", "in", "is", "if", "else", "None", "null", "true", "lambda", "for", "await", "class", "f'",
    "a", "b.c", "__class__", "len(", "lower(a)", "open(", "x=1", "1", "2.5", "1e", "0x", "1_0", "9" * 30, "é", "\0",
    "\ud800", "\N{FULLWIDTH LOW LINE}", "\N{FULLWIDTH LATIN SMALL LETTER N}ull", "𝄞", "\u2028", "\x85", "\r\n", "\f",
]  # fmt: skip
NAMES = ["i", "j", "f", "s", "t", "b", "n", "l", "m", "d"]
SLOW = settings(deadline=None, max_examples=200)

texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=30).map("".join),
    st.tuples(st.sampled_from(WORDS), st.integers(1, 1_500)).map(lambda pair: pair[0] * pair[1]),
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
json_values = st.recursive(
    scalars | st.integers(-3, 3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=8,
)
literals = st.one_of(
    st.sampled_from(["null", "true", "False", "0", "1", "2", "7", "1.5", "1e300", "9223372036854775807", "''", "'a'"]),
    st.sampled_from(NAMES),
)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def shaped(shape: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(*parts).map(lambda found: shape.format(*found))

    binary = st.sampled_from(["+", "-", "*", "/", "//", "%", "and", "or", "in", "not in"])
    comparison = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    one = st.sampled_from(["len", "min", "max", "sum", "any", "all", "lower", "upper"])
    two = st.sampled_from(["min", "max", "startswith", "endswith"])
    return st.one_of(
        shaped("({} {} {})", inner, binary, inner),
        shaped("({} {} {})", inner, comparison, inner),
        shaped("({} {} {} {} {})", inner, comparison, inner, comparison, inner),
        shaped("({}{})", st.sampled_from(["-", "+", "not "]), inner),
        shaped("({} if {} else {})", inner, inner, inner),
        shaped("({} is not null)", inner),
        shaped("({}).{}", inner, st.sampled_from(["a", "b", "class"])),
        shaped("({})[{}]", inner, inner),
        shaped("({})[{}:{}]", inner, inner, inner),
        shaped("[{}, {}]", inner, inner),
        shaped("{{'a': {}, 'b': {}}}", inner, inner),
        shaped("{}({})", one, inner),
        shaped("{}({}, {})", two, inner, inner),
    )


expressions = st.recursive(literals, _larger, max_leaves=12)
values_of_all_names = st.fixed_dictionaries(dict.fromkeys(NAMES[:-1], json_values))


def _parsed(text: str) -> Expression | ExpressionSyntaxError:
    try:
        return parse(text)
    except ExpressionSyntaxError as error:
        return error


def _outcome(text: str, values: dict[str, Any]) -> Any:
    try:
        return parse(text).evaluate(values)
    except EvaluationError as error:
        return error


@SLOW
@given(texts)
def test_random_text_raises_nothing_but_a_syntax_error(text: str) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = _parsed(text)
    assert found.text == text.strip()
    if isinstance(found, ExpressionSyntaxError):
        assert 0 <= found.offset <= found.end <= len(found.text)
    else:
        assert not any(name.startswith("_") for name in found.names)
    assert warned == []


@SLOW
@given(expressions, values_of_all_names)
def test_sound_expressions_raise_nothing_but_an_evaluation_error(text: str, values: dict[str, Any]) -> None:
    assert parse(text).names <= set(NAMES)
    found = _outcome(text, values)
    if isinstance(found, EvaluationError):
        assert 0 <= found.offset < found.end <= len(text)
        assert found.text == text


@SLOW
@given(expressions, values_of_all_names)
def test_the_value_of_an_expression_depends_on_the_names_it_reads_only(text: str, values: dict[str, Any]) -> None:
    expression = parse(text)
    read = {name: found for name, found in values.items() if name in expression.names}
    assert repr(_outcome(text, values)) == repr(_outcome(text, read))


numbers = st.recursive(
    st.sampled_from(["i", "j", "f", "0", "1", "3", "2.5", "1000000007"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(lambda p: f"({' '.join(p)})"),
        inner.map(lambda operand: f"(-{operand})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda operands: f"max({', '.join(operands)})"),
    ),
    max_leaves=10,
)
comparisons = st.lists(st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers), min_size=1, max_size=3)
conditions = st.recursive(
    st.tuples(numbers, comparisons).map(
        lambda found: f"({found[0]} {' '.join(f'{symbol} {operand}' for symbol, operand in found[1])})"
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"({' '.join(p)})"),
        inner.map(lambda operand: f"(not {operand})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
    ),
    max_leaves=4,
)
number_values = st.fixed_dictionaries(
    {
        "i": st.integers(-5, 5),
        "j": st.integers(-INT_MAX, INT_MAX),
        "f": st.floats(allow_nan=False, allow_infinity=False),
    }
)


@SLOW
@given(numbers | conditions, number_values)
def test_arithmetic_and_comparison_agree_with_python(text: str, values: dict[str, Any]) -> None:
    try:
        expected = eval(text, {"max": max}, values)
    except (ZeroDivisionError, OverflowError):
        expected = None
    found = _outcome(text, values)
    if isinstance(found, EvaluationError):
        # Ours refuses earlier what Python lets grow: beyond 64 bits, or to infinity and back.
        assert expected is None or found.message == "number is out of range"
    else:
        assert (type(found), found) == (type(expected), expected)


@SLOW
@given(st.text(max_size=5), st.text(max_size=5), st.integers(-7, 7), st.integers(-7, 7))
def test_text_agrees_with_python(s: str, t: str, i: int, j: int) -> None:
    def ours(text: str) -> Any:
        return parse(text).evaluate({"s": s, "t": t, "i": i, "j": j})

    assert ours("[s + t, s * i, s[i:j], s[::i or 1]]") == [s + t, s * i, s[i:j], s[:: i or 1]]
    assert ours("[s < t, s == t, s in t, len(s)]") == [s < t, s == t, s in t, len(s)]
    assert ours("[lower(s), upper(s)]") == [s.lower(), s.upper()]
    assert ours("[startswith(s, t), endswith(s, t)]") == [s.startswith(t), s.endswith(t)]


TYPED: dict[str, tuple[Any, Any]] = {
    "i": (int, 3), "j": (int | None, 1), "f": (float, 1.5), "s": (str, "ab"), "t": (str | int, "x"),
    "b": (bool, True), "n": (None, None), "l": (list[int], [1, 2]), "m": (list[str], ["a"]),
    "d": (dict[str, int], {"a": 1, "b": 2}),
}  # fmt: skip
TYPES = {name: annotation for name, (annotation, _) in TYPED.items()}
VALUES = {name: found for name, (_, found) in TYPED.items()}


@SLOW
@given(expressions)
def test_a_value_is_of_the_inferred_type(text: str) -> None:
    annotation, _ = infer(parse(text), TYPES)
    found = _outcome(text, VALUES)
    assume(not isinstance(found, EvaluationError))
    assert kind(type(found)) in kinds(annotation) or "any" in kinds(annotation)


eager_literals = st.sampled_from([*NAMES, "1", "2.5", "'a'", "null", "true", "[1]", "['a']", "{'a': 1}"])


def _eager(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions all of whose parts are always evaluated, and whose lists are never empty."""
    symbols = st.sampled_from(["+", "-", "/", "//", "%", "<", ">=", "==", "in"])
    functions = st.sampled_from(["len", "min", "max", "sum", "any", "all", "lower"])
    return st.one_of(
        st.tuples(inner, symbols, inner).map(lambda p: f"({' '.join(p)})"),
        st.tuples(functions, inner).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"max({p[0]}, {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]})[{p[1]}]"),
        st.tuples(inner, inner).map(lambda p: f"[{p[0]}, {p[1]}]"),
        inner.map(lambda operand: f"(-{operand})"),
        inner.map(lambda operand: f"({operand}).a"),
    )


@SLOW
@given(st.recursive(eager_literals, _eager, max_leaves=8))
def test_what_is_reported_as_certainly_wrong_does_fail(text: str) -> None:
    _, faults = infer(parse(text), TYPES)
    if faults:
        assert isinstance(_outcome(text, VALUES), EvaluationError), faults
