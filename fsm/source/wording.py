"""What a fault of shape is called: from the words of pydantic to code, message and hint."""

from typing import Any, NamedTuple

from pydantic_core import ErrorDetails

from fsm.diagnostics import did_you_mean
from fsm.model import types
from fsm.model.definition import EndState, Noun
from fsm.model.fields import kind_of
from fsm.source.grammar import keys_of, verbs_with
from fsm.source.tree import Path

SHOWN_CHARS = 40
LISTED_MAX = 8

_FORMS = {
    "success": "a state, or {outcome: state}",
    "signal": "{name: state}",
    "switch": "[{when: expression, to: state}, {else: state}]",
    "states": "{name: {verb: …}}",
    "with": "{parameter: expression}",
    "input": "{name: type}",
    "payload": "{name: type}",
    "errors": "{Name: [Class, …]}",
    "policies": "{name: {attempts: 4, …}}",
    "defaults": "{timeout: …, retry: …, error: …}",
}
_NOUNS_AS_TEXT = {"model_type": "a map", "dict_type": "a map", "tuple_type": "a list"}


class Words(NamedTuple):
    """How a fault is told."""

    code: str
    message: str
    hint: str | None = None

    @property
    def guessed(self) -> bool:
        """Whether the hint names what was probably meant, so that its absence is no second fault."""
        return self.hint is not None and self.hint.startswith(("did you mean", "one of"))


def shown(text: str) -> str:
    """Return a text short enough for a message."""
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"


def named(path: Path) -> str:
    """Return what a message calls the value at a path: its key, or its place in a list."""
    last = path[-1]
    if isinstance(last, str):
        return f'"{shown(last)}"'
    owner = next((part for part in reversed(path) if isinstance(part, str)), "the list")
    return f'item {last + 1} of "{shown(owner)}"'


def wrong_value(error: ErrorDetails, path: Path, raw: str | None) -> Words:
    """Tell what is wrong with a value.

    Args:
        error: as pydantic found it.
        path: of the value.
        raw: the value as the file has it, when it is a plain scalar.
    """
    if error["type"].startswith("FSM"):
        return _told_by_model(error, path, raw)
    given, context = error["input"], error.get("ctx", {})
    if error["type"] == "literal_error":
        expected = str(context["expected"]).replace("'", "")
        seen = f'"{shown(given)}"' if isinstance(given, str) else kind_of(given)
        hint = did_you_mean(given, keys_in(expected)) if isinstance(given, str) else None
        return Words("FSM210", f"{named(path)} must be {expected}, not {seen}", hint)
    if error["type"] == "too_short":
        return Words("FSM210", f"{named(path)} is empty", _form(path))
    if kind := _NOUNS_AS_TEXT.get(error["type"]):
        return Words("FSM210", f"{named(path)} must be {kind}, not {kind_of(given)}", _form(path))
    return Words("FSM210", f"{named(path)}: {error['msg']}")


def unknown_key(noun: type[Noun], key: str) -> Words:
    """Tell why a noun has no such key."""
    quoted, verb = f'"{shown(key)}"', getattr(noun, "VERB", None)
    if key in noun.LATER:
        return Words("FSM212", f"{quoted} is not supported by this version yet")
    others = verbs_with(key) if verb else []
    if noun is EndState and others:
        return Words("FSM206", f'"end" excludes {quoted}', "an end state is final; remove it")
    if others:
        return Words("FSM201", f"unknown key {quoted} in a {verb} state", f"{quoted} belongs to {' and '.join(others)}")
    known = [*keys_of(noun), *noun.SHORT]
    legal = f"one of {', '.join(known)}" if len(known) <= LISTED_MAX else None
    return Words("FSM201", f"unknown key {quoted}", did_you_mean(key, known) or legal)


def keys_in(expected: str) -> list[str]:
    """Return the words of a list such as "success, failure or dead_letter"."""
    return expected.replace(" or ", ", ").split(", ")


def _told_by_model(error: ErrorDetails, path: Path, raw: str | None) -> Words:
    code, context = error["type"], error.get("ctx", {})
    message, hint = str(context["message"]), context.get("hint")
    message = f"{named(path)}{message[4:]}" if message.startswith("this ") else message
    head, semicolon, cure = message.rpartition("; ")
    if code != "FSM208" and semicolon and not hint and '"' not in cure:
        message, hint = head, cure
    if code == "FSM104" and raw:
        return Words(
            code, message.replace(" is a ", f" {shown(raw)} is a ", 1), f'quote it if text is meant: "{shown(raw)}"'
        )
    if code == "FSM211":
        hint = did_you_mean(str(error["input"]), types.NAMED) or hint
    return Words(code, message, hint)


def _form(path: Path) -> str | None:
    form: Any = _FORMS.get(str(path[-1]))
    return f"write {form}" if form else None
