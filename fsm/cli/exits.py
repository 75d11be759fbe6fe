"""How a command ends: its exit code, and for a fault one line on stderr."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

import click

from fsm.cli.output import colours, tell

if TYPE_CHECKING:
    from types import FrameType

    from fsm.diagnostics import Diagnostic
    from fsm.model.run import Status


class Exit(IntEnum):
    """The exit codes, the same for every command."""

    FINE = 0
    FAULTS = 1
    USAGE = 2
    ENGINE = 3
    PARKED = 4
    INTERRUPTED = 130
    TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM came: an interruption, as Ctrl-C is."""


class Halted(Exception):
    """A drive was interrupted; the message says how to go on."""

    def __init__(self, code: Exit, message: str) -> None:
        self.code = code
        super().__init__(message)


def of_status(status: "Status") -> Exit:
    """Return the exit code for a run that stopped with a status."""
    match status:
        case "failed" | "cancelled":
            return Exit.FAULTS
        case "waiting" | "dead":
            return Exit.PARKED
    return Exit.FINE


@contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM into `Terminated` for a block, once: `timeout` and others send it twice."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, _frame: "FrameType | None") -> None:
        signal.signal(number, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def settled(command: Callable[[], int]) -> int:
    """Run a command and return its exit code; whatever goes wrong is one message, never a traceback."""
    try:
        return command()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as fault:
        fault.show()
        return Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        tell("interrupted")
        return Exit.INTERRUPTED
    except Terminated:
        tell("terminated")
        return Exit.TERMINATED
    except Halted as end:
        tell(str(end))
        return end.code
    except BrokenPipeError:
        return Exit.FINE
    except Exception as fault:  # noqa: BLE001 - the last line before a traceback
        return _faulty(fault)


def _faulty(fault: Exception) -> Exit:
    from fsm.errors import DefinitionError, FSMError, UsageError  # noqa: PLC0415 - only when something went wrong

    if os.environ.get("FSM_DEBUG") == "1":
        traceback.print_exception(fault)
    if isinstance(fault, DefinitionError):
        unsound(fault.diagnostics)
        return Exit.USAGE
    if isinstance(fault, UsageError):
        tell(f"Error: {fault}")
        return Exit.USAGE
    if isinstance(fault, FSMError):
        tell(f"Error: {fault}")
    elif isinstance(fault, OSError):
        place = f"{fault.filename}: " if fault.filename else ""
        tell(f"Error: {place}{fault.strerror or fault}")
    else:
        said = " ".join(str(fault).split())
        tell(f"Error: unexpected {type(fault).__name__}: {said}; please report it, with what FSM_DEBUG=1 prints")
    return Exit.ENGINE


def unsound(found: "Sequence[Diagnostic]") -> None:
    """Show why a definition cannot be used."""
    from fsm.cli.catalogue import text_of  # noqa: PLC0415 - only when something went wrong
    from fsm.render.diagnostics import full, summary  # noqa: PLC0415

    texts = {one.path: text_of(one.path) for one in found}
    tell(full(found, texts, colour=colours(sys.stderr)))
    tell(f"Error: unsound, so nothing was done: {summary(found, len(texts))}")
