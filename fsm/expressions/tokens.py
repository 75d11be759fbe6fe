"""The words an expression may be written with, checked before Python's own parser sees the text.

Python's grammar is far larger than ours, its operators carry no position in the tree, and its parser warns
about some texts through a process-wide filter. So each token is looked at first: what is refused gets a caret
of its own and a cure, and the parser only ever sees tokens that mean the same to it as to us.
"""

import re
from collections.abc import Iterator
from keyword import iskeyword, kwlist

from fsm.expressions.functions import FUNCTIONS
from fsm.expressions.places import Place

NESTING_MAX = 50
# Each spelling is as long as Python's, so nothing moves when it is replaced.
_CONSTANTS = {"null": "None", "true": "True", "false": "False"}
RESERVED = frozenset(kwlist) | frozenset(_CONSTANTS) | FUNCTIONS
"""Names that no expression can read as a value."""

_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "True", "False", "None"})
_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<prefixed>[rRuUbBfFtT]{1,2}["'])
    | (?P<triple>'''|\"\"\")
    | (?P<string>'(?:\\[^\r\n]|[^'\\\r\n])*'|"(?:\\[^\r\n]|[^"\\\r\n])*")
    | (?P<number>\.?[0-9](?:[eE][+-]|[\w.])*)
    | (?P<name>(?:[A-Za-z_]|[^\x00-\x7f\s])(?:[A-Za-z0-9_]|[^\x00-\x7f\s])*)
    | (?P<refused>\*\*|&&?|\|\|?|<<|>>|:=|=(?!=)|!(?!=)|[\^~@;\\`?$#])
    | (?P<operator>==|!=|<=|>=|//|[-+*/%<>()\[\]{},:.])
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"(?:[0-9](?:_?[0-9])*)?(?:\.(?:[0-9](?:_?[0-9])*)?)?(?:[eE][+-]?[0-9]+)?")
_BACKSLASHED = re.compile(r"\\.")
_HEX = "[0-9a-fA-F]"
_ESCAPE = re.compile(rf"""\\(?:[\\'"abfnrtv0]|x{_HEX}{{2}}|u{_HEX}{{4}}|U00(?:0{_HEX}|10){_HEX}{{4}})""")
_CURES = {
    "&&": 'write "and"', "&": 'write "and"', "||": 'write "or"', "|": 'write "or"', "!": 'write "not"',
    "=": '"==" compares', ":=": '"==" compares', "**": 'write the product with "*"',
    "#": "a comment belongs outside the expression", "\\": "an expression may span lines as it is",
    "?": 'write "a if condition else b"',
}  # fmt: skip
# Python reads these letters as their ASCII twins in a name, but never as a keyword.
_WIDE = {code: code + 0xFEE0 for code in range(ord("A"), ord("z") + 1)}


def prepare(text: str) -> str:
    """Return the text for Python's parser: on one line, as long, each character in its old place.

    JSON's `null`, `true` and `false` are respelled as Python's. A field may be named like a keyword
    (`error.class`, `mail.from`): it is respelled so that Python takes it for the name it is.

    Raises:
        ExpressionSyntaxError: a token that the language does not have, or brackets nested too deep.
    """
    parts, depth, last = [], 0, ""
    for kind, word, place in _tokens(text):
        if kind == "space":
            parts.append(" " * len(word))
            continue
        is_field = last == "."
        _check(kind, word, place, is_field=is_field)
        depth += (word in "([{") - (word in ")]}") if kind == "operator" else 0
        if depth > NESTING_MAX:
            raise place.syntax_error(f"brackets are nested more than {NESTING_MAX} deep")
        parts.append(_respelled_field(word) if is_field else _CONSTANTS.get(word, word))
        last = word
    return "".join(parts)


def _respelled_field(word: str) -> str:
    return word.translate(_WIDE) if iskeyword(word) else word


def _tokens(text: str) -> Iterator[tuple[str, str, Place]]:
    """Yield (kind, word, place) for each token, space included, up to the first that is none."""
    offset = 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            _refuse_character(text, offset)
        assert match is not None
        yield match.lastgroup or "", match[0], Place(text, offset, match.end())
        offset = match.end()


def _refuse_character(text: str, offset: int) -> None:
    if text[offset] in "'\"":
        raise Place(text, offset, len(text)).syntax_error("the string is not closed on its line")
    raise Place(text, offset, offset + 1).syntax_error(f"character {text[offset]!a} is not allowed")


def _check(kind: str, word: str, place: Place, *, is_field: bool) -> None:
    match kind:
        case "refused":
            cure = f"; {_CURES[word]}" if word in _CURES else ""
            raise place.syntax_error(f'"{word}" is not allowed{cure}')
        case "prefixed":
            raise place.syntax_error(f'prefix "{word[:-1]}" is not allowed; a string begins with its quote')
        case "triple":
            raise place.syntax_error("a string in triple quotes is not allowed; use one quote")
        case "number" if not _NUMBER.fullmatch(word):
            raise place.syntax_error(f'"{place.excerpt}" is not a number; write it in decimal')
        case "string":
            _check_escapes(word, place)
        case "name" if not word.isidentifier():
            raise place.syntax_error(f'"{place.excerpt}" is not a name')
        case "name" if iskeyword(word) and word not in _KEYWORDS and not is_field:
            what = "a comprehension" if word == "for" else f'keyword "{word}"'
            raise place.syntax_error(f"{what} is not allowed")


def _check_escapes(word: str, place: Place) -> None:
    for backslashed in _BACKSLASHED.finditer(word):
        if _ESCAPE.match(word, backslashed.start()) is None:
            offset = place.offset + backslashed.start()
            raise Place(place.text, offset, offset + 2).syntax_error(
                f'"{backslashed[0]}" begins no escape; write a backslash as "\\\\"'
            )
