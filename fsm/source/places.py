"""From the paths of the models to the paths of the file.

The models know a part by its long form (`error`, `else`), the file may have the short one (`error: rejected`);
and what could not be read is missing from the models, so that their lists may be shorter.
"""

from collections.abc import Container
from typing import Any, NamedTuple

from fsm.diagnostics import Span
from fsm.source.tree import Path, Tree

SHORT_FOR = frozenset({"else", "success", "fixed", "to", "type", "attempts"})
"""The keys that a short form stands for: `error: x` is `error: {else: x}`, `retry: 5` is `{attempts: 5}`."""


class Place(NamedTuple):
    """Where a path of the models leads in the file.

    Attributes:
        path: as far as the file has it.
        written: whether the part itself stands there, in its long form or a short one.
    """

    path: Path
    written: bool


def find(root: Any, path: Path, gone: Container[Path] = ()) -> Place:
    """Follow a path of the models through the plain values of the file.

    Args:
        root: the tree's value.
        path: keys, and indexes from zero.
        gone: paths of the file that the models do not have.
    """
    value: Any = root
    at: Path = ()
    written = True
    for part in path:
        step: str | int | None = None
        if isinstance(value, list) and isinstance(part, int):
            step = _index(value, at, part, gone)
            written = written and step is not None
        elif isinstance(value, dict) and isinstance(part, str):
            step = _key(value, part)
            written = written and step is not None
        elif isinstance(part, str):
            written = written and part in SHORT_FOR
        if step is not None:
            value, at = value[step], (*at, step)
    return Place(at, written)


def region(tree: Tree, path: Path) -> Span:
    """Return all that belongs to a value of the file, its key included."""
    value = tree.span(path)
    key = tree.keys.get(path, value)
    return Span(key.line, key.column, value.end_line, value.end_column)


def covers(outer: Span, inner: Span) -> bool:
    """Return whether a span begins inside another."""
    return (outer.line, outer.column) <= (inner.line, inner.column) < (outer.end_line, outer.end_column)


def _index(value: list[Any], at: Path, part: int, gone: Container[Path]) -> int | None:
    kept = [place for place in range(len(value)) if (*at, place) not in gone]
    return kept[part] if part < len(kept) else None


def _key(value: dict[str, Any], part: str) -> str | None:
    if part in value:
        return part
    return "else" if part == "to" and "else" in value else None
