"""One thing done to many runs: each by itself, so that one that refuses stops none, and repeating is safe."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fsm.cli.exits import Exit, Halted, Terminated
from fsm.cli.output import as_json, emit, tell
from fsm.cli.session import Session
from fsm.errors import UsageError
from fsm.model.run import Run

PROGRESS_RUNS = 500


class Told(NamedTuple):
    """What became of one run."""

    run_id: str
    said: str
    refused: bool


def each(here: Session, runs: Sequence[Run], act: Callable[[Run], str], *, done: str, then: str = "") -> Exit:
    """Do something to runs one after another, and print a line for each; with --json a list at the end.

    Args:
        act: does it, and says what it did; what it refuses is reported, and the next run follows.
        done: what was done to those that did not refuse, for the summary.
        then: what to say where something was done.

    Raises:
        Halted: Ctrl-C or SIGTERM; what was done until then stays done.
    """
    told: list[Told] = []
    try:
        for run in runs:
            told.append(_told(run, act))
            if not here.options.json:
                emit(f"{run.id}  {'refused: ' if told[-1].refused else ''}{told[-1].said}")
            if len(told) % PROGRESS_RUNS == 0 and not here.options.quiet:
                tell(f"{len(told)} of {len(runs)}")
    except (KeyboardInterrupt, Terminated) as stop:
        code = Exit.INTERRUPTED if isinstance(stop, KeyboardInterrupt) else Exit.TERMINATED
        said = f"interrupted after {len(told)} of {len(runs)}; what was done stays done: repeat it for the rest"
        raise Halted(code, said) from None
    finally:
        if here.options.json:
            emit(as_json([_fields(one) for one in told]))
    refused = sum(one.refused for one in told)
    if not here.options.quiet:
        tell(f"{len(told) - refused} {done}" + (f", {refused} refused" if refused else ""))
        if then and refused < len(told):
            tell(then)
    return Exit.FAULTS if refused else Exit.FINE


def _told(run: Run, act: Callable[[Run], str]) -> Told:
    try:
        return Told(run.id, act(run), refused=False)
    except UsageError as fault:
        return Told(run.id, str(fault), refused=True)


def _fields(one: Told) -> dict[str, Any]:
    return {"id": one.run_id, "done": not one.refused, "said": one.said}
