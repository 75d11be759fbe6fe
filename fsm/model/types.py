"""The types that a definition may name for its inputs and payloads, as Python annotations.

str  int  float  bool  any  datetime  list  dict  list[T]  dict[T]  T | null  "red" | "green"
"""

import ast
from dataclasses import dataclass
from datetime import datetime
from types import NoneType
from typing import Any, Literal, Union

NAMED: dict[str, Any] = {
    "str": str, "int": int, "float": float, "bool": bool, "any": Any, "null": NoneType,
    "datetime": datetime, "list": list[Any], "dict": dict[str, Any],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as the definition writes it, and the annotation that pydantic enforces."""

    text: str
    annotation: Any

    @classmethod
    def parse(cls, text: str) -> "TypeName":
        """Read a type.

        Raises:
            ValueError: `text` names no type of the language; the message lists those it has.
        """
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            tree = ast.Constant(value=b"")
        return cls(text.strip(), _annotation(tree, text.strip()))


def _annotation(tree: ast.expr, text: str) -> Any:
    match tree:
        case ast.Name(id=name) if name in NAMED:
            return NAMED[name]
        case ast.Constant(value=None):
            return NoneType
        case ast.Constant(value=str() as word):
            return Literal[word]
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return Union[_annotation(left, text), _annotation(right, text)]  # noqa: UP007 - built from values
        case ast.Subscript(value=ast.Name(id="list"), slice=inner):
            return list[_annotation(inner, text)]  # type: ignore[misc]
        case ast.Subscript(value=ast.Name(id="dict"), slice=inner):
            return dict[str, _annotation(inner, text)]  # type: ignore[misc]
    raise ValueError(f'"{text}" is not a type; one of {", ".join(NAMED)}, list[T], dict[T], T | null')
