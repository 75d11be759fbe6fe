"""Ours: `run` for one at a time, `run_async` under `gather` for many at once."""

import asyncio
from collections.abc import Callable
from typing import Any

from benchmarks.peers.subject import LONG, STEPS, Subject, Workflow, ended
from fsm import Engine, Outcome, Run, action

_HEAD = """
workflow: steps
version: 1
start: s1
input: {x: int}
defaults: {retry: never, error: failed}
states:
  done: {end: success, output: n}
  failed: {end: failure}
"""


def _state(name: str, reads: str, success: str, more: str = "") -> str:
    does = f"action: steps.step, with: {{x: {reads}}}, writes: n, idempotent: true"
    return f"  {name}: {{{does}, success: {success}{more}}}\n"


_TEN = _HEAD + "".join(
    _state(f"s{n}", "n" if n > 1 else "x", f"s{n + 1}" if n < STEPS else "done") for n in range(1, STEPS + 1)
)

_LONG = (
    _HEAD
    + _state("s1", "x", "{success: s2, enough: done}")
    + _state("s2", "n", "{success: s2, enough: done}", f", max_visits: {LONG}")
)


class Measured(Subject):
    def open(self, workflow: Workflow) -> None:
        text, act = {"alone": (_TEN, self._plain), "crowd": (_TEN, self._asynchronous), "long": (_LONG, self._turn)}[
            workflow
        ]
        definition = self.folder / "steps.yaml"
        definition.write_text(text, encoding="utf-8")
        self._engine = Engine(self.folder / "runs.db", definitions=definition, actions=[act()])

    def _plain(self) -> Callable[..., Any]:
        @action("steps.step")
        def step(x: int) -> int:
            return self.step(x)

        return step

    def _asynchronous(self) -> Callable[..., Any]:
        @action("steps.step")
        async def step(x: int) -> int:
            return self.step(x)

        return step

    def _turn(self) -> Callable[..., Any]:
        @action("steps.step")
        def step(x: int) -> Any:
            found = self.step(x)
            return found if found < LONG else Outcome("enough", found)

        return step

    def alone(self, runs: int) -> None:
        for _ in range(runs):
            _held(self._engine.run("steps", {"x": 0}))

    def crowd(self, runs: int) -> None:
        async def gathered() -> list[Run]:
            return await asyncio.gather(*(self._engine.run_async("steps", {"x": 0}) for _ in range(runs)))

        for run in asyncio.run(gathered()):
            _held(run)

    def long(self) -> None:
        self._engine.run("steps", {"x": 0}, key="long")

    def resume(self) -> None:
        self._engine.resume()

    def close(self) -> None:
        self._engine.close()


def _held(run: Run) -> None:
    assert run.status == "succeeded", run.reason
    ended(run.output)
