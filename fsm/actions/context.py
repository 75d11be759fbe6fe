"""What an action may ask the engine for while it runs."""

import inspect
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, TypeVar, overload

from fsm.actions.values import dump
from fsm.errors import LeaseLost, UsageError
from fsm.model.run import Run

T = TypeVar("T")


class Desk(Protocol):
    """Where a context reads and writes: the store's verbs for one attempt."""

    def checkpoint(self, run: Run, name: str) -> str | None: ...
    def save_checkpoint(self, run: Run, name: str, value: str) -> None: ...
    def beat(self, run: Run, detail: str | None, now: int) -> None: ...
    def last_beat(self, run: Run) -> Any: ...


class Log(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records carry the run, state, attempt and key."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, {**kwargs, "extra": {**(self.extra or {}), **(kwargs.get("extra") or {})}}


class Context:
    """One attempt of one visit.

    Attributes:
        key: the idempotency key, 64 hex digits: the same on every attempt of the visit, after every crash and
            redrive. Give it to whatever can refuse a second time.
        run_id, workflow, state: where the attempt belongs.
        visit: the id of the visit inside the run.
        attempt: from 1; counts retries, not crashes.
        interrupted: an earlier attempt of this visit may have had its effect.
        log: a logger; its records carry all of these.
    """

    def __init__(self, run: Run, key: str, desk: Desk, *, interrupted: bool, now: Callable[[], int]) -> None:
        self._run = run
        self._desk = desk
        self._now = now
        self._revoked = False
        self.beat_s = time.monotonic()
        self.key = key
        self.run_id = run.id
        self.workflow = run.workflow
        self.state = run.state
        self.visit = run.visit
        self.attempt = run.attempt
        self.interrupted = interrupted

    @property
    def log(self) -> Log:
        extra = {"run": self.run_id, "workflow": self.workflow, "state": self.state, "visit": self.visit,
                 "attempt": self.attempt, "key": self.key}  # fmt: skip
        return Log(logging.getLogger("fsm.action"), extra)

    def once(self, name: str, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Call `function` once in this visit and save its result under `name`.

        Later attempts, after errors and crashes, get the saved result without a call. Between the call and the save
        a crash may still repeat it: give it `ctx.key` where it can refuse a second time.

        Args:
            name: unique inside the visit.
            function: returns JSON; what comes back is always the JSON that was saved.

        Raises:
            LeaseLost: this attempt was abandoned or taken over; nothing was saved.
        """
        saved = self._saved(name)
        if saved is None:
            value = function(*args, **kwargs)
            if inspect.isawaitable(value):
                raise UsageError("ctx.once got a coroutine in a synchronous action; make the action `async def`")
            saved = self._save(name, value)
        return json.loads(saved)  # type: ignore[no-any-return]

    def heartbeat(self, detail: Any = None) -> None:
        """Show that the attempt lives, and save how far it is; a later attempt finds it in `last_heartbeat`.

        Raises:
            LeaseLost: this attempt was abandoned or taken over: stop.
        """
        self._alive()
        self._beat(None if detail is None else dump(detail, Any))

    @property
    def last_heartbeat(self) -> Any:
        """The newest detail that an attempt of this visit gave to `heartbeat`, or None."""
        return self._desk.last_beat(self._run)

    def answer(self, verb: str, *given: Any) -> Any:
        """Do what a copy of this context, in a process of its own, asks of its desk."""
        match verb:
            case "checkpoint":
                return self._saved(*given)
            case "save_checkpoint":
                return self._keep(*given)
            case "beat":
                return self._beat(*given)
            case _:
                return self.last_heartbeat

    def as_json(self) -> dict[str, Any]:
        """Return what a copy in another process is made of."""
        run = {**self._run._asdict(), "head": ""}
        return {"run": run, "key": self.key, "interrupted": self.interrupted}

    def revoke(self) -> None:
        """Give the attempt up: whatever it still asks for is refused."""
        self._revoked = True

    def _alive(self) -> None:
        if self._revoked:
            raise LeaseLost(f'this attempt of "{self.state}" was abandoned; its result no longer counts')

    def _beat(self, detail: str | None) -> None:
        self._alive()
        self.beat_s = time.monotonic()
        self._desk.beat(self._run, detail, self._now())

    def _saved(self, name: str) -> str | None:
        self._alive()
        return self._desk.checkpoint(self._run, name)

    def _save(self, name: str, value: Any) -> str:
        self._alive()
        text = dump(value, Any)
        self._keep(name, text)
        return text

    def _keep(self, name: str, text: str) -> None:
        self._alive()
        self._desk.save_checkpoint(self._run, name, text)


class AsyncContext(Context):
    """One attempt of an asynchronous action; `once` is awaited, the rest is as in `Context`."""

    @overload  # type: ignore[override]
    async def once(self, name: str, function: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T: ...
    @overload
    async def once(self, name: str, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T: ...
    async def once(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call, or await, `function` once in this visit and save its result; see `Context.once`."""
        import asyncio  # noqa: PLC0415 - 40 ms that only asynchronous hosts pay

        saved = self._saved(name)
        if saved is None:
            value = function(*args, **kwargs)
            if inspect.isawaitable(value):
                value = await value
            saved = await asyncio.to_thread(self._save, name, value)
        return json.loads(saved)
