"""The characters a text may hold, and what a plain (unquoted) scalar means.

Scalars follow the core schema of YAML 1.2, and nothing from YAML 1.1.
So `on`, `no`, `yes`, `12:30`, `1_000` and `2026-01-01` are text.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Iterator

from fsm.diagnostics import Span

Scalar = str | int | float | bool | None

# U+0085, U+2028 and U+2029 break lines in YAML 1.1 only, and an inner U+FEFF has no column there: with them
# the place of what follows would depend on who reads.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]+")
BREAK = re.compile(r"\r\n|\r|\n")
"""The end of a line."""

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""What escapes could smuggle into a value although no store keeps it."""

_SURROGATES = range(0xD800, 0xE000)
_STRAY_BYTES = range(0xDC80, 0xDD00)
"""What the error handler `surrogateescape` makes of bytes that are not UTF-8."""

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"(?P<sign>[-+]?)0*(?P<ten>[0-9]+)|0o0*(?P<eight>[0-7]+)|0x0*(?P<sixteen>[0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

_DIGITS_MAX = 22
"""As many as 64 bits can need, in base eight: longer ones are never converted."""

_SHOWN_MAX = 40


def resolve(text: str) -> Scalar:
    """Return the value that a plain scalar stands for.

    Args:
        text: the scalar as written, without quotes or surrounding space; empty means null.

    Raises:
        ValueError: an integer beyond 64 bits, an infinity, or no number at all: none of them can be stored.
    """
    if text in _WORDS:
        return _WORDS[text]
    if found := _INT.fullmatch(text):
        return _integer(text, found)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise ValueError(f"{shown(text)} is too large for a number")
        return number
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a number that can be stored")
    return text


def _integer(text: str, found: re.Match[str]) -> int:
    base = {"ten": 10, "eight": 8, "sixteen": 16}[str(found.lastgroup)]
    digits = found[str(found.lastgroup)]
    number = int(digits, base) if len(digits) <= _DIGITS_MAX else INT_MAX + 2
    signed = -number if found["sign"] == "-" else number
    if not INT_MIN <= signed <= INT_MAX:
        raise ValueError(f"{shown(text)} does not fit in 64 bits")
    return signed


def unprintables(text: str, *, undecoded: bool) -> Iterator[tuple[str, Span, str]]:
    """Yield message, place and cure for every run of characters that a text may not hold.

    Args:
        text: a whole file, without its byte order mark.
        undecoded: it was decoded with the error handler `surrogateescape`.
    """
    starts = [0, *(found.end() for found in BREAK.finditer(text))]
    for found in _UNPRINTABLE.finditer(text):
        line = bisect_right(starts, found.start())
        message, cure = unprintable(found[0][0], undecoded=undecoded)
        yield message, Span.at(line, found.start() - starts[line - 1] + 1, len(found[0])), cure


def unprintable(character: str, *, undecoded: bool) -> tuple[str, str]:
    """Return what is wrong with one character that may not be, and the cure."""
    code = ord(character)
    if undecoded and code in _STRAY_BYTES:
        return f"byte 0x{code & 0xFF:02X} is not UTF-8", "save the file as UTF-8"
    if code in _SURROGATES:
        return f"U+{code:04X} is half of a surrogate pair, not a character", "write the character itself"
    cure = f', or write "\\u{code:04X}" in double quotes' if code else ""
    return f"character U+{code:04X} is not allowed", f"remove it{cure}"


def kind_of(text: str) -> str:
    """Name what a plain scalar is taken for, as a message says it."""
    try:
        value = resolve(text)
    except ValueError:
        return "a number"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return "text" if isinstance(value, str) else "a number"


def shown(text: str) -> str:
    """Return a text cut to what fits in a message."""
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"
