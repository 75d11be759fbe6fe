"""Driving runs from the command line: progress while it lasts, a clean stop when it is interrupted."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from fsm.cli.exits import Exit, Halted, Terminated, of_status
from fsm.cli.output import as_json, emit, kept_clean, tell
from fsm.cli.session import ACTIONS_CURE, Session
from fsm.errors import MissingAction, UsageError
from fsm.model.pause import covering
from fsm.render.endings import ending
from fsm.render.runs import fields

if TYPE_CHECKING:
    from fsm.cli.progress import Silent
    from fsm.engine.engine import Engine
    from fsm.model.run import Run

T = TypeVar("T")


def drive(verb: Callable[[], T], progress: "Silent", go_on: Callable[[], str]) -> T:
    """Call a verb of the engine that drives runs.

    Args:
        verb: what to call.
        progress: what tells of progress meanwhile.
        go_on: says how to go on after an interruption.

    Raises:
        Halted: Ctrl-C, SIGTERM, or an action that ended the process; the run was let go.
        UsageError: an action is missing.
    """
    try:
        with kept_clean(), progress:
            return verb()
    except KeyboardInterrupt:
        raise Halted(Exit.INTERRUPTED, f"interrupted; {go_on()}") from None
    except Terminated:
        raise Halted(Exit.TERMINATED, f"terminated; {go_on()}") from None
    except SystemExit as end:
        raise Halted(Exit.FAULTS, f"an action ended the process with exit({end.code!r}); {go_on()}") from None
    except MissingAction as fault:
        raise UsageError(f"{fault}; {ACTIONS_CURE}") from None


def concluded(session: Session, engine: "Engine", run: "Run") -> Exit:
    """Print what became of a driven run, and return the exit code for it."""
    if session.options.json:
        emit(as_json(fields(run)))
    elif run.status == "succeeded" and run.output is not None:
        emit(run.output if isinstance(run.output, str) else as_json(run.output))
    explained(session, engine, run)
    return parked(engine, run) or of_status(run.status)


def parked(engine: "Engine", run: "Run") -> Exit | None:
    """Return the exit code for a run that a pause holds back."""
    return Exit.PARKED if covering(engine.store.pauses(), run) else None


def explained(session: Session, engine: "Engine", run: "Run") -> None:
    """Say on stderr how a run ended, or what it waits for."""
    if not session.options.quiet:
        redrivable = run.status in ("failed", "dead") and engine.store.last_failure(run) is not None
        pauses = covering(engine.store.pauses(), run)
        tell(ending(run, engine.workflow(run), session.line, None, redrivable=redrivable, pauses=pauses))


def moved(session: Session, engine: "Engine", run: "Run") -> None:
    """Print a run that was moved from outside, as it is now."""
    if session.options.json:
        emit(as_json(fields(run)))
    explained(session, engine, run)
