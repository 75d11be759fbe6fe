"""What may stand where in a definition, read off the models: they are the only statement of it."""

from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from fsm.model.definition import VERBS, Definition, Noun
from fsm.source.tree import Path


@cache
def keys_of(noun: type[Noun]) -> Mapping[str, Any]:
    """Return the keys of a noun as the author writes them, each with what may stand there."""
    return {field.alias or name: field.annotation for name, field in noun.model_fields.items()}


def noun_at(root: type[Noun], path: Path) -> type[Noun] | None:
    """Return the noun that the map at a path of the file is read into; None when it is a plain map or value."""
    kinds: list[Any] = [root]
    for part in path:
        kinds = [inner for kind in kinds for inner in _inside(kind, part)]
    return next((kind for kind in kinds if _is_noun(kind)), None)


def verbs_with(key: str) -> list[str]:
    """Return the verbs whose states may have a key."""
    return [verb for verb, kind in VERBS.items() if key in keys_of(kind) or key in kind.LATER]


def without_value(root: type[Noun], value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of keys of the language that were written with nothing behind them.

    Null is a value only where the author's own values stand: it never means what leaving the key out means.
    """
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from without_value(root, item, (*path, place))
    if not isinstance(value, dict):
        return
    noun = noun_at(root, path)
    for key, item in value.items():
        if item is None and noun and keys_of(noun).get(key, Any) is not Any:
            yield (*path, key)
        elif not (noun is Definition and key == "states"):
            yield from without_value(root, item, (*path, key))


def _is_noun(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Noun)


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    if _is_noun(kind):
        if isinstance(part, str) and part in keys_of(kind):
            yield from _alternatives(keys_of(kind)[part])
    elif get_origin(kind) is dict:
        yield from _alternatives(get_args(kind)[1])
    elif get_origin(kind) is tuple and isinstance(part, int):
        yield from _alternatives(get_args(kind)[0])


def _alternatives(kind: Any) -> Iterator[Any]:
    """Yield the kinds that an annotation allows; where a list is meant, one item may stand alone."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _alternatives(inner[0])
    elif origin in (Union, UnionType):
        for choice in inner:
            yield from _alternatives(choice)
    elif kind is not NoneType:
        yield kind
        if origin is tuple:
            yield from _alternatives(inner[0])
