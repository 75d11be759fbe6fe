"""Values between Python and the store: JSON text, nothing else, and pydantic where an annotation says what it is."""

import json
from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from fsm.errors import UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

VALUE_BYTES_MAX = 16 * 1024 * 1024
"""The largest single value; larger things belong into files, and their paths here."""


_PLAIN = frozenset({str, int, bool, float})


class NotStorable(UsageError, ValueError):
    """A value is not JSON, or not what its annotation says."""


@lru_cache(maxsize=1_024)
def adapter(annotation: Any) -> "TypeAdapter[Any]":
    """Return pydantic's adapter for an annotation, made once."""
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415 - 60 ms, only where annotations are used
    from pydantic.errors import PydanticUserError  # noqa: PLC0415

    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # a model or dataclass brings its own configuration
        return TypeAdapter(annotation)


def load(text: str, annotation: Any) -> Any:
    """Return the value of a JSON text, as its annotation says.

    Raises:
        NotStorable: the text is not of that type.
    """
    if annotation is Any:
        return json.loads(text)
    try:
        return adapter(annotation).validate_json(text, strict=True)
    except Exception as error:  # noqa: BLE001 - a model's validators are the user's code
        raise NotStorable(_first(error)) from None


def dump(value: Any, annotation: Any) -> str:
    """Return the JSON text of a value after checking it against its annotation, strictly: "5" is no int.

    Raises:
        NotStorable: it is not of that type, not JSON, or larger than 16 MiB.
    """
    if value is None and annotation in (Any, None, type(None)):
        return "null"
    # What fits as it is needs no model to say so.
    if annotation is type(value) and annotation in _PLAIN:
        annotation = Any
    try:
        text = _json(value if annotation is Any else _fitted(value, adapter(annotation)))
    except Exception as error:  # noqa: BLE001 - a model's validators are the user's code
        raise NotStorable(_first(error)) from None
    if len(text) > VALUE_BYTES_MAX:
        raise NotStorable(f"a value of {len(text):,} characters is too large to store; keep it in a file")
    return text


def _fitted(value: Any, kind: "TypeAdapter[Any]") -> Any:
    """Return a value as JSON once it fits: as it is, or as what its JSON says, such as a map given for a model."""
    try:
        fitted = kind.validate_python(value, strict=True)
    except ValueError:
        fitted = kind.validate_json(_json(value), strict=True)
    return kind.dump_python(fitted, mode="json")


def _json(value: Any) -> str:
    if type(value) is int:
        return str(value)
    try:
        text = encode_basestring(value) if type(value) is str else _encode(value)
    except TypeError:
        from pydantic_core import to_jsonable_python  # noqa: PLC0415

        text = _encode(to_jsonable_python(value))
    if not text.isascii():
        text.encode("utf-8")  # lone surrogates cannot be stored
    return text


def plain(value: Any) -> Any:
    """Return a value as JSON, or its description where it cannot be stored; for what an error carries along."""
    try:
        return json.loads(dump(value, Any))
    except (NotStorable, RecursionError):
        return described(value, repr)


def described(value: Any, describe: Callable[[Any], str] = str, chars_max: int = 2_000) -> str:
    """Return a text about a value that can be stored, whatever the value's own methods do.

    Lone surrogates, which UTF-8 has no bytes for and file names may bring, are escaped.
    """
    try:
        text = describe(value)
    except Exception:  # noqa: BLE001 - the user's code
        text = f"<{type(value).__name__}>"
    return text[:chars_max].encode("utf-8", "backslashreplace").decode()


def _first(error: Exception) -> str:
    """Return the first finding of pydantic in one line, or the error's own words."""
    from pydantic import ValidationError  # noqa: PLC0415 - only on the way out

    if not isinstance(error, ValidationError):
        return described(error).partition("\n")[0]
    found = error.errors(include_url=False)
    place = ".".join(str(part) for part in found[0]["loc"])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{place + ': ' if place else ''}{found[0]['msg']}{more}"
