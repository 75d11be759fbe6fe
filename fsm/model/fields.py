"""The small values of a definition: names, durations, expressions, types; each says what is wrong with it."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import PydanticCustomError

from fsm.expressions import Expression, ExpressionSyntaxError
from fsm.expressions import parse as parse_expression
from fsm.model import names
from fsm.model.durations import UNITS_MS, parse_duration
from fsm.model.types import TypeName

AGE_MIN_MS = UNITS_MS["m"]
"""Runs that are kept for less are gone before anybody has looked at them; surely a slip of the pen."""


def fault(code: str, message: str, **context: Any) -> PydanticCustomError:
    """Make the validation error that becomes the diagnostic `code`; `hint`, `offset` and `end` refine it."""
    return PydanticCustomError(code, "{message}", {"message": message, **context})


def _text(value: Any, what: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        kind = "a boolean" if isinstance(value, bool) else "a number"
        raise fault("FSM104", f"{what} is {kind} here; quote it if text is meant")
    raise fault("FSM210", f"{what} must be text, not {kind_of(value)}")


def kind_of(value: Any) -> str:
    """Return what YAML calls a value: for messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case _:
            return "a map"


def _named(pattern: re.Pattern[str], what: str, form: str) -> BeforeValidator:
    def check(value: Any) -> str:
        text = _text(value, what)
        if not pattern.match(text) or len(text) > names.LENGTH_MAX:
            raise fault("FSM205", f'{what} "{text[:40]}" is not {form}', hint=_identifier_like(text))
        return text

    return BeforeValidator(check)


def _identifier_like(text: str) -> str:
    word = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")[:40]
    return f'perhaps "{word}"?' if names.IDENTIFIER.match(word) else "letters, digits and underscores"


def _duration(value: Any) -> int:
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise fault("FSM210", f'a duration is text such as "30s", not {kind_of(value)}')
    try:
        return parse_duration(value)
    except ValueError as error:
        raise fault("FSM204", str(error)) from None


def _age(value: Any) -> int | None:
    if value is None or value == "never":
        return None
    if isinstance(value, str) and value.isalpha():
        raise fault("FSM204", f'"{value[:40]}" is not a duration', hint='write a duration such as 30d, or "never"')
    age_ms = _duration(value)
    if age_ms < AGE_MIN_MS:
        raise fault("FSM207", f"this is {value}, which is below 1m")
    return age_ms


def _expression(value: Any) -> Expression:
    if isinstance(value, Expression):
        return value
    if isinstance(value, bool) or value is None:
        value = {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, (int, float)):
        value = repr(value)
    if not isinstance(value, str):
        raise fault("FSM210", f"an expression is text, not {kind_of(value)}; quote it")
    try:
        return parse_expression(value)
    except ExpressionSyntaxError as error:
        raise fault("FSM208", f"expression does not parse: {error.message}",
                    offset=error.offset, end=error.end) from None  # fmt: skip


def _type(value: Any) -> TypeName:
    if isinstance(value, TypeName):
        return value
    try:
        return TypeName.parse(_text(value, "a type"))
    except ValueError as error:
        if isinstance(error, PydanticCustomError):
            raise
        raise fault("FSM211", str(error)) from None


def _whole(least: int, what: str) -> BeforeValidator:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise fault("FSM210", f"{what} must be a whole number, not {kind_of(value)}")
        if value < least:
            raise fault("FSM207", f"{what} {value} is below {least}")
        return value

    return BeforeValidator(check)


def one_or_many(value: Any) -> Any:
    """Let an author write one item where a list is meant."""
    return value if isinstance(value, (list, tuple)) else [value]


Identifier = Annotated[str, _named(names.IDENTIFIER, "name", "an identifier")]
StateName = Annotated[str, _named(names.IDENTIFIER, "state name", "an identifier")]
ErrorName = Annotated[str, _named(names.IDENTIFIER, "error class", "an identifier")]
WorkflowName = Annotated[str, _named(names.WORKFLOW, "workflow name", "letters, digits, - and _")]
ActionName = Annotated[str, _named(names.ACTION, "action", "a dotted name")]
Text = Annotated[str, BeforeValidator(lambda value: _text(value, "this"))]
Duration = Annotated[int, BeforeValidator(_duration)]
"""Milliseconds, written as text with a unit."""
Age = Annotated[int | None, BeforeValidator(_age)]
"""How old something may become, a minute at least; None for `never`."""
Expr = Annotated[Expression, BeforeValidator(_expression), PlainSerializer(lambda e: e.text)]
Type = Annotated[TypeName, BeforeValidator(_type), PlainSerializer(lambda t: t.text)]
Version = Annotated[int, _whole(1, "version")]
Count = Annotated[int, _whole(1, "this")]
