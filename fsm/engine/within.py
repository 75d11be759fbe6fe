"""The process of a cell: it performs the actions that the engine's process sends, one at a time, and answers.

What comes and goes is JSON; nothing is unpickled. The store stays with the engine: a context asks it over the line.
"""

import contextlib
import ctypes
import dataclasses
import faulthandler
import os
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from fsm.actions.address import Address, function_at
from fsm.actions.conclude import concluded
from fsm.actions.context import AsyncContext, Context
from fsm.actions.registry import Action
from fsm.actions.values import NotStorable, described
from fsm.engine.call import Call, Raised, Returned, raised
from fsm.engine.voice import STDERR, hush, listen, speak
from fsm.engine.wire import Message, Wire, names_and_words, revived
from fsm.errors import FSMError, LeaseLost
from fsm.model.run import Failed, Failure, Run

_PR_SET_PDEATHSIG = 1


def serve(line: int, path: list[str], keeper: int) -> None:
    """Perform actions until the engine is gone.

    Args:
        line: the descriptor of the socket to the engine.
        path: where the engine's process looks for modules.
        keeper: the pid of the parent that started this process.
    """
    _die_with(keeper)
    wire = Wire(socket.socket(fileno=line))
    os.register_at_fork(after_in_child=lambda: _leave(wire))
    signal.signal(signal.SIGTERM, _ignore)  # a handler, not SIG_IGN, which programs started from here would inherit
    faulthandler.enable(STDERR)
    speak(wire)
    sys.path[:] = path
    code = 1
    try:
        while True:
            _, content = wire.receive()
            wire.send(*_performed(wire, content))
    except (EOFError, OSError):
        code = 0  # the engine is gone
    except BaseException:  # noqa: BLE001 - such as a signal between two calls
        traceback.print_exc()
        hush()
    finally:
        os._exit(code)


def _die_with(keeper: int) -> None:
    """Ask Linux to end this process with its keeper, should that be killed by somebody else."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(0)


def _ignore(number: int, frame: object) -> None:
    """Leave it to the engine what becomes of an attempt when its service is stopped."""


def _leave(wire: Wire) -> None:
    """In a process that the action has forked: the line is not its own, and SIGTERM ends it as any other."""
    wire.close()
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _performed(wire: Wire, told: dict[str, Any]) -> Message:
    """Make a call, and return what to say about it."""
    sys.argv[:] = told["argv"]
    try:
        action = Action(told["action"], function_at(Address(*told["address"])), "process")
        context_name, is_async = action.context_name, action.is_async
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's module
        return "missing", f"{type(error).__name__}: {described(error)}"
    try:
        given = {name: None if text is None else action.fit(name, text) for name, text in told["arguments"].items()}
    except NotStorable as error:
        return "raised", _as_json(Failure.of_verdict("InvalidResult", str(error)))
    desk = _Desk(wire)
    context = _context(told["context"], desk, is_async=is_async) if told["context"] else None
    if context and context_name:
        given[context_name] = context
    listen(told["levels"])
    wire.send("loaded")
    wire.receive()  # the engine says whether there is still time to begin
    ended = _ended(Call(action, given, context, None, None), is_probe=told["is_probe"])
    hush()
    desk.close()
    return ended


def _context(told: dict[str, Any], desk: "_Desk", *, is_async: bool) -> Context:
    run = Run(**{**told["run"], "head": b""})
    kind = AsyncContext if is_async else Context
    # The engine tells the time of what it is asked to write.
    return kind(run, told["key"], desk, interrupted=told["interrupted"], now=lambda: 0)


def _ended(call: Call, *, is_probe: bool) -> Message:
    try:
        result = _called(call)
        if isinstance(result, Returned):
            amounts = concluded(call.action, result.value, is_probe=is_probe)
            if not isinstance(amounts, Failed):
                return "returned", amounts
            result = Raised(amounts.failure)
        return "raised", _as_json(result.failure)
    except FSMError as error:
        return "lost", names_and_words(error)
    except BaseException as error:  # noqa: BLE001 - goes on where the call was asked for
        return "interrupted", [*names_and_words(error), getattr(error, "code", None)]


def _called(call: Call) -> Returned | Raised:
    if call.action.is_async:
        import asyncio  # noqa: PLC0415 - 40 ms that only asynchronous actions pay

        from fsm.engine.looped import awaited  # noqa: PLC0415

        return asyncio.run(awaited(call))
    try:
        return Returned(call.action.function(**call.arguments))
    except Exception as error:  # noqa: BLE001 - what an action raises is data
        return raised(error)


def _as_json(failure: Failure) -> dict[str, Any]:
    return {**dataclasses.asdict(failure), "names": sorted(failure.names)}


class _Desk:
    """The engine's store, as far as one attempt goes: asked over the line, by one thread at a time."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._asking = threading.Lock()
        self._is_closed = False

    def checkpoint(self, run: Run, name: str) -> str | None:
        del run
        found: str | None = self._ask("checkpoint", name)
        return found

    def save_checkpoint(self, run: Run, name: str, value: str) -> None:
        del run
        self._ask("save_checkpoint", name, value)

    def beat(self, run: Run, detail: str | None, now: int) -> None:
        del run, now
        self._ask("beat", detail)

    def last_beat(self, run: Run) -> Any:
        del run
        return self._ask("last_beat")

    def _ask(self, verb: str, *given: str | None) -> Any:
        if not self._wire.is_open:
            raise LeaseLost("a context cannot be used in a process that the action has forked")
        with self._asking:
            if self._is_closed:
                raise LeaseLost("the action has ended, and its context with it")
            self._wire.send("ask", [verb, given])
            kind, content = self._wire.receive()
        if kind == "refused":
            raise revived(*content)
        return content

    def close(self) -> None:
        """Wait until nobody asks any more, and refuse whoever asks later."""
        with self._asking:
            self._is_closed = True
