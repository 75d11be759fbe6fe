"""The definition: the YAML file as written, once its shape is known to be right.

Short forms are read into their long ones here (`error: x` is `error: {else: x}`), and nothing else is
changed: what a default supplies is added when the definition becomes a workflow.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, PlainSerializer, StrictBool, Tag

from fsm.model.durations import UNITS_MS
from fsm.model.fields import (
    ActionName,
    Age,
    Count,
    Duration,
    ErrorName,
    Expr,
    Identifier,
    StateName,
    Text,
    Type,
    Version,
    WorkflowName,
    fault,
    kind_of,
    one_or_many,
)

FACTOR_MAX = 100
"""Beyond it a backoff is at its cap after one step; surely a slip of the pen."""

RETENTION_MS = 30 * UNITS_MS["d"]
EXPIRES_MS = 90 * UNITS_MS["d"]

LANGUAGE = 1
"""The version of the language; part of every digest."""


class Noun(BaseModel):
    """A frozen part of a definition; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, arbitrary_types_allowed=True)

    LATER: ClassVar[frozenset[str]] = frozenset()
    """Keys of the language that this version reads but does not perform yet."""

    SHORT: ClassVar[frozenset[str]] = frozenset()
    """Keys that only a short form has; they are read into fields."""


def _outcomes(value: Any) -> Any:
    return {"success": value} if isinstance(value, str) else value


def _clauses(value: Any) -> Any:
    if isinstance(value, str):
        return {"else": value}
    if not isinstance(value, Mapping):
        raise fault("FSM210", f"error is a state or a map from error class to state, not {kind_of(value)}")
    return value


def _factor(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise fault("FSM210", f"factor must be a number, not {kind_of(value)}")
    if not 1 <= value <= FACTOR_MAX:
        raise fault("FSM207", f"factor {value} is below 1" if value < 1 else f"factor {value} is above {FACTOR_MAX}")
    return float(value)


def _attempts(value: Any) -> int | None:
    if value == "unlimited" or value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise fault("FSM210", f'attempts is a whole number or "unlimited", not {kind_of(value)}')
    if value < 1:
        raise fault("FSM207", f"attempts {value} is below 1; it counts the first call")
    return value


Outcomes = Annotated[dict[Identifier, StateName], BeforeValidator(_outcomes)]
Errors = Annotated[
    dict[ErrorName, StateName],
    BeforeValidator(_clauses),
    PlainSerializer(lambda clauses: [list(pair) for pair in clauses.items()], when_used="json"),
]
"""From error class to state, in the order of the file: the first that matches is taken."""
Exprs = Annotated[tuple[Expr, ...], BeforeValidator(one_or_many)]
Identifiers = Annotated[tuple[Identifier, ...], BeforeValidator(one_or_many)]


class RetryPolicy(Noun):
    """When and how often an action is tried again.

    `attempts` counts the first call; None is unlimited. The delay before retry n is
    min(delay * factor**(n-1), max_delay), then jittered.
    """

    attempts: Annotated[int | None, BeforeValidator(_attempts)]
    delay: Duration = 1_000
    factor: Annotated[float, BeforeValidator(_factor)] = 2.0
    max_delay: Duration = 60_000
    jitter: Literal["full", "none"] = "full"
    errors: Annotated[tuple[ErrorName, ...], BeforeValidator(one_or_many)] = ("Transient",)


def _retry(value: Any) -> Any:
    return () if value == "never" else tuple(_policy(item) for item in one_or_many(value))


def _policy(item: Any) -> Any:
    if isinstance(item, int) and not isinstance(item, bool):
        return {"attempts": item}
    if isinstance(item, (str, RetryPolicy, Mapping)):
        return item
    raise fault("FSM210", f'retry is a number, a policy, a list of them or "never", not {kind_of(item)}')


Policy = Annotated[
    Annotated[RetryPolicy, Tag("policy")] | Annotated[Identifier, Tag("name")],
    Discriminator(lambda item: "name" if isinstance(item, str) else "policy"),
]
Retry = Annotated[tuple[Policy, ...], BeforeValidator(_retry)]


class Probe(Noun):
    """Ask the outside world whether an interrupted attempt took effect."""

    probe: ActionName


def _interrupted(value: Any) -> Any:
    if value in ("repeat", "ask") or isinstance(value, (Probe, Mapping)):
        return value
    given = f'"{value[:40]}"' if isinstance(value, str) else kind_of(value)
    raise fault("FSM210", f'interrupted is "repeat", "ask" or {{probe: action}}, not {given}')


Interrupted = Annotated[
    Annotated[Probe, Tag("probe")] | Annotated[Literal["repeat", "ask"], Tag("word")],
    Discriminator(lambda value: "word" if isinstance(value, str) else "probe"),
    BeforeValidator(_interrupted),
]


class StateBase(Noun):
    """What every state may say."""

    description: Text | None = None
    max_visits: Count | None = None
    optional: Identifiers = ()


class ActionState(StateBase):
    """Perform a registered function."""

    VERB: ClassVar[str] = "action"
    LATER = frozenset({"uses", "undo", "limits"})

    action: ActionName
    reads: Identifiers | None = None
    writes: Identifier | None = None
    with_: dict[Identifier, Expr] = Field(default={}, alias="with")
    timeout: Duration | None = None
    deadline: Duration | None = None
    heartbeat: Duration | None = None
    idempotent: StrictBool | Expr | None = Field(default=None, union_mode="left_to_right")
    interrupted: Interrupted = "repeat"
    require: Exprs = ()
    ensure: Exprs = ()
    success: Outcomes | None = None
    error: Errors | None = None
    retry: Retry | None = None


def _case(value: Any) -> Any:
    if not isinstance(value, Mapping) or "else" not in value:
        return value
    if "when" in value or "to" in value:
        raise fault("FSM210", 'a rule has "when" and "to", or "else", not both')
    return {**{k: v for k, v in value.items() if k != "else"}, "to": value["else"], "when": None}


class Case(Noun):
    """One rule of a switch; `when` is None for `else`."""

    SHORT = frozenset({"else"})

    when: Expr | None
    to: StateName


Cases = Annotated[tuple[Annotated[Case, BeforeValidator(_case)], ...], Field(min_length=1)]


class SwitchState(StateBase):
    """Choose by the first expression that is true."""

    VERB: ClassVar[str] = "switch"

    switch: Cases
    error: Errors | None = None


class Wait(Noun):
    """Until when to wait: a fixed time, a number of seconds, or an instant (RFC 3339)."""

    fixed: Duration | None = None
    for_: Expr | None = Field(default=None, alias="for")
    until: Expr | None = None


def _wait(value: Any) -> Any:
    if not isinstance(value, (Mapping, Wait)):
        return {"fixed": value}
    if isinstance(value, Mapping) and (len(value) != 1 or not value.keys() <= {"for", "until"}):
        raise fault("FSM210", "wait is a duration, {for: seconds} or {until: instant}")
    return value


class WaitState(StateBase):
    """Rest until an instant."""

    VERB: ClassVar[str] = "wait"

    wait: Annotated[Wait, BeforeValidator(_wait)]
    deadline: Duration | None = None
    success: StateName | None = None
    error: Errors | None = None


class Arm(Noun):
    """Where a signal leads, what it must carry, and from how many distinct actors."""

    to: StateName
    payload: dict[Identifier, Type] = {}
    count: Count = 1


def _arm(value: Any) -> Any:
    return {"to": value} if isinstance(value, str) else value


class SignalState(StateBase):
    """Rest until a named event arrives from outside."""

    VERB: ClassVar[str] = "signal"

    signal: Annotated[dict[Identifier, Annotated[Arm, BeforeValidator(_arm)]], Field(min_length=1)]
    match: Expr | None = None
    writes: Identifier | None = None
    deadline: Duration | None = None
    error: Errors | None = None


class EndState(StateBase):
    """Final; `output` is the run's result, `reason` says why it failed."""

    VERB: ClassVar[str] = "end"

    end: Literal["success", "failure", "dead_letter"]
    output: Expr | None = None
    reason: Expr | None = None


State = ActionState | SwitchState | WaitState | SignalState | EndState
VERBS: dict[str, type[State]] = {
    kind.VERB: kind for kind in (ActionState, SwitchState, WaitState, SignalState, EndState)
}
VERBS_LATER = frozenset({"map", "parallel", "run", "compensate"})


def _input(value: Any) -> Any:
    return value if isinstance(value, Mapping) and "type" in value else {"type": value}


class InputField(Noun):
    """One input: its type, and what stands in when it is not given."""

    type: Type
    default: Any = None
    description: Text | None = None

    @property
    def required(self) -> bool:
        return "default" not in self.model_fields_set


class Defaults(Noun):
    """What states take when they do not say."""

    timeout: Duration | None = None
    retry: Retry | None = None
    error: Errors | None = None


class Definition(Noun):
    """One workflow as its author wrote it.

    `retention` is how long a run is kept after it succeeded, failed or was cancelled; `expires` is how long one that
    only somebody from outside could move may stay without a transition. None is for ever.
    """

    LATER = frozenset({"dependencies", "limits", "checks"})

    workflow: WorkflowName
    version: Version
    start: StateName
    description: Text | None = None
    input: dict[Identifier, Annotated[InputField, BeforeValidator(_input)]] = {}
    errors: dict[ErrorName, Annotated[tuple[ErrorName, ...], BeforeValidator(one_or_many)]] = {}
    policies: dict[Identifier, RetryPolicy] = {}
    retention: Age = RETENTION_MS
    expires: Age = EXPIRES_MS
    defaults: Defaults = Defaults()
    states: dict[StateName, State]
