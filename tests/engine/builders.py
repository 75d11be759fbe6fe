"""What the tests of kernel and engine are built with: workflows from text, runs at a state, a clock that obeys."""

import functools
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import dedent
from typing import Any

import fsm
from fsm.engine.engine import Engine
from fsm.model.run import Run
from fsm.model.workflow import Workflow
from fsm.source import read

NOW = 1_700_000_000_000
"""14 November 2023, 22:13:20 UTC."""


def flow_of(text: str) -> Workflow:
    """Read a workflow whose shape is right; it need not be sound."""
    source = read(dedent(text), "test.yaml")
    assert source.workflow is not None, [str(found) for found in source.diagnostics]
    assert not source.diagnostics, [str(found) for found in source.diagnostics]
    return source.workflow


def run_at(flow: Workflow, state: str, **changes: Any) -> Run:
    """Return a run that somebody drives, standing in a state for the first time."""
    run = Run(
        id="01HF0000000000000000000000", workflow=flow.name, version=flow.version, digest=flow.digest, key=None,
        state=state, status="running", seq=7, head=b"", visit=7, entered_at=NOW, attempt=1, tries={},
        visits={state: 1} if state in flow.bounded else {}, due_at=None, awaits=(), epoch=2, crashes=0,
        interrupted=False, started_at=NOW - 1_000, updated_at=NOW, row=1,
    )  # fmt: skip
    return run._replace(**changes)


class Hand:
    """A clock that moves only when somebody sleeps or turns it; chance always falls the same way."""

    def __init__(self, instant: int = NOW, chance: float = 0.5) -> None:
        self.instant = instant
        self.chance = chance
        self.slept: list[int] = []
        self.on_sleep: Callable[[], object] = lambda: None
        self._ids = 0

    def now(self) -> int:
        return self.instant

    def draw(self) -> float:
        return self.chance

    def new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:026d}"

    def sleep(self, delay_ms: int) -> None:
        self.on_sleep()
        self.slept.append(delay_ms)
        self.instant += delay_ms


class House:
    """A folder with definitions and one store, and the engines on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "runs.db"
        self.definitions = folder / "definitions"
        self.definitions.mkdir()
        self.clock = Hand()
        self._engines: list[Engine] = []

    def define(self, text: str, file: str = "flow.yaml") -> Path:
        place = self.definitions / file
        place.write_text(dedent(text))
        return place

    def engine(self, *actions: Any, definitions: Iterable[Path] | None = None, **options: Any) -> Engine:
        """Open an engine on the store, by default with this house's definitions and clock."""
        places = [self.definitions] if definitions is None and any(self.definitions.iterdir()) else definitions or ()
        options.setdefault("clock", self.clock)
        engine = Engine(self.store, definitions=places, actions=actions, **options)
        self._engines.append(engine)
        return engine

    def close(self) -> None:
        for engine in self._engines:
            engine.close()


def named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return an action of a name that calls the function, which stays unmarked."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def later(**given: Any) -> Any:
            return await function(**given)

        return fsm.action(name)(later)

    @functools.wraps(function)
    def call(**given: Any) -> Any:
        return function(**given)

    return fsm.action(name)(call)


def events(engine: Engine, run: Run) -> list[str]:
    """The events of a run, in order."""
    return [row.transition.event for row in engine.history(run.id)]


def path(engine: Engine, run: Run) -> list[str]:
    """The states that a run came through, in order, one per transition."""
    return [row.transition.target for row in engine.history(run.id)]


class Died(BaseException):
    """The process was killed in the middle of an action."""


def killed(engine: Engine, drive: Callable[[], object]) -> None:
    """Let a drive die as a killed process does: nothing is released, and its sign of life is gone."""
    engine.store.release = lambda run, *, interrupted: None  # type: ignore[method-assign]
    try:
        drive()
    except Died:
        engine.close()
    else:
        raise AssertionError("nothing died")
