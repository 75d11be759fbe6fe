"""The workflow that is measured: ten states in a ring, one of them bounded, each with an action that does nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import fsm

STATES = 10
SMALL = {"rows": 17, "kept": 4}
Kind = Literal["plain", "timed", "async", "typed"]


class Interruption(BaseException):
    """Raised by an action as Ctrl-C would be: the run is released where it stands, and can be resumed."""


def definition(kind: Kind = "plain") -> str:
    """Return the ring's YAML; `timed` puts a timeout on every action."""
    timeout = "timeout: 60s, " if kind == "timed" else ""
    around = "".join(
        f"  s{n}: {{action: ring.turn, writes: out, idempotent: true, success: s{n + 1}}}\n" for n in range(1, STATES)
    )
    return (
        f"workflow: ring\nversion: 1\nstart: s1\ninput: {{seed: {{type: 'dict[int]', default: {{n: 1}}}}}}\n"
        f"defaults: {{{timeout}retry: never, error: failed}}\nstates:\n{around}"
        f"  s{STATES}: {{action: ring.close, writes: out, idempotent: true, max_visits: 1000000,\n"
        "    success: {success: s1, stop: done}}\n  done: {end: success}\n  failed: {end: failure}\n"
    )


class Ring:
    """The ring's actions, and how far they let a run go.

    Args:
        kind: `typed` actions read the input and are annotated; `async` ones are coroutines.
        value: what every action returns.
    """

    def __init__(self, kind: Kind = "plain", value: Any = SMALL) -> None:
        self.kind = kind
        self.value = value
        self.rounds = 0
        self.edges: int | None = None

    def until_done(self, edges: int) -> "Ring":
        """Let the next run end after about that many edges: whole rounds."""
        self.rounds, self.edges = max(edges // STATES, 1), None
        return self

    def until_interrupted(self, edges: int) -> "Ring":
        """Let a run cross that many edges out of action states, then interrupt it."""
        self.rounds, self.edges = 1 << 40, edges
        return self

    def _turn(self) -> Any:
        if self.edges is not None:
            self.edges -= 1
            if self.edges < 0:
                raise Interruption
        return self.value

    def _close(self) -> Any:
        value = self._turn()
        self.rounds -= 1
        return value if self.rounds else fsm.Outcome("stop", value)

    @property
    def actions(self) -> list[Callable[..., Any]]:
        ours = {"async": self._asynchronous, "typed": self._typed}.get(self.kind, self._synchronous)
        return [fsm.action(name)(function) for name, function in zip(("ring.turn", "ring.close"), ours(), strict=True)]

    def _synchronous(self) -> tuple[Callable[..., Any], ...]:
        def turn() -> Any:
            return self._turn()

        def close() -> Any:
            return self._close()

        return turn, close

    def _asynchronous(self) -> tuple[Callable[..., Any], ...]:
        async def turn() -> Any:
            return self._turn()

        async def close() -> Any:
            return self._close()

        return turn, close

    def _typed(self) -> tuple[Callable[..., Any], ...]:
        def turn(seed: dict[str, int]) -> dict[str, int]:
            return {**self._turn(), **seed}

        def close(seed: dict[str, int]) -> dict[str, int] | fsm.Outcome[Literal["stop"], Any]:
            assert seed
            return self._close()  # type: ignore[no-any-return]

        return turn, close

    def engine(self, folder: Path, **options: Any) -> fsm.Engine:
        """Open an engine on the store of a folder, with the ring's definition beside it."""
        place = folder / "ring.yaml"
        place.write_text(definition(self.kind), encoding="utf-8")
        return fsm.Engine(folder / "runs.db", definitions=place, actions=self.actions, **options)


def interrupted(engine: fsm.Engine, *, run_id: str | None = None) -> None:
    """Start a run, or drive one on, until its action interrupts it."""
    try:
        engine.resume(run_id) if run_id else engine.run("ring")
    except Interruption:
        return
    raise AssertionError("the ring's action was to interrupt the run")
