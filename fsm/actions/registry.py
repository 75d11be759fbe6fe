"""The actions a host offers: functions that were marked, found by name. A definition names them, never imports."""

import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from fsm.actions.address import Address, address_of
from fsm.actions.context import AsyncContext, Context
from fsm.actions.outcome import Outcome
from fsm.actions.values import NotStorable, load
from fsm.diagnostics import did_you_mean
from fsm.errors import UsageError
from fsm.model.names import ACTION
from fsm.model.signature import Parameter, Signature

F = TypeVar("F", bound=Callable[..., Any])
Isolation = Literal["thread", "process"]

_MARK, _ISOLATION = "__fsm_action__", "__fsm_isolation__"


@dataclass(frozen=True)
class Action:
    """A registered function.

    Attributes:
        isolation: "process" for one that is performed in a process of its own.
    """

    name: str
    function: Callable[..., Any]
    isolation: Isolation = "thread"

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
    def address(self) -> Address:
        """Where another process finds the function. Raises UsageError."""
        try:
            return address_of(self.function)
        except UsageError as error:
            raise UsageError(
                f'action "{self.name}" asks for a process of its own, which finds its function by name, but {error}; '
                "define it with `def` at the top of a module"
            ) from None

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

    @cached_property
    def _annotations(self) -> dict[str, Any]:
        return {parameter.name: parameter.annotation for parameter in self.signature.parameters}

    def fit(self, parameter: str, text: str) -> Any:
        """Return the value of a JSON text as a parameter takes it. Raises NotStorable, which names the parameter."""
        try:
            return load(text, self._annotations.get(parameter, Any))
        except NotStorable as error:
            raise NotStorable(f'"{parameter}" does not fit action "{self.name}": {error}') from None

    @cached_property
    def returns(self) -> Mapping[str, Any] | None:
        """The annotation of each outcome, where there are any."""
        return self.signature.returns


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
def action(name: str | None = None, *, isolation: Isolation = "thread") -> Callable[[F], F]: ...
@overload
def action(name: F) -> F: ...
def action(name: str | F | None = None, *, isolation: Isolation = "thread") -> Callable[[F], F] | F:
    """Mark a function as an action: `@fsm.action("invoices.extract")`, or bare for `module.function`.

    The function stays what it was and can be called and tested as such. Its parameters name the inputs and artifacts
    it reads; one annotated `fsm.Context` (`fsm.AsyncContext` in an `async def`) takes the context.

    Args:
        name: dotted identifiers.
        isolation: "process" performs it in a process of its own, which is killed at the action's limits: for what
            computes for long, or cannot be interrupted. It has to stand at the top of a module.
    """
    if isolation not in get_args(Isolation):
        raise UsageError(f'isolation is "thread" or "process", not {isolation!r}')
    if name is not None and not isinstance(name, str):
        return _marked(name, None, isolation)
    if name is not None:
        _require_name(name)
    return lambda function: _marked(function, name, isolation)


def _marked(function: F, name: str | None, isolation: Isolation) -> F:
    if name is None:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        _require_name(name)
    setattr(function, _MARK, name)
    setattr(function, _ISOLATION, isolation)
    return function


def _require_name(name: str) -> None:
    if not ACTION.match(name):
        raise UsageError(f'"{name}" is no name for an action; dotted identifiers, such as "mail.send"')


class Registry(Mapping[str, Action]):
    """Actions by name, collected from modules and functions.

    Attributes:
        settings: what the engine worked out about states, by digest and state; it holds as long as these actions do.

    Raises:
        UsageError: two functions claim one name, something given is no action, or a function that asks for a process
            of its own cannot be found from there.
    """

    def __init__(self, sources: Iterable[Any] = ()) -> None:
        self._actions: dict[str, Action] = {}
        self.settings: dict[tuple[str, str], Any] = {}
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
            self._add(Action(getattr(function, _MARK), function, getattr(function, _ISOLATION)))

    def _add(self, new: Action) -> None:
        known = self._actions.get(new.name)
        if known and known.function is not new.function:
            raise UsageError(f'two functions claim the action "{new.name}": {_place(known)} and {_place(new)}')
        if new.isolation == "process":
            _ = new.address
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
