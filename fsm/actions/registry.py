"""The actions a host offers: functions that were marked, found by name. A definition names them, never imports."""

import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from fsm.actions.context import AsyncContext, Context
from fsm.actions.outcome import Outcome
from fsm.diagnostics import did_you_mean
from fsm.errors import UsageError
from fsm.model.names import ACTION
from fsm.model.signature import Parameter, Signature

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__fsm_action__"


@dataclass(frozen=True)
class Action:
    """A registered function."""

    name: str
    function: Callable[..., Any]

    @cached_property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        try:
            return get_type_hints(self.function)
        except (NameError, TypeError, AttributeError) as error:
            raise UsageError(f'the annotations of action "{self.name}" cannot be read: {error}') from error

    @cached_property
    def context_name(self) -> str | None:
        """The parameter that takes the context: annotated as one, or called `ctx`."""
        for name in inspect.signature(self.function).parameters:
            if self._hints.get(name) in (Context, AsyncContext) or name == "ctx":
                return name
        return None

    @cached_property
    def signature(self) -> Signature:
        parameters, keywords = [], False
        for name, given in inspect.signature(self.function).parameters.items():
            if given.kind is given.VAR_KEYWORD:
                keywords = True
            elif given.kind in (given.VAR_POSITIONAL, given.POSITIONAL_ONLY):
                raise UsageError(f'action "{self.name}" takes "{name}" by position; parameters are given by name')
            elif name != self.context_name:
                parameters.append(Parameter(name, self._hints.get(name, Any), given.default is given.empty))
        return Signature(self.name, tuple(parameters), keywords, _returns(self._hints))


def _returns(hints: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the annotation of each outcome: `X | Outcome[Literal["nothing"], Y]` has two."""
    if "return" not in hints:
        return None
    annotation = hints["return"]
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    outcomes: dict[str, Any] = {}
    plain = []
    for member in members:
        if member is Outcome:
            return None
        if get_origin(member) is Outcome:
            names, value = get_args(member)
            if get_origin(names) is not Literal:
                return None
            outcomes |= dict.fromkeys(get_args(names), value)
        else:
            plain.append(member)
    if plain:
        try:
            outcomes = {"success": Union[tuple(plain)], **outcomes}  # noqa: UP007 - built from values
        except TypeError as error:
            raise UsageError(f"the return annotation {annotation!r} is no type: {error}") from None
    return outcomes


@overload
def action(name: str) -> Callable[[F], F]: ...
@overload
def action(name: F) -> F: ...
def action(name: str | F) -> Callable[[F], F] | F:
    """Mark a function as an action: `@fsm.action("invoices.extract")`, or bare for `module.function`.

    The function stays what it was and can be called and tested as such. Its parameters name the inputs and artifacts
    it reads; one annotated `fsm.Context` (`fsm.AsyncContext` in an `async def`) takes the context.
    """
    if not isinstance(name, str):
        return action(f"{name.__module__.rpartition('.')[2]}.{name.__name__}")(name)
    if not ACTION.match(name):
        raise UsageError(f'"{name}" is no name for an action; dotted identifiers, such as "mail.send"')

    def mark(function: F) -> F:
        setattr(function, _MARK, name)
        return function

    return mark


class Registry(Mapping[str, Action]):
    """Actions by name, collected from modules and functions.

    Raises:
        UsageError: two functions claim one name, or something given is no action.
    """

    def __init__(self, sources: Iterable[Any] = ()) -> None:
        self._actions: dict[str, Action] = {}
        for source in sources:
            self._collect(source)

    def _collect(self, source: Any) -> None:
        if isinstance(source, types.ModuleType):
            found = [member for member in vars(source).values() if callable(member) and hasattr(member, _MARK)]
            if not found:
                raise UsageError(f'module "{source.__name__}" has no actions; mark functions with @fsm.action')
        elif callable(source) and hasattr(source, _MARK):
            found = [source]
        else:
            raise UsageError(f"{source!r} is no action; mark the function with @fsm.action")
        for function in found:
            self._add(Action(getattr(function, _MARK), function))

    def _add(self, new: Action) -> None:
        known = self._actions.get(new.name)
        if known and known.function is not new.function:
            raise UsageError(f'two functions claim the action "{new.name}": {_place(known)} and {_place(new)}')
        self._actions[new.name] = new

    def __getitem__(self, name: str) -> Action:
        return self._actions[name]

    def __iter__(self) -> Any:
        return iter(self._actions)

    def __len__(self) -> int:
        return len(self._actions)

    @property
    def signatures(self) -> dict[str, Signature]:
        return {name: found.signature for name, found in self._actions.items()}

    def missing(self, name: str) -> str:
        """Return what to say about an action that is not registered."""
        near = did_you_mean(name, self._actions)
        return f'no action "{name}" is registered' + (f"; {near}" if near else "")


def _place(found: Action) -> str:
    return f"{found.function.__module__}.{found.function.__qualname__}"
