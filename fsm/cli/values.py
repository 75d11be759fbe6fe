"""Values from the command line: JSON, JSON in a file, and name=value pairs that the declared types give meaning."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from fsm.errors import UsageError

SIZE_CHARS_MAX = 64 * 1024 * 1024
_SHOWN = 30


def read_json(given: str, option: str) -> Any:
    """Return the value of JSON text, of a file (`@path`) or of stdin (`@-`).

    Args:
        given: the text, or where it is.
        option: how it was given, for messages.

    Raises:
        UsageError: it cannot be read or is no JSON; names line and column.
    """
    text = _content(given[1:], option) if given.startswith("@") else given
    place = f"{option} ({given})" if given.startswith("@") else option
    try:
        return json.loads(text.removeprefix("\ufeff"), parse_constant=_no_constant)
    except json.JSONDecodeError as fault:
        raise UsageError(f"{place} is not JSON: {_where(fault)}") from None
    except RecursionError:
        raise UsageError(f"{place} is nested too deeply") from None
    except ValueError as fault:
        raise UsageError(f"{place} holds what cannot be stored: {fault}") from None


def read_object(given: str, option: str) -> dict[str, Any]:
    """Return a JSON object; see `read_json`."""
    value = read_json(given, option)
    if not isinstance(value, dict):
        raise UsageError(f'{option} must be a JSON object, such as {{"name": "value"}}, not {_kind(value)}')
    return value


def pairs(given: Iterable[str], option: str) -> dict[str, str]:
    """Return the names and texts of `name=value` words.

    Raises:
        UsageError: a word has no name or no "=", or a name comes twice.
    """
    found: dict[str, str] = {}
    for word in given:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {word!r} is not name=value")
        if name in found:
            raise UsageError(f'{option} gives "{name}" twice')
        found[name] = text
    return found


def typed(texts: Mapping[str, str], annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value that each text stands for.

    Where the declared type takes text, it is the text itself; otherwise it is read as JSON, and what is no JSON
    stays text, for the check of the declared type to judge.

    Args:
        texts: by name.
        annotations: the declared type by name; a name that is not declared may be anything.
    """
    return {name: _value(text, annotations.get(name, Any)) for name, text in texts.items()}


def _value(text: str, annotation: Any) -> Any:
    from fsm.actions.values import NotStorable, load  # noqa: PLC0415 - pydantic, only where types are declared

    if annotation is not Any:
        try:
            load(json.dumps(text), annotation)
        except NotStorable:
            pass
        else:
            return text
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _content(path: str, option: str) -> str:
    try:
        if path == "-":
            text = sys.stdin.read(SIZE_CHARS_MAX + 1)
        else:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as it was given
                text = file.read(SIZE_CHARS_MAX + 1)
    except OSError as fault:
        raise UsageError(f"{option}: {path} cannot be read: {fault.strerror}") from None
    except ValueError:
        raise UsageError(f"{option}: {path} is not UTF-8 text") from None
    if len(text) > SIZE_CHARS_MAX:
        raise UsageError(f"{option}: {path} is larger than 64 MiB; keep large things in files, and give their paths")
    return text


def _where(fault: json.JSONDecodeError) -> str:
    """Return what is wrong and where, with what stands there."""
    begin = max(fault.pos - _SHOWN, fault.doc.rfind("\n", 0, fault.pos) + 1)
    before = fault.doc[begin : fault.pos]
    after = fault.doc[fault.pos : fault.pos + _SHOWN].split("\n")[0]
    found = f"; found {after!r}" if after else "; the text ends there"
    return (
        f"{fault.msg} at line {fault.lineno}, column {fault.colno}" + (f", after {before!r}" if before else "") + found
    )


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _kind(value: Any) -> str:
    kinds = {list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
