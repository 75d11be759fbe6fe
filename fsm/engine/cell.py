"""A cell: a process of its own for actions that ask for one, seen from the engine's side.

It can be killed in the middle of an action, with all that the action has started, and it ends with the engine's
process however that ends: a keeper, see `keeper.py`, stands between the two. What goes over the line is JSON.
"""

import math
import os
import signal
import socket
import sys
import time
import weakref
from collections.abc import Sequence
from typing import Any

from fsm.engine.call import Call, Raised, Returned
from fsm.engine.inline import Watch
from fsm.engine.leash import PATIENCE_S, Leash
from fsm.engine.voice import heard, levels
from fsm.engine.wire import Message, Wire, names_and_words, revived
from fsm.errors import FSMError, LeaseLost, MissingAction
from fsm.model.run import Failure, Succeeded

LOADING_S = 300.0
"""How long a process may take to start and to import the module of an action."""

_WAIT_MS_MAX = 2**31 - 1
"""The longest wait that the system knows; after it, one looks again."""


class Unbegun(Exception):
    """The process ended by itself before the action had begun; `code` is as in `died`."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        super().__init__(code)


class _Died(Exception):
    """The process ended by itself."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        super().__init__(code)


def died(code: int | None, *, interrupted: bool) -> Failure:
    """Return the failure of an attempt whose process ended by itself.

    Args:
        code: its exit code, negative for a signal, None where nobody knows.
        interrupted: whether the action had begun.
    """
    how = "ended"
    if code is not None:
        how = f"ended with exit code {code}" if code >= 0 else f"was killed by {_signal_name(-code)}"
    if code == -signal.SIGKILL:
        how += ", as Linux does when memory runs out"
    said = f"the action's process {how}" + ("" if interrupted else " before the action had begun")
    return Failure("ProcessDied", said, frozenset({"ProcessDied"}), interrupted=interrupted)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _Loading:
    """The limits of a call whose action has not begun: the process starts, and imports a module.

    That time is not the attempt's, or an action with a short timeout and a long import would never get through; the
    visit's deadline goes on, though.
    """

    def __init__(self, call: Call, since_s: float) -> None:
        self._name = call.action.name
        self._gives_up_s = time.monotonic() + LOADING_S
        self._due_s = due_s(call, since_s)

    def left_s(self) -> float:
        return max(min(self._gives_up_s, self._due_s) - time.monotonic(), 0)

    def spent(self) -> Failure | None:
        now = time.monotonic()
        if now >= self._due_s:
            return late()
        if now >= self._gives_up_s:
            raise MissingAction(f'the module of action "{self._name}" was not imported within {LOADING_S:g} s')
        return None


def due_s(call: Call, since_s: float) -> float:
    """Return the monotonic instant of the visit's deadline; infinite where none cuts the call off."""
    return since_s + call.limit_ms / 1_000 if call.ends_visit and call.limit_ms is not None else math.inf


def late() -> Failure:
    """Return the failure of a call that its visit's deadline left no time to begin."""
    return Failure.of_verdict("DeadlineExceeded", "the deadline came before the action had begun")


class Cell:
    """A process in which actions are performed, one at a time.

    Args:
        kept: descriptors that stay open for as long as the process may live.

    Raises:
        OSError: there can be no more processes.
    """

    def __init__(self, kept: Sequence[int] = ()) -> None:
        import select  # noqa: PLC0415 - with the processes, only where actions ask for them

        self._is_halted = self._has_begun = False
        ours, theirs = socket.socketpair()
        self._wire = Wire(ours)
        try:
            self._leash = Leash(theirs, kept)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._poll = select.poll()
        self._poll.register(self._leash, select.POLLIN)
        self._poll.register(self._wire, select.POLLIN)
        self._let_go = weakref.finalize(self, _end, self._leash, self._wire)
        _OPEN.add(self)

    @property
    def is_alive(self) -> bool:
        return self._leash.is_held and self._leash.fileno() not in dict(self._poll.poll(0))

    def perform(self, call: Call, since_s: float) -> Returned | Raised:
        """Make a call within its limits; past them, the process is killed.

        Args:
            since_s: the monotonic instant that the visit's deadline, where it is the limit, counts from.

        Raises:
            Unbegun: the process ended by itself before the action had begun.
            MissingAction: the process does not find the action.
            LeaseLost: the call was given up by `halt`.
        """
        self._has_begun = False
        try:
            ended = self._converse(call, since_s)
        except _Died as death:
            self.end()
            if self._is_halted:
                raise LeaseLost(f'the attempt of "{call.action.name}" was given up') from None
            if not self._has_begun:
                raise Unbegun(death.code) from None
            return Raised(died(death.code, interrupted=True))
        except BaseException:
            if call.context:
                call.context.revoke()
            self.end()
            raise
        if isinstance(ended, Failure):
            self.end()
            return Raised(ended)
        return self._result(call, *ended)

    def _converse(self, call: Call, since_s: float) -> Message | Failure:
        """Return the message that ends a call, or the failure where a limit is over first."""
        limits: _Loading | Watch = _Loading(call, since_s)
        self._send("call", _told(call), limits)
        while True:
            match self._next(limits.left_s()):
                case None:
                    pass
                case "loaded", _:
                    if failure := limits.spent():
                        return failure
                    limits = self._begun(call, since_s)
                case "ask", asked:
                    self._send(*_answered(call, *asked), limits)
                case "print" | "log" as kind, content:
                    heard(kind, content)
                case ended:
                    return ended
            if failure := limits.spent():
                return failure

    def _begun(self, call: Call, since_s: float) -> Watch:
        """Let the action begin; from here on it may have its effect."""
        self._has_begun = True
        if call.context:
            call.context.beat_s = time.monotonic()
        limits = Watch(call, since_s if call.ends_visit else None)
        self._send("begin", None, limits)
        return limits

    def _send(self, kind: str, content: Any, limits: "_Loading | Watch") -> None:
        left_s = limits.left_s()
        try:
            self._wire.send(kind, content, None if left_s is None else max(left_s, 0.001))
        except TimeoutError:
            pass  # the limit is over, and that is looked at next
        except OSError:
            raise _Died(self._leash.code()) from None

    def _next(self, left_s: float | None) -> Message | None:
        """Return the next message; None where there is none whole in that time, or only a part of one so far."""
        if message := self._wire.take():
            return message
        wait_ms = None if left_s is None else min(math.ceil(left_s * 1_000), _WAIT_MS_MAX)
        ready = dict(self._poll.poll(wait_ms))
        # What was said before an end comes before it.
        if self._wire.fileno() in ready and not self._filled():
            raise _Died(self._leash.code())
        if self._wire.fileno() not in ready and self._leash.fileno() in ready:
            raise _Died(self._leash.code())
        return self._wire.take()

    def _filled(self) -> bool:
        try:
            return self._wire.fill()
        except OSError:
            return False

    def _result(self, call: Call, kind: str, content: Any) -> Returned | Raised:
        match kind:
            case "returned":
                return Returned(Succeeded(*content) if content else None)
            case "raised":
                return Raised(Failure(**{**content, "names": frozenset(content["names"])}))
            case "missing":
                raise MissingAction(f'the process of action "{call.action.name}" does not find it: {content}')
            case "lost":
                raise revived(*content)
        names, words, code = content
        if "KeyboardInterrupt" in names:
            raise KeyboardInterrupt
        raise SystemExit(code if "SystemExit" in names else f"{names[0]}: {words}")

    def halt(self) -> None:
        """Kill the process from another thread; the one that waits for it does the rest."""
        self._is_halted = True
        self._leash.strike()

    def end(self) -> None:
        """Kill the process and all that it has started, and return when it has ended."""
        if self._let_go.alive:
            is_known = self._leash.kill()
            for kind, content in self._wire.rest(0 if is_known else PATIENCE_S):
                if kind in ("print", "log"):
                    heard(kind, content)
        self._let_go()

    def leave_to_parent(self) -> None:
        """Let go of what a forked process has inherited: it is none of its business."""
        self._let_go.detach()
        self._leash.leave_to_parent()
        self._wire.close()


def _told(call: Call) -> dict[str, Any]:
    return {
        "action": call.action.name, "address": call.action.address, "arguments": call.arguments,
        "context": call.context.as_json() if call.context else None, "is_probe": call.is_probe,
        "levels": levels(), "argv": sys.argv,
    }  # fmt: skip


def _answered(call: Call, verb: str, given: list[Any]) -> Message:
    """Ask the store what the action asks, and return what to answer."""
    assert call.context
    try:
        return "answer", call.context.answer(verb, *given)
    except FSMError as error:
        return "refused", names_and_words(error)


def _end(leash: Leash, wire: Wire) -> None:
    leash.kill()
    wire.close()


_OPEN: "weakref.WeakSet[Cell]" = weakref.WeakSet()


def _leave_to_parent() -> None:
    for cell in list(_OPEN):
        cell.leave_to_parent()


os.register_at_fork(after_in_child=_leave_to_parent)
