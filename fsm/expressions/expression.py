"""From a text to an expression, or to the first fault in it with its place."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fsm.expressions.places import EvaluationError, ExpressionSyntaxError, Place
from fsm.expressions.program import Program, build
from fsm.expressions.syntax import DEPTH_MAX, check
from fsm.expressions.tokens import prepare

TEXT_CHARS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Expression:
    """A sound expression. Two are equal when their texts are. Made by `parse` only.

    Attributes:
        text: as written, stripped.
        names: the free names it reads; functions and constants are none.
        tree: its checked syntax, for `infer`; columns count characters of `text`.
    """

    text: str
    names: frozenset[str] = field(compare=False, repr=False)
    tree: ast.expr = field(compare=False, repr=False)
    _program: Program = field(compare=False, repr=False)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the value of the expression.

        Args:
            values: JSON values (dict, list, str, int, float, bool, None) by name. The result may share
                their insides; nothing is changed.

        Raises:
            EvaluationError: there is no such value: something is missing, null, of the wrong type, or
                the result would be too large.
        """
        try:
            return self._program(values)
        except RecursionError:
            raise EvaluationError("a value is nested too deep", 0, len(self.text), self.text) from None


def is_constant(expression: Expression) -> bool:
    """Return whether the expression reads nothing, so that its value is always the same."""
    return not expression.names


def parse(text: str) -> Expression:
    """Return the expression that a text is.

    Args:
        text: at most 2,000 characters; may span lines.

    Raises:
        ExpressionSyntaxError: it is none; offsets count characters of the stripped text.
    """
    text = text.strip()
    _check_characters(text)
    prepared = prepare(text)
    body = _python_tree(prepared, text)
    _count_characters(body, prepared)
    check(body, text)
    functions = {id(node.func) for node in ast.walk(body) if isinstance(node, ast.Call)}
    reads = (node for node in ast.walk(body) if isinstance(node, ast.Name) and id(node) not in functions)
    return Expression(text, frozenset(node.id for node in reads), body, build(body, text))


def _check_characters(text: str) -> None:
    if not text:
        raise ExpressionSyntaxError("the expression is empty", 0, 0, text)
    if len(text) > TEXT_CHARS_MAX:
        message = f"the expression has {len(text):,} characters; at most {TEXT_CHARS_MAX:,} are allowed"
        raise ExpressionSyntaxError(message, TEXT_CHARS_MAX, len(text), text)
    for offset, char in enumerate(text):
        if char == "\0" or "\ud800" <= char <= "\udfff":
            raise Place(text, offset, offset + 1).syntax_error(f"character {char!a} is not allowed")


def _python_tree(prepared: str, text: str) -> ast.expr:
    try:
        return ast.parse(prepared, mode="eval").body
    except SyntaxError as error:
        raise _translated(error, text) from None
    except (RecursionError, MemoryError, SystemError):
        # What the C parser raises beyond its own limits; SystemError is Python 3.11's, by mistake.
        message = f"the expression is nested more than {DEPTH_MAX} deep"
        raise ExpressionSyntaxError(message, 0, len(text), text) from None


def _translated(error: SyntaxError, text: str) -> ExpressionSyntaxError:
    """Return Python's verdict as ours, without advice that holds for Python only."""
    if not error.offset:
        return ExpressionSyntaxError("the expression ends too early", len(text), len(text), text)
    offset = min(error.offset - 1, len(text))
    end = max((error.end_offset or 0) - 1, offset + 1)
    message = error.msg.partition(". ")[0]
    message = "this is not an expression" if message == "invalid syntax" else message
    return ExpressionSyntaxError(message, offset, min(end, len(text)), text)


def _count_characters(body: ast.expr, prepared: str) -> None:
    """Make the columns of all nodes count characters; Python counts bytes of UTF-8."""
    if prepared.isascii():
        return
    encoded = prepared.encode()
    for node in ast.walk(body):
        if isinstance(node, ast.expr):
            node.col_offset = len(encoded[: node.col_offset].decode())
            node.end_col_offset = len(encoded[: node.end_col_offset].decode())
