"""Places in the text of an expression, and the two errors that point at them."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from fsm.diagnostics import did_you_mean

_EXCERPT_CHARS_MAX = 60
_HINT_NAMES_MAX = 200


class _PlacedError(ValueError):
    """An error at characters `offset` to `end` (exclusive) of `text`; an empty range is a caret."""

    def __init__(self, message: str, offset: int, end: int, text: str) -> None:
        super().__init__(message, offset, end, text)
        self.message = message
        self.offset = offset
        self.end = end
        self.text = text

    def __str__(self) -> str:
        return self.message


class ExpressionSyntaxError(_PlacedError):
    """A text is not an expression: 0 <= offset <= end <= len(text), in characters of the stripped text."""


class EvaluationError(_PlacedError):
    """A sound expression has no value for these values: 0 <= offset < end <= len(text)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A range of characters of an expression's text."""

    text: str
    offset: int
    end: int

    @classmethod
    def of(cls, node: ast.expr, text: str) -> "Place":
        """Return where a node of a parsed expression stands; its columns already count characters."""
        return cls(text, node.col_offset, node.end_col_offset or node.col_offset)

    @property
    def excerpt(self) -> str:
        """What is written here, on one line and cut to a length that fits a message."""
        return shorten(" ".join(self.text[self.offset : self.end].split()))

    def error(self, message: str) -> EvaluationError:
        return EvaluationError(message, self.offset, self.end, self.text)

    def syntax_error(self, message: str) -> ExpressionSyntaxError:
        return ExpressionSyntaxError(message, self.offset, self.end, self.text)


def shorten(text: str) -> str:
    """Return the text, or its beginning when it is too long for a message."""
    return text if len(text) <= _EXCERPT_CHARS_MAX else text[: _EXCERPT_CHARS_MAX - 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return a "did you mean" hint; bounded, since names and keys may come from a run's values."""
    if len(name) > _EXCERPT_CHARS_MAX:
        return None
    return did_you_mean(name, [k for k in islice(known, _HINT_NAMES_MAX) if len(k) <= _EXCERPT_CHARS_MAX])
