"""What is known of a Python annotation: which JSON values it stands for, and their fields and elements.

Where anything is in doubt (custom serializers, foreign classes, unresolved names) the answer is Any: the
checker reports only what is certainly wrong.
"""

import dataclasses
import types
import typing
from collections import OrderedDict, abc, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

_UNWRAPPING_MAX = 20
_KINDS: dict[Any, str] = {
    None: "null",
    types.NoneType: "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    **dict.fromkeys((list, tuple, set, frozenset, deque, abc.Sequence, abc.MutableSequence), "list"),
    **dict.fromkeys((dict, defaultdict, OrderedDict, abc.Mapping, abc.MutableMapping), "dict"),
}
ANNOTATIONS: dict[str, Any] = {
    "null": None, "bool": bool, "int": int, "float": float, "str": str,
    "list": list[Any], "dict": dict[str, Any], "any": Any,
}  # fmt: skip
"""The annotation of each kind of value; "any" is the kind of what is not known."""


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of a class by name. An open one may have others, of which nothing is known."""

    name: str
    fields: Mapping[str, Any]
    is_open: bool


def alternatives(annotation: Any, depth: int = 0) -> list[Any]:
    """Return what a union, optional, literal, enum, alias or root model may be, one by one."""
    if depth > _UNWRAPPING_MAX or isinstance(annotation, str | typing.TypeVar | typing.ForwardRef):
        return [Any]
    inner = _unwrapped(annotation)
    if inner is None:
        return [annotation]
    return [option for one in inner for option in alternatives(one, depth + 1)]


def _unwrapped(annotation: Any) -> Iterable[Any] | None:
    """Return what an annotation stands for, or None when it stands for itself."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return get_args(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        return [Any] if _has_serializer(metadata) else [inner]
    if origin is Literal:
        return _unwrapped_literal(get_args(annotation))
    if isinstance(annotation, NewType):
        return [annotation.__supertype__]
    if type(annotation).__name__ == "TypeAliasType":
        return [annotation.__value__]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [type(member.value) for member in annotation] or [Any]
    if hasattr(annotation, "__pydantic_root_model__") and annotation.__pydantic_root_model__:
        return [_model(annotation).fields.get("root", Any)]
    return None


def _unwrapped_literal(values: tuple[Any, ...]) -> list[Any] | None:
    plain = [value.value if isinstance(value, Enum) else value for value in values]
    return None if len(plain) == 1 and plain[0] is values[0] else [Literal[value] for value in plain]


def _has_serializer(metadata: Iterable[Any]) -> bool:
    return any(type(mark).__name__ in {"PlainSerializer", "WrapSerializer"} for mark in metadata)


def kind(option: Any) -> str:
    """Return the kind of one alternative: a key of ANNOTATIONS."""
    origin = get_origin(option)
    if origin is Literal:
        return _KINDS.get(type(get_args(option)[0]), "any")
    try:
        known = _KINDS.get(origin or option)
    except TypeError:  # not hashable, so no annotation that we know
        return "any"
    return known or ("dict" if record(option) else "any")


def kinds(annotation: Any) -> frozenset[str]:
    """Return the kinds of all alternatives."""
    return frozenset(kind(option) for option in alternatives(annotation))


def literals(annotation: Any) -> list[Any] | None:
    """Return the values of a Literal, null included when it is optional; None for other annotations."""
    options = [option for option in alternatives(annotation) if kind(option) != "null"]
    if not options or any(get_origin(option) is not Literal for option in options):
        return None
    return [get_args(option)[0] for option in options]


def element(option: Any) -> Any:
    """Return the annotation of the elements of a list, or of the values of a dict."""
    arguments = [argument for argument in get_args(option) if argument is not ...]
    if not arguments or get_origin(option) is Literal or record(option):
        return Any
    return arguments[-1] if kind(option) == "dict" else union(arguments)


def union(annotations: Iterable[Any]) -> Any:
    """Return one annotation for several; Any when one of them is."""
    distinct = list(annotations)
    if not distinct or any(annotation is Any for annotation in distinct):
        return Any
    try:
        return Union[tuple(distinct)] if len(distinct) > 1 else distinct[0]  # noqa: UP007
    except TypeError:  # one is no type at all
        return Any


def show(annotation: Any) -> str:
    """Return an annotation as messages have it."""
    return " | ".join(dict.fromkeys(_show_option(option) for option in alternatives(annotation)))


def _show_option(option: Any) -> str:
    found, its_kind = record(option), kind(option)
    if found is not None:
        return found.name
    is_generic = get_args(option) and its_kind in {"list", "dict"}
    return str(option).replace("typing.", "") if is_generic else its_kind.replace("any", "Any")


def record(option: Any) -> Record | None:
    """Return the fields of a pydantic model, TypedDict or dataclass; None for everything else."""
    cls = get_origin(option) or option
    if not isinstance(cls, type):
        return None
    if hasattr(cls, "__pydantic_fields__"):
        return _model(cls)
    is_typed_dict = issubclass(cls, dict) and hasattr(cls, "__total__")
    if not is_typed_dict and not dataclasses.is_dataclass(cls):
        return None
    names = cls.__annotations__ if is_typed_dict else [field.name for field in dataclasses.fields(cls)]
    try:
        hints = get_type_hints(cls)
    except (NameError, TypeError, AttributeError, SyntaxError):  # names that the class cannot see yet
        hints = {}
    is_open = getattr(cls, "__pydantic_config__", {}).get("extra") == "allow"
    return Record(cls.__name__, {name: hints.get(name, Any) for name in names}, is_open)


def _model(cls: Any) -> Record:
    from pydantic import BaseModel  # noqa: PLC0415 — dear to import, and needed for models only

    if not issubclass(cls, BaseModel) or cls.__pydantic_decorators__.model_serializers:
        return Record(cls.__name__, {}, is_open=True)
    serializers = cls.__pydantic_decorators__.field_serializers.values()
    serialized = {name for serializer in serializers for name in serializer.info.fields}
    fields: dict[str, Any] = dict.fromkeys(cls.model_computed_fields, Any)
    for name, field in cls.model_fields.items():
        is_known = not serialized & {name, "*"} and not _has_serializer(field.metadata)
        for spelled in {name, field.alias, field.serialization_alias} - {None}:
            fields[str(spelled)] = field.annotation if is_known else Any
    is_open = cls.model_config.get("extra") == "allow"
    return Record(cls.__name__, fields, is_open)
