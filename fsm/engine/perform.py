"""Performing a state: from where a run is to what happened, as data. Written once; a host only makes the call."""

import json
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, cast

from fsm.actions.conclude import concluded
from fsm.actions.context import AsyncContext, Context, Desk
from fsm.actions.registry import Action, Registry
from fsm.actions.values import NotStorable
from fsm.engine.call import Call, Raised, Returned
from fsm.engine.inbox import receive
from fsm.engine.known import Known
from fsm.engine.plan import Plan, Unwritten, arguments, key_of, plan_of, setting_of
from fsm.expressions import EvaluationError, Expression
from fsm.kernel.decide import CRASHES_MAX, deadline_at, evaluate, verdict
from fsm.model.definition import ActionState, Probe, SignalState, SwitchState, WaitState
from fsm.model.durations import DURATION_MAX_MS
from fsm.model.pause import covering
from fsm.model.run import PERSON, Chose, Elapsed, Failed, Failure, Rest, Result, Run, Succeeded
from fsm.model.workflow import Workflow, writes_of
from fsm.store import Store
from fsm.telemetry import Telemetry


class Caller(Protocol):
    """What performing needs of a host."""

    registry: Registry
    store: Store
    desk: Desk
    telemetry: Telemetry | None

    def now(self) -> int: ...
    async def call(self, call: Call) -> Returned | Raised: ...


class Performed(NamedTuple):
    """What happened in a state, with the values that were loaded for it."""

    result: Result
    values: Mapping[str, Any]


async def perform(host: Caller, flow: Workflow, run: Run, known: Known) -> Performed:
    """Perform the state that a claimed run is in.

    Args:
        known: the run's values.

    Raises:
        MissingAction: its action is not registered.
    """
    state, plan, names, needs = setting_of(host.registry, flow, run.state)
    texts = known.texts(names) if names else {}
    values = {name: json.loads(text) for name, text in texts.items() if name in needs} if needs else {}
    spent = verdict(flow, run, host.now())
    try:
        if plan:
            assert isinstance(state, ActionState)
            result = await _Attempt(host, flow, run, state, plan, texts, values).settle(spent)
        elif spent:
            result = Failed(spent)
        else:
            result = _rest_or_go_on(host, flow, run, values)
    except EvaluationError as error:
        result = Failed(Failure.of_verdict("ExpressionError", str(error)))
    return Performed(result, values)


def _rest_or_go_on(host: Caller, flow: Workflow, run: Run, values: Mapping[str, Any]) -> Result:
    """Perform a state without an action: choose, wait, or look for a signal."""
    state = flow.states[run.state]
    match state:
        case SwitchState():
            for place, case in enumerate(state.switch, 1):
                if case.when is None:
                    return Chose(None)
                if evaluate(case.when, state, run, values):
                    return Chose(place)
        case WaitState():
            due = _due(state, run, values)
            last = deadline_at(state, run)
            if last is not None and last < due:
                return _late(run) if host.now() >= last else Rest(last)
            return Elapsed() if host.now() >= due else Rest(due)
        case SignalState():
            last = deadline_at(state, run)
            received, refused, seen = receive(flow, run, host.store.kept(run, state.signal), values, last)
            if received:
                return received
            if last is not None and host.now() >= last:
                return _late(run)
            return Rest(last, tuple(state.signal), seen, refused)
    raise AssertionError(f"nothing to perform in {run.state}")


def _late(run: Run) -> Failed:
    return Failed(Failure.of_verdict("DeadlineExceeded", f'"{run.state}" was not done by its deadline'))


def _due(state: WaitState, run: Run, values: Mapping[str, Any]) -> int:
    """Return the instant that a wait is over; fixed ones count from the entry, and so do relative ones."""
    if state.wait.fixed is not None:
        return run.entered_at + state.wait.fixed
    if state.wait.for_:
        seconds = evaluate(state.wait.for_, state, run, values)
        if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
            raise EvaluationError(f"wait.for is {seconds!r}; a number of seconds is needed", 0, 0, state.wait.for_.text)
        if not seconds * 1_000 <= DURATION_MAX_MS:
            raise EvaluationError("wait.for is longer than ten years", 0, 0, state.wait.for_.text)
        return run.entered_at + int(max(seconds, 0) * 1_000)
    assert state.wait.until
    return _instant(evaluate(state.wait.until, state, run, values), state.wait.until)


def _instant(value: Any, expression: Expression) -> int:
    """Return UTC milliseconds of an RFC 3339 text; without an offset it is UTC."""
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        said = f"wait.until is {value!r}; an instant such as 2030-01-31T12:00:00Z is needed"
        raise EvaluationError(said, 0, len(expression.text), expression.text) from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return int(instant.timestamp() * 1_000)


@dataclass(slots=True)
class _Attempt:
    """One attempt of an action, with the questions that come before and after the call."""

    host: Caller
    flow: Workflow
    run: Run
    state: ActionState
    plan: Plan
    texts: Mapping[str, str]
    values: Mapping[str, Any]

    async def settle(self, spent: Failure | None) -> Result:
        """Ask about an earlier attempt whose result is unknown, then make this one, then ask about it too.

        Args:
            spent: the bound that leaves no time for this attempt, or None.
        """
        told = self.run.interrupted
        if told and self._asks(spent):
            answer = await self._consult()
            if answer:
                return answer
            if covering(self.host.store.pauses(), self.run):  # since before the question was answered
                return Rest(None)
            told = False
        if spent:
            return Failed(spent)
        result = await self._make(interrupted=told)
        if isinstance(result, Failed) and result.failure.interrupted and self.state.interrupted != "repeat":
            return await self._consult() or _known(result)
        return result

    def _asks(self, spent: Failure | None) -> bool:
        """Return whether to ask first what became of an interrupted attempt.

        Past its deadline a visit waits for no person. After a crash too many the question is put once: what answers
        it may be what crashes.
        """
        if self.state.interrupted == "repeat":
            return False
        if spent is None:
            return True
        if spent.name == "Interrupted":
            return self.run.crashes == CRASHES_MAX + 1
        return isinstance(self.state.interrupted, Probe)

    async def _consult(self) -> Result | None:
        """Return what became of an interrupted attempt, or None when it is known not to be done."""
        if self.state.interrupted == "ask":
            return Rest(deadline_at(self.state, self.run), PERSON)
        assert isinstance(self.state.interrupted, Probe)
        action = self.host.registry[self.state.interrupted.probe]
        result = await self._call(plan_of(self.flow, self.run.state, action), interrupted=True)
        if isinstance(result, Failed):
            return Failed(_unknown(result.failure))
        return None if result is None else self._ensured(result)

    async def _make(self, *, interrupted: bool) -> Result:
        for condition in self.state.require:
            if not evaluate(condition, self.state, self.run, self.values):
                return Failed(Failure.of_verdict("RequireFailed", f"require is not met: {condition.text}"))
        result = await self._call(self.plan, interrupted=interrupted)
        assert result is not None
        return self._ensured(result)

    async def _call(self, plan: Plan, *, interrupted: bool) -> Succeeded | Failed | None:
        """Make one call; None is a probe's answer that nothing was done."""
        is_probe = plan is not self.plan
        texts = {**self.texts, **self._more(plan)} if is_probe else self.texts
        try:
            given = arguments(plan, self.state, self.run, texts, self.values)
        except Unwritten as error:
            return Failed(Failure.of_verdict("ExpressionError", str(error)))
        except NotStorable as error:
            return Failed(Failure.of_verdict("InvalidResult", str(error)))
        call = self._ready(plan.action, given, interrupted=interrupted, is_probe=is_probe)
        telemetry = self.host.telemetry
        ended = await (self._traced(telemetry, call) if telemetry else self.host.call(call))
        if isinstance(ended, Raised):
            return Failed(ended.failure)
        if plan.action.isolation == "process":
            return cast("Succeeded | None", ended.value)
        return concluded(plan.action, ended.value, is_probe=is_probe)

    async def _traced(self, telemetry: Telemetry, call: Call) -> Returned | Raised:
        """Make a call inside a span of its own."""
        key = call.context.key if call.context else None
        with telemetry.attempt(self.run, call.action.name, key) as span:
            call.within = copy_context()
            ended = await self.host.call(call)
            if isinstance(ended, Raised):
                telemetry.failed(span, ended.failure.name, ended.failure.message)
        return ended

    def _more(self, plan: Plan) -> dict[str, str]:
        missing = plan.names - self.plan.names
        return self.host.store.values(self.run, missing) if missing else {}

    def _ready(self, action: Action, given: dict[str, Any], *, interrupted: bool, is_probe: bool) -> Call:
        context = None
        if action.context_name:
            kind = AsyncContext if action.is_async else Context
            key = key_of(self.state, self.run, self.values)
            context = kind(self.run, key, self.host.desk, interrupted=interrupted, now=self.host.now)
            if action.isolation == "thread":
                given[action.context_name] = context
        limit, due = self.state.timeout, deadline_at(self.state, self.run)
        if due is None or is_probe:  # what the deadline cut off is still asked about
            return Call(action, given, context, limit, self.state.heartbeat, is_probe=is_probe)
        left = max(due - self.host.now(), 0)
        ends_visit = limit is None or left <= limit
        return Call(action, given, context, left if ends_visit else limit, self.state.heartbeat, ends_visit)

    def _ensured(self, result: Succeeded | Failed) -> Result:
        if isinstance(result, Failed) or not self.state.ensure:
            return result
        name = writes_of(self.run.state, self.state)
        value = json.loads(result.value)
        values = {**self.values, name: value} if name else self.values
        for condition in self.state.ensure:
            if not evaluate(condition, self.state, self.run, values):
                said = f"ensure is not met: {condition.text}"
                return Failed(Failure.of_verdict("EnsureFailed", said, value=value))
        return result


def _known(failed: Failed) -> Failed:
    """Return the failure of an attempt that a probe found without effect."""
    return Failed(replace(failed.failure, interrupted=False))


def _unknown(failure: Failure) -> Failure:
    """Return a probe's failure: what it was asked about is still unknown."""
    return replace(failure, message=f"the probe failed: {failure.message}", interrupted=True)
