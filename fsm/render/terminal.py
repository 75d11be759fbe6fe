"""Texts as a terminal shows them: how wide they are, and without what would change how the rest is shown."""

import unicodedata

LINE_COLUMNS = 100
"""How much of a source line is shown."""

TAB = "    "
_CUT = "…"
_LEAD = 20
_CONTROL_PICTURES = 0x2400
_DELETE, _DELETE_PICTURE = "\x7f", "\u2421"
_MARKED_MAX = 80


def safe(text: str) -> str:
    """Return a text in which every character stands for itself: tabs widened, control characters made visible."""
    return "".join(_shown(char) for char in text)


def width(text: str) -> int:
    """Return how many columns a safe text takes."""
    return sum(_columns(char) for char in text)


def masked(text: str, shown: int) -> str:
    """Return a secret with all but its first characters hidden."""
    return text[:shown] + "•" * (len(text) - shown)


def paint(text: str, colour: str, *, on: bool) -> str:
    """Return a text in an ANSI colour, or as it is."""
    return f"\x1b[{colour}m{text}\x1b[0m" if on else text


def cut(before: str, marked: str, after: str) -> tuple[str, str, str]:
    """Return the three parts of a line so that together they take at most about a hundred columns.

    What is marked stays in sight, with something of what stands before it.
    """
    if width(before) + width(marked) + width(after) <= LINE_COLUMNS:
        return before, marked, after
    marked = _head(marked, _MARKED_MAX)
    room = LINE_COLUMNS - width(marked)
    if width(before) + min(width(after), _LEAD) > room:
        before = _tail(before, max(room - min(width(after), _LEAD), 0))
    return before, marked, _head(after, max(room - width(before), 1))


def _head(text: str, columns: int) -> str:
    if width(text) <= columns:
        return text
    kept = 0
    for place, char in enumerate(text):
        kept += _columns(char)
        if kept > columns - 1:
            return text[:place] + _CUT
    return text


def _tail(text: str, columns: int) -> str:
    return _head(text[::-1], max(columns, 1))[::-1]


def _shown(char: str) -> str:
    if char == "\t":
        return TAB
    if char < " ":
        return chr(_CONTROL_PICTURES + ord(char))
    if char == _DELETE:
        return _DELETE_PICTURE
    return "\ufffd" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
