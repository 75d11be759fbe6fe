"""A run that goes forward by its own edges, back and sideways by an operator, and dies now and then."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import fsm
from fsm import operations
from fsm.checks import check_text
from fsm.engine.engine import Engine
from fsm.model.run import Run, Transition
from tests.crash.test_crash_anywhere import INPUTS, worlds
from tests.crash.world import MEMORY, SEQ_MAX, Died, Fuse, Still, World, bury
from tests.strategies import to_yaml

MOVES = ("rewind", "rewind", "redrive", "redrive", "fork", "cancel", "let go")


@dataclass(frozen=True)
class Wandering:
    """What Hypothesis draws: a world, and what the operator does; each move is a kind and a number to choose by."""

    drawn: dict[str, Any]
    moves: Sequence[tuple[str, int]]
    deaths: Sequence[int]


@st.composite
def wanderings(draw: st.DrawFn) -> Wandering:
    moves = st.tuples(st.sampled_from(MOVES), st.integers(0, 1_000))
    return Wandering(
        draw(worlds()), draw(st.lists(moves, min_size=2, max_size=10)), draw(st.lists(st.integers(0, 400), max_size=2))
    )


def unseen(engine: Engine, run: Run) -> None:
    """Look at nothing."""


class Ticking(Still):
    """A clock on which every look takes a millisecond, and ids that differ, since a fork needs one of its own."""

    count = 0

    def now(self) -> int:
        self.instant += 1
        return self.instant

    def new_id(self) -> str:
        self.count += 1
        return f"01CRASH{self.count:019d}"


@dataclass
class Wanderer(World):
    """A world with an operator in it. `look` is called with the engine and a run after every commit."""

    look: Callable[[Engine, Run], None] = unseen
    runs: list[str] = field(default_factory=list)
    engine: Engine | None = None

    def _hear(self, run: Run, transition: Transition) -> None:
        super()._hear(run, transition)
        assert self.engine is not None
        self.look(self.engine, run)

    def wander(self, moves: Sequence[tuple[str, int]], deaths: Sequence[int]) -> None:
        """Live until the operator has made all moves; each death takes a life, and what it was about to do."""
        left = list(deaths)
        rest = list(moves)
        while True:
            self.engine = self.open(Fuse(left.pop() if left else None))
            try:
                self._wander(self.engine, rest)
            except Died:
                self.life += 1
            else:
                return
            finally:
                bury(self.engine)

    def _wander(self, engine: Engine, moves: list[tuple[str, int]]) -> None:
        run = engine.run("random", self.inputs, key="one")
        self.runs = [one.id for one in engine.runs()]
        self._carry(engine, run)
        while moves:
            kind, choice = moves.pop()
            run = self._moved(engine, engine.get(self.runs[choice % len(self.runs)]), kind, choice)
            if run.id not in self.runs:
                self.runs.append(run.id)
            self.look(engine, run)
            if choice % 3:  # else another move comes before it goes on
                self._carry(engine, run)
                self.look(engine, engine.get(run.id))
        for one in self.runs:
            self._carry(engine, engine.get(one))

    def _moved(self, engine: Engine, run: Run, kind: str, choice: int) -> Run:
        with suppress(fsm.IllegalTransition):
            match kind:
                case "rewind" | "redrive" if kind == "rewind" or run.status == "succeeded":
                    operations.effects(engine, run.id, 1 + choice % run.seq)
                    return operations.rewind(engine, run.id, 1 + choice % run.seq, actor="ana", reason="again")
                case "fork":
                    return operations.fork(engine, run.id, 1 + choice % run.seq, actor="ana")
                case "redrive" if run.status in ("failed", "dead"):
                    return operations.redrive(engine, run.id)
                case "cancel":
                    return engine.cancel(run.id)
                case "let go" if claimed := engine.store.claim(run.id, self.clock.now()):
                    engine.store.release(claimed, interrupted=True)
        return engine.get(run.id)

    def _carry(self, engine: Engine, run: Run) -> None:
        """Drive a run for a while: until it has ended, or the outside loses patience."""
        begun = run.seq
        while not run.is_final and run.seq < begun + SEQ_MAX:
            self._answer(engine, run)
            engine.resume(run.id)
            run = engine.get(run.id)


@contextmanager
def wandered(wandering: Wandering, look: Callable[[Engine, Run], None] = unseen) -> Iterator[Wanderer]:
    """Yield a world after its run has wandered."""
    text = to_yaml(wandering.drawn["definition"])
    source, _ = check_text(text, "random.yaml")
    flow = source.workflow
    assert flow
    inputs = {name: value for name, value in INPUTS.items() if name in flow.definition.input}
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        world = Wanderer(
            text, flow, inputs, wandering.drawn["script"], Path(folder), with_once=wandering.drawn["with_once"],
            clock=Ticking(), look=look,
        )  # fmt: skip
        world.wander(wandering.moves, wandering.deaths)
        yield world
